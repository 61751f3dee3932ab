"""``qwatch top`` in a real terminal, before a real daemon and device."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import QWATCH
from .pty_terminal import Terminal

Open = Callable[..., Terminal]
COLOUR = re.compile(rb"\x1b\[(?:\d+;)*(?:3[0-7]|4[0-7]|9[0-7])(?:;\d+)*m")


@pytest.fixture(scope="module")
def qpu(run_device: Any) -> Iterator[Any]:
    with run_device(shot_rate=5) as device:
        yield device


@pytest.fixture(scope="module")
def daemon(run_daemon: Any, qpu: Any, device_at: Any) -> Iterator[Any]:
    with run_daemon(devices=[device_at(qpu.url)]) as found:
        yield found


@pytest.fixture(scope="module")
def environment(daemon: Any, environment_in: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    found: dict[str, str] = environment_in(
        tmp_path_factory.mktemp("user"),
        QRMI_JOB_QPU_RESOURCES="EMU",
        QRMI_JOB_QPU_TYPES="pasqal-local",
        EMU_QRMI_WARDEN_URL=daemon.url,
        QWATCH_TOKEN_FILE=str(daemon.token_file),
        TERM="linux",
        LC_ALL="C.UTF-8",
    )
    for name in ("NO_COLOR", "COLUMNS", "LINES"):
        found.pop(name, None)
    return found


@pytest.fixture
def top(environment: dict[str, str]) -> Iterator[Open]:
    """Return a function that opens ``qwatch top`` in a terminal."""
    opened: list[Terminal] = []

    def start(*words: str, width: int = 120, height: int = 40, **changes: str) -> Terminal:
        terminal = Terminal([*QWATCH, "top", *words], environment | changes, width, height)
        opened.append(terminal)
        return terminal

    yield start
    for terminal in opened:
        terminal.close()


@pytest.fixture
def jobs(daemon: Any, sequence_text: str) -> Iterator[list[int]]:
    """One job that runs for minutes, and two that wait."""
    token = daemon.acquire()
    numbers = [daemon.submit(token, sequence_text, shots) for shots in (2000, 70, 80)]
    daemon.until(numbers[0], "RUNNING")
    yield numbers
    for number in numbers[::-1]:
        if daemon.job(number)["status"] in ("PENDING", "RUNNING"):
            daemon.client.post(f"/jobs/{number}/cancel")
        daemon.finished(number)
    daemon.ok("DELETE", f"/sessions/{token}")


def row_of(shown: str, number: int) -> str:
    """Return the row of a job in the table, the empty string if it has none."""
    return next((line for line in shown.splitlines() if re.match(rf"[▸> ] +{number}\b", line)), "")


def table(shown: str) -> list[int]:
    """Return the numbers of the jobs that wait or run, from the top of the table."""
    return [int(found) for found in re.findall(r"^[▸> ] +(\d+)  .*(?:PENDING|RUNNING)", shown, re.MULTILINE)]


def test_it_shows_sorts_filters_and_cancels_after_a_yes(top: Open, daemon: Any, jobs: list[int]) -> None:
    terminal = top()
    shown = terminal.until(lambda text: len(table(text)) == 3)
    assert table(shown) == jobs
    for part in ("EMU", "online", "execute", "last ", f"job {jobs[0]}", "QUEUE", "live"):
        assert part in shown
    assert "RUNNING" in row_of(shown, jobs[0])
    terminal.send("r")
    terminal.until(lambda text: table(text) == [jobs[2], jobs[1], jobs[0]])
    terminal.send("r", "/", *"pending", "enter")
    terminal.until(lambda text: table(text) == jobs[1:] and 'filter "pending"' in text)
    terminal.send("down", "c")
    terminal.until(f"cancel job {jobs[2]}")
    terminal.send("n")
    terminal.until("nothing was canceled")
    assert daemon.job(jobs[2])["status"] == "PENDING"
    terminal.send("c")
    terminal.until(f"cancel job {jobs[2]}")
    terminal.send("y")
    terminal.until(f"job {jobs[2]} is CANCELED")
    assert daemon.job(jobs[2])["status"] == "CANCELED"
    terminal.until(lambda text: table(text) == [jobs[1]])
    terminal.send("escape")
    terminal.until(lambda text: "CANCELED" in row_of(text, jobs[2]))
    terminal.send("q")
    assert terminal.ended() == 0
    assert terminal.attributes == terminal.attributes_before


@pytest.mark.parametrize("ending", ["q", "\x03", signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_given_back_however_it_ends(top: Open, ending: str | signal.Signals) -> None:
    terminal = top(TERM="screen")
    terminal.until("live")
    assert terminal.attributes != terminal.attributes_before
    if isinstance(ending, signal.Signals):
        terminal.process.send_signal(ending)
    else:
        terminal.send(ending)
    assert terminal.ended() == (128 + ending if isinstance(ending, signal.Signals) else 0)
    assert terminal.attributes == terminal.attributes_before
    assert b"\x1b[?1049h" in terminal.raw
    end = terminal.raw.rindex(b"\x1b[?1049l")
    assert terminal.raw.rindex(b"\x1b[?1000l") < end
    assert b"Traceback" not in terminal.raw


def test_a_window_that_changes_its_size_is_filled_anew(top: Open, jobs: list[int]) -> None:
    terminal = top()
    terminal.until(lambda text: table(text) == jobs)
    for width, height in ((60, 15), (250, 60), (30, 5), (80, 24)):
        terminal.resize(width, height)
        if width < 40:
            terminal.until("too small")
        else:
            terminal.until(lambda text: table(text) == jobs and "? help" in text.splitlines()[-1])
    terminal.send("q")
    assert terminal.ended() == 0


def test_it_waits_for_a_lost_daemon_with_its_last_picture(top: Open, daemon: Any, jobs: list[int]) -> None:
    terminal = top()
    terminal.until(lambda text: table(text) == jobs)
    daemon.kill()
    shown = terminal.until("next try at")
    assert "STALE" in shown
    assert re.search(r"stale since \d\d:\d\d:\d\d", shown)
    assert table(shown) == jobs
    daemon.start()
    terminal.until(lambda text: "STALE" not in text and "live" in text.splitlines()[0])
    terminal.send("q")
    assert terminal.ended() == 0


def test_it_waits_for_a_daemon_that_is_not_there_yet(top: Open, free_port: Callable[[], int]) -> None:
    terminal = top(EMU_QRMI_WARDEN_URL=f"http://127.0.0.1:{free_port()}")
    terminal.until("does not answer")
    terminal.send("q")
    assert terminal.ended() == 0


def test_without_colour_it_says_the_same(top: Open, jobs: list[int]) -> None:
    coloured = top(TERM="screen-256color")
    coloured.until(lambda text: table(text) == jobs)
    assert COLOUR.search(coloured.raw)
    plain = top(TERM="screen-256color", NO_COLOR="1")
    shown = plain.until(lambda text: table(text) == jobs)
    assert not COLOUR.search(plain.raw)
    assert "online" in shown
    assert "execute" in shown


def test_without_utf8_it_draws_with_ascii(top: Open, jobs: list[int]) -> None:
    terminal = top(LC_ALL="C")
    assert terminal.until(lambda text: table(text) == jobs).isascii()
    assert terminal.raw.isascii()


def test_a_paused_picture_stands_still_and_goes_on(top: Open, daemon: Any, jobs: list[int]) -> None:
    terminal = top("--interval", "0.2")
    terminal.until(lambda text: table(text) == jobs)
    terminal.send(" ")
    terminal.until("PAUSED")
    daemon.ok("POST", f"/jobs/{jobs[1]}/cancel")
    daemon.finished(jobs[1])
    newer = top()
    newer.until(lambda text: table(text) == [jobs[0], jobs[2]])
    terminal.send("r")
    terminal.until(lambda text: table(text) == jobs[::-1] and "PAUSED" in text)
    terminal.send(" ")
    terminal.until(lambda text: jobs[1] not in table(text) and "PAUSED" not in text)


@pytest.fixture
def run(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs ``qwatch top`` without a terminal."""

    def ask(*words: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*QWATCH, "top", *words],
            env=environment | {"COLUMNS": "100"} | changes,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return ask


@pytest.fixture
def told_jobs(daemon: Any, jobs: list[int], wait_until: Any) -> list[int]:
    """The jobs, once the daemon tells them: its snapshot is up to a second old."""

    def told() -> bool:
        found = daemon.ok("GET", "/live")["own"]["jobs"]
        return [job["id"] for job in found["running"] + found["waiting"]] == jobs

    wait_until(told)
    return jobs


def test_once_prints_one_picture_also_on_a_dumb_terminal(run: Any, told_jobs: list[int]) -> None:
    done = run("--once", TERM="dumb")
    assert (done.returncode, done.stderr) == (0, "")
    assert table(done.stdout) == told_jobs
    assert "\x1b" not in done.stdout
    assert "q quit" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_json_is_the_daemons_snapshot(run: Any, told_jobs: list[int]) -> None:
    found = json.loads(run("--json").stdout)
    assert found["devices"][0]["name"] == "EMU"
    assert [job["id"] for job in found["own"]["jobs"]["waiting"]] == told_jobs[1:]


def test_a_user_without_a_proof_sees_the_public_part_and_why(run: Any, daemon: Any, tmp_path: Path) -> None:
    wrong = tmp_path / "token"
    wrong.write_text("qwt_" + "B" * 43)
    wrong.chmod(0o600)
    for changes in ({"QWATCH_TOKEN_FILE": str(wrong)}, {"QWATCH_TOKEN_FILE": str(tmp_path / "none")}):
        done = run("--once", **changes)
        assert done.returncode == 0, done.stderr
        assert "your jobs are not shown: " in done.stdout
        assert "EMU" in done.stdout
        assert table(done.stdout) == []
        assert "qwt_" not in done.stdout
    public = run("--once", "--url", daemon.url, EMU_QRMI_WARDEN_URL="")
    assert public.returncode == 0, public.stderr
    assert "EMU" in public.stdout


@pytest.mark.parametrize(
    ("words", "changes", "told"),
    [
        (("--once",), {"EMU_QRMI_WARDEN_URL": "http://127.0.0.1:1"}, "does not answer"),
        (("--json",), {"EMU_QRMI_WARDEN_URL": "http://127.0.0.1:1"}, "does not answer"),
        (("--qpu", "NOWHERE"), {}, "NOWHERE"),
        (("--url", "host:8006"), {}, "http://"),
        ((), {}, "--once"),
    ],
)
def test_what_fails_is_exit_code_one_and_one_line(
    run: Any, words: tuple[str, ...], changes: dict[str, str], told: str
) -> None:
    done = run(*words, **changes)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("qwatch: ")
    assert told in line


@pytest.mark.parametrize("name", ["dumb", "", "no-such-terminal"])
def test_a_terminal_without_a_full_screen_is_told_of_once(top: Open, name: str) -> None:
    terminal = top(TERM=name)
    assert terminal.ended() == 1
    assert "--once" in terminal.text.replace("\n", "")


@pytest.mark.skipif(os.getuid() != 0, reason="another user's credential: run the tests as root")
def test_an_administrator_sees_and_cancels_the_job_of_another_user(
    top: Open, run_daemon: Any, device_at: Any, qpu: Any, munged: None, sequence_text: str
) -> None:
    with run_daemon(devices=[device_at(qpu.url)], api={"auth": "munge"}) as daemon:

        def as_nobody() -> dict[str, str]:
            made = subprocess.run(["munge", "-n"], user="nobody", capture_output=True, text=True, check=True)
            return {"x-munge-cred": made.stdout.strip()}

        token = daemon.acquire(uid=65534)
        submission = {"json": {"sequence": sequence_text, "shots": 2000}, "timeout": 30}
        numbers = [
            httpx.post(
                f"{daemon.url}/jobs", headers=as_nobody() | {"x-warden-session": token}, **submission
            ).json()["id"]
            for _ in range(2)
        ]
        terminal = top(EMU_QRMI_WARDEN_URL=daemon.url, QWATCH_TOKEN_FILE="")
        shown = terminal.until(lambda text: table(text) == numbers)
        assert "administrator" in shown.splitlines()[0]
        assert "nobody" in row_of(shown, numbers[1])
        terminal.send("down", "c")
        terminal.until(f"cancel job {numbers[1]} of nobody")
        terminal.send("y")
        terminal.until(f"job {numbers[1]} is CANCELED")
        (act,) = daemon.ok("GET", "/admin/audit")["entries"]
        assert (act["action"], act["reason"]) == ("job.cancel", "qwatch top")
        terminal.send("a")
        terminal.until("Your jobs (0)")
        terminal.send("q")
        assert terminal.ended() == 0
