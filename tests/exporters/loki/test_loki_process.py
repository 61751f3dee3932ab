"""The Loki handler over the life of a process: exit, fork, an exit while Loki hangs."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any

BOUND = 60


def run(script: str, url: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), url],
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr, result.stderr
    return result.stdout


START = """
    import logging, os, sys
    from collections import Counter
    from qwatch.exporters.loki import LokiHandler

    dropped = Counter()
    handler = LokiHandler(sys.argv[1], "qwatch-test", dropped=lambda reason, n: dropped.update({reason: n}))
    log = logging.getLogger("program")
    log.setLevel("INFO")
    log.addHandler(handler)
"""


def test_what_was_logged_before_the_exit_arrives(loki: Any) -> None:
    run(START + "    log.info('last words')\n", loki.url)
    assert loki.messages == ["last words"]


def test_a_hanging_loki_does_not_hold_the_exit(loki: Any, hang: Any) -> None:
    loki.always = hang
    out = run(START + "    log.info('last words')\n    print(handler.flush(0.1))\n", loki.url)
    assert out.strip() == "False"


def test_parent_and_child_each_send_their_own_lines_once(loki: Any) -> None:
    script = (
        START
        + """
    log.info("from the parent, before")
    child = os.fork()
    if child == 0:
        log.info("from the child")
        os._exit(0 if handler.close(20) else 1)
    _, status = os.waitpid(child, 0)
    log.info("from the parent, after")
    print(status, handler.close(20), dict(dropped))
    """
    )
    assert run(script, loki.url).strip() == "0 True {}"
    assert sorted(loki.messages) == ["from the child", "from the parent, after", "from the parent, before"]


def test_a_fork_while_the_sender_is_busy(loki: Any) -> None:
    script = (
        START
        + """
    for number in range(20):
        log.info("line %d", number)
        child = os.fork()
        if child == 0:
            log.info("child %d", number)
            os._exit(0 if handler.close(20) else 1)
        assert os.waitpid(child, 0)[1] == 0
    print(handler.close(20), dict(dropped))
    """
    )
    assert run(script, loki.url).strip() == "True {}"
    assert len(set(loki.messages)) == len(loki.messages) == 40
