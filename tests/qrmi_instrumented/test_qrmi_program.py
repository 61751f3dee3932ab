"""Programs run by ``qwatch run``: environment, session, signals, zero-code traces."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from qwatch.qrmi.open_resource import ResourceNotAvailableError
from qwatch.qrmi.program import ProgramNotStartedError, run_program

PRINT_ENVIRONMENT = "import json, os; json.dump(dict(os.environ), open('environment.json', 'w'))"

# A program that knows nothing of qwatch.
PLAIN = """
import qrmi, sys
resources = qrmi.QRMIService().resources()
assert len(resources) == 1, resources
resource = resources[0]
assert isinstance(resource, qrmi.QuantumResource)
payload = qrmi.Payload.PasqalCloud(sequence='{"register": [{"name": "a"}]}', job_runs=5)
task = resource.task_start(payload)
while resource.task_status(task) != qrmi.TaskStatus.Completed:
    pass
print(resource.task_result(task).value)
"""


@pytest.fixture
def environment(job_environment):
    """What a user's shell in a job gives, with the Python of the tests."""
    return dict(os.environ)


def run(program, environment, **options):
    return run_program([sys.executable, "-c", program], environment=environment, **options)


def seen():
    return json.loads(Path("environment.json").read_text())


def test_the_program_finds_its_qpu_and_session(environment, north):
    assert run(PRINT_ENVIRONMENT, environment, qpu="EMU") == 0
    child = seen()
    assert child["QRMI_JOB_QPU_RESOURCES"] == child["QWATCH_QPU"] == "EMU"
    assert child["QRMI_JOB_QPU_TYPES"] == "pasqal-local"
    assert child["EMU_QRMI_WARDEN_URL"] == f"{north.url}/devices/EMU"
    assert (child["QRMI_JOB_UID"], child["QRMI_JOB_ID"]) == (str(os.getuid()), "77")
    assert north.sessions == {child["EMU_QRMI_JOB_ACQUISITION_TOKEN"]: "released"}


@pytest.mark.parametrize("suffix", ["", "/devices/EMU", "/devices/EMU/classes/production"])
def test_a_job_class_is_a_base_url_of_its_own(environment, north, suffix):
    environment["EMU_QRMI_WARDEN_URL"] = north.url + suffix
    assert run(PRINT_ENVIRONMENT, environment, job_class="test") == 0
    assert seen()["EMU_QRMI_WARDEN_URL"] == f"{north.url}/devices/EMU/classes/test"
    assert seen()["QWATCH_JOB_CLASS"] == "test"
    assert all("/classes/test/" in request.path for request in north.requests)


def test_local_mode_needs_no_munge(north, token_file):
    north.auth = "local"
    environment = {
        **os.environ,
        "QRMI_JOB_QPU_RESOURCES": "EMU",
        "QRMI_JOB_QPU_TYPES": "pasqal-local",
        "EMU_QRMI_WARDEN_URL": north.url,
        "QWATCH_TOKEN_FILE": str(token_file),
    }
    program = """
from qwatch.qrmi.open_resource import open_resource
import qrmi
resource = open_resource()
resource.task_start(qrmi.Payload.PasqalCloud(sequence="{}", job_runs=5))
"""
    assert run(program, environment) == 0
    assert len(north.jobs) == 1
    assert set(north.sessions.values()) == {"released"}
    assert north.of("POST", "/sessions")[0].body["slurm_job_id"] == str(os.getpid())


def test_a_session_that_the_job_holds_is_used_and_kept(environment, north):
    north.sessions["of-the-job"] = "open"
    environment["EMU_QRMI_JOB_ACQUISITION_TOKEN"] = "of-the-job"
    assert run(PLAIN, environment) == 0
    assert north.sessions == {"of-the-job": "open"}


def test_the_emulator_needs_no_daemon():
    assert run(PRINT_ENVIRONMENT, dict(os.environ), qpu="emulator") == 0
    child = seen()
    assert child["QWATCH_QPU"] == "emulator"
    assert "QRMI_JOB_QPU_RESOURCES" not in child
    assert child["emulator_QRMI_JOB_ACQUISITION_TOKEN"]


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("raise SystemExit(7)", 7),
        ("1/0", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", 139),
    ],
)
def test_the_session_is_released_however_the_program_ends(environment, north, program, code):
    assert run(program, environment) == code
    assert list(north.sessions.values()) == ["released"]


def test_the_session_is_released_when_the_program_is_killed_from_outside(environment, north):
    program = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"

    def kill():
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if Path("pid").exists() and Path("pid").read_text():
                os.kill(int(Path("pid").read_text()), signal.SIGKILL)
                return
            time.sleep(0.02)

    thread = threading.Thread(target=kill)
    thread.start()
    assert run(program, environment) == 137
    thread.join()
    assert list(north.sessions.values()) == ["released"]


RUNNER = """
import sys
from qwatch.qrmi.program import run_program
sys.exit(run_program(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_signals_go_to_the_program_and_the_session_is_released(environment, north, number, code):
    program = (
        "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); open('ready', 'w'); time.sleep(60)"
    )
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER, sys.executable, "-c", program],
        env=environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not Path("ready").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    runner.send_signal(number)
    assert runner.wait(60) == code
    assert list(north.sessions.values()) == ["released"]


def test_a_program_that_is_not_there_costs_no_session(environment, north):
    for command, message in (
        ([], "no program is given"),
        (["absent-program"], "absent-program is not found"),
        (["./environment.txt"], "is not executable"),
    ):
        Path("environment.txt").write_text("text")
        with pytest.raises(ProgramNotStartedError, match=message):
            run_program(command, environment=environment)
    assert north.requests == []


def test_a_refused_session_is_one_clear_error(environment, north):
    north.refusals["POST", "/sessions"] = (403, '{"detail": "user 1000 is not authorised"}')
    with pytest.raises(ResourceNotAvailableError, match=r"QPU 'EMU' .*gives no session: .*not authorised"):
        run(PRINT_ENVIRONMENT, environment)
    assert not Path("environment.json").exists()


def test_no_qpu_is_one_clear_error():
    with pytest.raises(ResourceNotAvailableError, match="no QPU is available"):
        run(PRINT_ENVIRONMENT, {"PATH": os.environ["PATH"]}, config=None)


def test_a_session_that_cannot_be_released_does_not_change_the_exit_code(environment, north, caplog):
    north.refusals["DELETE", "/sessions"] = (503, "{}")
    assert run("raise SystemExit(3)", environment) == 3
    assert "could not be released" in caplog.text
