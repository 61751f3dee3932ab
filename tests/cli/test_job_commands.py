"""``qwatch submit``, ``jobs``, ``job``, ``cancel``, ``doctor``, ``run``: what they print, how they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
COMMAND = [sys.executable, "-m", "qwatch.cli.main"]


@pytest.fixture(scope="module")
def qpu(run_device: Any) -> Iterator[Any]:
    with run_device() as device:
        yield device


@pytest.fixture(scope="module")
def daemon(run_daemon: Any, qpu: Any, device_at: Any) -> Iterator[Any]:
    with run_daemon(devices=[device_at(qpu.url)]) as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, sequence_text: str) -> Path:
    found: Path = tmp_path_factory.mktemp("user")
    (found / "sequence.json").write_text(sequence_text)
    return found


@pytest.fixture(scope="module")
def environment(daemon: Any, folder: Path, environment_in: Any) -> dict[str, str]:
    found: dict[str, str] = environment_in(
        folder,
        QRMI_JOB_QPU_RESOURCES="EMU",
        QRMI_JOB_QPU_TYPES="pasqal-local",
        EMU_QRMI_WARDEN_URL=daemon.url,
        QWATCH_TOKEN_FILE=str(daemon.token_file),
    )
    return found


@pytest.fixture
def qwatch(run_qwatch: Run, environment: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs ``qwatch`` in the user's folder, with ``changes`` of the environment."""
    monkeypatch.chdir(folder)

    def run(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return run_qwatch(environment | changes, *arguments)

    return run


def said(done: subprocess.CompletedProcess[str], code: int = 0) -> str:
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def one_error(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("qwatch: ")
    return line


def test_submit_and_wait_prints_the_result(qwatch: Run) -> None:
    printed = said(qwatch("submit", "sequence.json", "--shots", "21", "--wait"))
    assert "DONE" in printed
    assert '{"counter": {"0": 21}}' in printed


def test_submit_as_json_carries_class_and_number(qwatch: Run, daemon: Any) -> None:
    found = json.loads(
        said(qwatch("submit", "sequence.json", "--shots", "22", "--class", "qa", "--wait", "--json"))
    )
    assert (found["status"], found["job_class"], found["shots"]) == ("DONE", "qa", 22)
    assert daemon.job(found["id"])["status"] == "DONE"


def test_submit_leaves_no_session_open(qwatch: Run, daemon: Any) -> None:
    said(qwatch("submit", "sequence.json", "--shots", "1"))
    assert daemon.metric("qpu_sessions_active") == 0


def test_submit_uses_the_session_that_the_job_holds(qwatch: Run, daemon: Any) -> None:
    token = daemon.acquire()
    said(qwatch("submit", "sequence.json", "--shots", "1", EMU_QRMI_JOB_ACQUISITION_TOKEN=token))
    assert daemon.metric("qpu_sessions_active") == 1
    daemon.ok("DELETE", f"/sessions/{token}")


def test_a_job_that_fails_is_exit_code_one_with_the_reason(qwatch: Run, qpu: Any) -> None:
    qpu.error = "the laser was unlocked"
    done = qwatch("submit", "sequence.json", "--shots", "3", "--wait")
    qpu.error = None
    assert "ERROR" in said(done, 1)
    assert "the laser was unlocked" in done.stderr


def test_jobs_are_listed_newest_first_as_table_and_as_json(qwatch: Run) -> None:
    said(qwatch("submit", "sequence.json", "--shots", "4", "--wait"))
    listed = json.loads(said(qwatch("jobs", "--json", "--limit", "2")))
    assert [job["id"] for job in listed] == sorted((job["id"] for job in listed), reverse=True)
    printed = said(qwatch("jobs", "--limit", "2"))
    assert str(listed[0]["id"]) in printed
    assert "DONE" in printed


def test_a_job_is_shown_with_its_results_and_log(qwatch: Run) -> None:
    number = json.loads(said(qwatch("submit", "sequence.json", "--shots", "5", "--wait", "--json")))["id"]
    printed = said(qwatch("job", str(number)))
    for part in (f"job {number}", "DONE", "5 of 5", "queued as production with 5 shots", '"counter"'):
        assert part in printed
    found = json.loads(said(qwatch("job", str(number), "--json")))
    assert found["id"] == number
    assert "DONE: 5 shots" in found["logs"]
    assert "trace" in said(qwatch("job", str(number), "--trace"))


def test_a_waiting_job_is_canceled(qwatch: Run, daemon: Any, sequence_text: str, wait_until: Any) -> None:
    token = daemon.acquire()
    running, waiting = (daemon.submit(token, sequence_text, 1900) for _ in range(2))
    assert said(qwatch("cancel", str(waiting))) == f"job {waiting} CANCELED\n"
    assert "CANCELED" in one_error(qwatch("cancel", str(waiting)))
    daemon.client.post(f"/jobs/{running}/cancel")
    daemon.finished(running)
    daemon.ok("DELETE", f"/sessions/{token}")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("job", "999999"), "999999"),
        (("cancel", "999999"), "999999"),
        (("job", str(2**40)), "no job"),
        (("submit", "sequence.json", "--shots", "0"), "shots"),
        (("submit", "sequence.json", "--shots", "1000000000"), "shots"),
        (("submit", "sequence.json", "--shots", "1", "--class", "vip"), "vip"),
        (("submit", "missing.json", "--shots", "1"), "missing.json"),
        (("submit", ".", "--shots", "1"), "."),
        (("jobs", "--qpu", "NOWHERE"), "NOWHERE"),
        (("serve", "--config", "/nowhere.yaml"), "/nowhere.yaml"),
    ],
)
def test_what_fails_is_exit_code_one_and_one_line(qwatch: Run, arguments: tuple[str, ...], told: str) -> None:
    assert told in one_error(qwatch(*arguments))


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("job",),
        ("job", "abc"),
        ("jobs", "--limit", "0"),
        ("jobs", "--limit", "5000"),
        ("submit", "sequence.json"),
        ("submit", "sequence.json", "--shots", "many"),
        ("serve",),
        ("serve", "--config", "x", "--role", "king"),
        ("up", "--auth", "trust"),
        ("up", "--api-port", "70000"),
        ("run",),
        ("--nonsense",),
    ],
)
def test_a_usage_error_is_exit_code_two_and_names_the_help(qwatch: Run, arguments: tuple[str, ...]) -> None:
    done = qwatch(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Usage: qwatch" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_and_version_are_exit_code_zero(qwatch: Run) -> None:
    assert said(qwatch("--version")).startswith("qwatch ")
    for verb in ("up", "serve", "emulate", "run", "submit", "jobs", "job", "cancel", "top", "doctor"):
        assert verb in said(qwatch("--help"))
    assert "--shots" in said(qwatch("submit", "--help"))


def test_a_daemon_that_does_not_answer_is_one_line_that_says_what_to_do(
    qwatch: Run, free_port: Callable[[], int]
) -> None:
    line = one_error(qwatch("jobs", EMU_QRMI_WARDEN_URL=f"http://127.0.0.1:{free_port()}"))
    assert "does not answer" in line
    assert "qwatch doctor" in line


def test_without_any_qpu_the_line_says_how_to_get_one(qwatch: Run, tmp_path: Path) -> None:
    nothing = {"QRMI_JOB_QPU_RESOURCES": "", "QRMI_JOB_QPU_TYPES": "", "XDG_STATE_HOME": str(tmp_path)}
    assert "qwatch up" in one_error(qwatch("jobs", **nothing))


def test_a_wrong_token_file_is_one_line_without_the_token(qwatch: Run, tmp_path: Path) -> None:
    wrong = tmp_path / "token"
    wrong.write_text("qwt_" + "B" * 43)
    wrong.chmod(0o644)
    assert "chmod 600" in one_error(qwatch("jobs", QWATCH_TOKEN_FILE=str(wrong)))
    wrong.chmod(0o600)
    line = one_error(qwatch("jobs", QWATCH_TOKEN_FILE=str(wrong)))
    assert "401" in line
    assert "qwt_" not in line


def test_doctor_finds_a_working_daemon(qwatch: Run, daemon: Any) -> None:
    found = {item["part"]: item for item in json.loads(said(qwatch("doctor", "--json")))}
    for part in ("QRMI", "QPU", "daemon", "device", "access"):
        assert found[part]["state"] == "ok", found[part]
    assert daemon.url in found["daemon"]["line"]
    printed = said(qwatch("doctor"))
    assert "daemon" in printed
    assert "ok" in printed


def test_doctor_says_what_fails_and_what_to_do_and_exits_with_one(
    qwatch: Run, free_port: Callable[[], int]
) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    done = qwatch(
        "doctor", "--json", "--prometheus", nowhere, "--loki", nowhere,
        EMU_QRMI_WARDEN_URL=nowhere, OTEL_EXPORTER_OTLP_ENDPOINT=nowhere,
    )  # fmt: skip
    found = {item["part"]: item for item in json.loads(said(done, 1))}
    for part in ("daemon", "OTLP", "Loki", "Prometheus"):
        assert found[part]["state"] == "failed"
        assert found[part]["advice"]
    assert "Traceback" not in done.stderr


PROGRAM = """
    import os, sys
    from pathlib import Path
    Path("token").write_text(os.environ["EMU_QRMI_JOB_ACQUISITION_TOKEN"])
    Path("pid").write_text(str(os.getpid()))
    {what}
"""


@pytest.fixture
def program(folder: Path) -> Callable[[str], Path]:
    def write(what: str) -> Path:
        for name in ("token", "pid"):
            (folder / name).unlink(missing_ok=True)
        file = folder / "program.py"
        file.write_text(textwrap.dedent(PROGRAM).format(what=what))
        return file

    return write


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("print('well')", 0),
        ("sys.exit(7)", 7),
        ("raise SystemError('broken')", 1),
        ("os.kill(os.getpid(), 9)", 128 + 9),
        ("os._exit(3)", 3),
    ],
)
def test_run_gives_the_programs_exit_code_and_releases_its_session_however_it_ended(
    qwatch: Run, daemon: Any, program: Any, folder: Path, sequence_text: str, what: str, code: int
) -> None:
    done = qwatch("run", "--qpu", "EMU", "--", sys.executable, str(program(what)))
    assert done.returncode == code, done.stderr
    token = (folder / "token").read_text()
    assert "released" in daemon.refused(403, "POST", "/jobs", **daemon.submission(token, sequence_text, 1))
    assert daemon.metric("qpu_sessions_active") == 0
    assert token not in done.stdout + done.stderr


def test_run_keeps_the_session_that_the_job_holds(qwatch: Run, daemon: Any, program: Any, folder: Path) -> None:
    token = daemon.acquire()
    done = qwatch(
        "run", "--qpu", "EMU", "--", sys.executable, str(program("")), EMU_QRMI_JOB_ACQUISITION_TOKEN=token
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "token").read_text() == token
    assert daemon.metric("qpu_sessions_active") == 1
    daemon.ok("DELETE", f"/sessions/{token}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_passes_a_signal_on_and_releases_the_session(
    environment: dict[str, str],
    daemon: Any,
    program: Any,
    folder: Path,
    wait_until: Any,
    number: signal.Signals,
) -> None:
    file = program("import time; time.sleep(600)")
    process = subprocess.Popen(
        [*COMMAND, "run", "--qpu", "EMU", "--", sys.executable, str(file)],
        env=environment,
        cwd=folder,
        process_group=0,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: (folder / "pid").exists() and (folder / "pid").read_text())
        process.send_signal(number)
        assert process.wait(60) in (128 + number, 1)
        child = int((folder / "pid").read_text())
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
        assert daemon.metric("qpu_sessions_active") == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("command", ["nonexistent-program", "./sequence.json"])
def test_run_of_what_cannot_run_is_one_line_and_takes_no_session(
    qwatch: Run, daemon: Any, command: str
) -> None:
    before = daemon.metric("qpu_sessions_total")
    assert command in one_error(qwatch("run", "--qpu", "EMU", "--", command))
    assert daemon.metric("qpu_sessions_total") == before


def test_run_puts_the_jobs_of_a_program_in_the_class_it_names(
    qwatch: Run, daemon: Any, program: Any, folder: Path
) -> None:
    what = (
        "import qrmi\n"
        "    from qwatch.qrmi.open_resource import open_resource\n"
        "    resource = open_resource()\n"
        "    print(resource.task_start(qrmi.Payload.PasqalCloud(Path('sequence.json').read_text(), 6)))"
    )
    file = program("pass")
    file.write_text(textwrap.dedent(PROGRAM.format(what=what)))
    done = qwatch("run", "--qpu", "EMU", "--class", "development", "--", sys.executable, str(file))
    job = daemon.finished(int(said(done).strip()))
    assert (job["status"], job["job_class"], job["shots"]) == ("DONE", "development", 6)
