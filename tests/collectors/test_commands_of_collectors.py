"""A command runs for a bounded time, with bounded output, and leaves nothing behind."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import pytest

from qwatch.collectors.command import CommandError, output_of


def run(path: Path, *arguments: str, **options: Any) -> str:
    given: dict[str, Any] = {"timeout": 60, "most_bytes": 10_000, "environment": {"PATH": "/usr/bin:/bin"}}
    return output_of([str(path), *arguments], **(given | options))


def gone(pid_file: Path) -> bool:
    process = Path("/proc", pid_file.read_text().strip())
    return not process.exists() or ") Z " in (process / "stat").read_text()


def test_output_arguments_and_environment(write_command: Any) -> None:
    path = write_command("tell", 'printf "%s/%s" "$1" "$SITE"; echo noise >&2')
    assert run(path, "a b", environment={"SITE": "x"}) == "a b/x"


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("exec sleep 600", "took longer than 0.3 s"),
        ("sleep 600 & echo $! > {pid}; wait", "took longer than 0.3 s"),
        # It ends, and what it started goes on and holds its output open.
        ("sleep 600 & echo $! > {pid}", "took longer than 0.3 s"),
        # It closes its outputs and goes on.
        ("echo $$ > {pid}; exec >&- 2>&-; exec sleep 600", "took longer than 0.3 s"),
    ],
)
def test_a_command_that_takes_too_long_is_killed_with_its_children(
    write_command: Any, wait_until: Any, tmp_path: Path, script: str, line: str
) -> None:
    pid = tmp_path / "pid"
    pid.write_text("0")
    with pytest.raises(CommandError, match=line):
        run(write_command("slow", script.format(pid=pid)), timeout=0.3)
    wait_until(lambda: gone(pid), "it goes on")


def test_output_without_end_is_cut_off(write_command: Any) -> None:
    with pytest.raises(CommandError, match="more than 5000 bytes"):
        run(write_command("babble", "exec yes"), most_bytes=5000)


def test_a_command_is_stopped_with_the_daemon(write_command: Any) -> None:
    stopping = threading.Event()
    threading.Timer(0.2, stopping.set).start()
    with pytest.raises(CommandError, match="the daemon stops"):
        run(write_command("slow", "exec sleep 600"), stopping=stopping)


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("echo 'no\nlaser' >&2; exit 3", "bad ended with 3: no laser"),
        ("yes error | head -c 1000000 >&2; exit 1", "bad ended with 1: error error"),
        ("kill -9 $$", "bad ended with -9"),
        (r"printf '\377'", "not UTF-8"),
    ],
)
def test_a_failure_is_one_line(write_command: Any, script: str, line: str) -> None:
    with pytest.raises(CommandError, match=re.escape(line)) as failure:
        run(write_command("bad", script))
    assert "\n" not in str(failure.value)
    assert len(str(failure.value)) < 3000


def test_a_command_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be run: No such file"):
        run(tmp_path / "missing")
    (tmp_path / "text").write_text("no program")
    with pytest.raises(CommandError, match="cannot be run: Permission denied"):
        run(tmp_path / "text")
