"""``qwatch admin``: how the daemon is found, what is said of what was done, and of what cannot be."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from qwatch.cli.failure import CommandFailedError
from qwatch.cli.main import application

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def daemon(run_daemon: Any, run_device: Any, device_at: Any) -> Iterator[Any]:
    with run_device() as qpu, run_daemon(devices=[device_at(qpu.url)]) as daemon:
        yield daemon


@pytest.fixture
def run(daemon: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run words of ``qwatch admin`` in this process, on a machine whose qrmi_config.json names the daemon."""
    config = tmp_path / "qrmi_config.json"
    resource = {"name": "EMU", "type": "pasqal-local", "environment": {"QRMI_WARDEN_URL": daemon.url}}
    config.write_text(json.dumps({"resources": [resource]}))
    for name in ("QRMI_JOB_QPU_RESOURCES", "SLURM_JOB_QPU_RESOURCES", "QWATCH_QPU", "QWATCH_ADMIN_SOCKET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("QWATCH_QRMI_CONFIG", str(config))
    monkeypatch.setenv("QWATCH_TOKEN_FILE", str(daemon.token_file))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def run(*words: str) -> Any:
        done = CliRunner().invoke(application, ["admin", *words])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return json.loads(done.output) if "--json" in words else done.output

    return run


def last_act(run: Run) -> tuple[str, str, str]:
    act = run("audit", "--limit", "1", "--json")["entries"][0]
    return act["action"], act["reason"], act["address"]


def test_the_socket_is_found_by_the_qpu_and_http_is_used_without_it(run: Run, daemon: Any) -> None:
    run("drain", "EMU", "--reason", "by the socket")
    assert last_act(run) == ("drain.begin", "by the socket", "unix socket")
    path = daemon.directory / "admin.sock"
    hidden = path.rename(path.with_suffix(".hidden"))
    try:
        assert "EMU is online" in run("resume", "EMU", "--reason", "by HTTP")
        assert last_act(run) == ("drain.end", "by HTTP", "127.0.0.1")
        with pytest.raises(CommandFailedError, match="does not answer on"):
            run("--socket", str(path), "status")
    finally:
        hidden.rename(path)


def test_a_window_is_told_in_one_line_with_what_operators_may_know(run: Run) -> None:
    line = run("maintenance", "begin", "EMU", "--until", "2h", "--message", "helium", "--note", "ask Ada")
    assert line.startswith("EMU: maintenance since ")
    assert line.endswith(": helium [ask Ada]\n")
    assert "helium" in run("status")
    assert "ended" in run("maintenance", "end", "EMU")
    with pytest.raises(CommandFailedError, match=r"no maintenance of EMU is open \(HTTP 409"):
        run("maintenance", "end", "EMU")
    run("calibration", "begin", "EMU", "--procedure", "readout", "--allow-qa")
    assert run("calibration", "end", "EMU", "--result", "failure").endswith(": failure\n")


def test_users_and_the_class_of_jobs_are_set_and_reset(run: Run) -> None:
    assert "all users (by the configuration)" in run("users", "list")
    assert "0, 1000 (set at run time)" in run("users", "set", "root", "1000")
    assert run("users", "add", "1001", "--json")["authorized_users"] == [0, 1000, 1001]
    assert run("users", "remove", "root", "1000", "--json")["authorized_users"] == [1001]
    assert "all users (set at run time)" in run("users", "set", "--all")
    assert "all users (by the configuration)" in run("users", "reset")
    assert "test (set at run time)" in run("job-class", "test")
    assert "production (by the configuration)" in run("job-class", "--reset")
    with pytest.raises(CommandFailedError, match="knows no user 'nobody-of-that-name'"):
        run("users", "add", "nobody-of-that-name")


def test_sessions_are_listed_and_revoked_by_number(run: Run, daemon: Any) -> None:
    token = daemon.acquire()
    (held,) = run("sessions", "list", "--device", "EMU", "--json")["sessions"]
    assert token not in json.dumps(held)
    assert f"session {held['id']} of" in run("sessions", "revoke", str(held["id"]))
    assert "no session is held" in run("sessions", "list")


def test_what_a_slurm_job_left_over_is_revoked_by_slurms_epilog(
    run: Run, daemon: Any, environment_in: Any, tmp_path: Path
) -> None:
    for slurm_job in ("4711", "4711", "47"):
        daemon.acquire(slurm_job=slurm_job)
    script = Path(__file__).parents[2] / "compose" / "slurm" / "epilog-slurmctld.sh"
    log = tmp_path / "epilog.log"
    environment = environment_in(
        tmp_path,
        QWATCH=str(Path(sys.executable).with_name("qwatch")),
        QWATCH_ADMIN_SOCKET=str(daemon.directory / "admin.sock"),
        QWATCH_EPILOG_LOG=str(log),
    )
    for slurm_job in ("4711", "4711", "0815"):
        command = subprocess.run(
            ["sh", script], env=environment | {"SLURM_JOB_ID": slurm_job}, capture_output=True, check=False
        )
        assert (command.returncode, command.stdout, command.stderr) == (0, b"", b"")
    assert len(log.read_text().splitlines()) == 2, "what had nothing to do says nothing"
    (held,) = run("sessions", "list", "--json")["sessions"]
    assert held["slurm_job_id"] == "47"
    assert last_act(run)[1] == "its Slurm job has ended"
    run("sessions", "revoke", "--slurm-job", "47")
    daemon.stop()
    environment["SLURM_JOB_ID"] = "48"
    command = subprocess.run(["sh", script], env=environment, capture_output=True, check=False)
    assert command.returncode == 0, "a daemon that is down is no matter of Slurm's"
    assert "qwatch: " in log.read_text().splitlines()[-1]
    daemon.start()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("drain", "EMU", "--until", "soon"), "neither a moment such as"),
        (("audit", "--since", "soon"), "neither a moment such as"),
        (("calibration", "end", "EMU", "--result", "fine"), "is not success or failure"),
        (("users", "set"), "name the users, or give --all"),
        (("users", "set", "--all", "ada"), "name the users, or give --all"),
        (("job-class", "test", "--reset"), "not both"),
        (("cancel", "seven"), "valid integer"),
        (("sessions", "revoke"), "give either the session's number or --slurm-job N"),
    ],
)
def test_a_mistake_in_the_words_is_a_usage_error(words: tuple[str, ...], line: str) -> None:
    done = CliRunner().invoke(application, ["admin", *words])
    assert done.exit_code == 2
    assert line in done.output
