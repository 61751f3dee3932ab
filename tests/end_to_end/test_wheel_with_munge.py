"""The unmodified qrmi wheel and a real munged against a real daemon and a real emulated QPU."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import qrmi

NOBODY = 65534
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="another user's credential: run the tests as root")


def munge_devices(qpu: Any, device_at: Any) -> dict[str, Any]:
    return {"devices": [device_at(qpu.url)], "api": {"auth": "munge", "admin_users": [os.getuid()]}}


@pytest.fixture(scope="module")
def emulated_qpu(run_emulator: Any) -> Iterator[Any]:
    with run_emulator(shot_rate=1000) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def daemon(munged: None, run_daemon: Any, emulated_qpu: Any, device_at: Any) -> Iterator[Any]:
    with run_daemon(**munge_devices(emulated_qpu, device_at)) as found:
        yield found


def open_wheel(daemon: Any, token: str | None = None) -> qrmi.QuantumResource:
    settings = {"QRMI_WARDEN_URL": daemon.url, "QRMI_JOB_UID": str(os.getuid()), "QRMI_JOB_ID": "4711"}
    if token is not None:
        settings["QRMI_JOB_ACQUISITION_TOKEN"] = token
    return qrmi.QuantumResource.from_config("EMU", qrmi.ResourceType.PasqalLocal, settings)


@pytest.fixture
def wheel(daemon: Any) -> Iterator[qrmi.QuantumResource]:
    """The wheel's resource in a session of its own."""
    token = open_wheel(daemon).acquire()
    resource = open_wheel(daemon, token)
    yield resource
    resource.release(token)


@pytest.fixture(scope="module")
def nobody() -> Any:
    """Return a function that gives headers with a fresh credential of the user nobody."""

    def headers() -> dict[str, str]:
        made = subprocess.run(
            ["munge", "-n"], user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, check=True
        )
        return {"x-munge-cred": made.stdout.decode().strip()}

    return headers


def test_every_call_of_the_wheel_does_its_work(daemon: Any, sequence_text: str, wait_until: Any) -> None:
    token = open_wheel(daemon).acquire()
    resource = open_wheel(daemon, token)
    status = resource.status()
    assert status.status == qrmi.ResourceStatusCode.Online
    assert resource.is_accessible()
    (target,) = json.loads(resource.target().value)
    assert json.loads(target["specs"])["name"] == "EMU"
    task = resource.task_start(qrmi.Payload.PasqalCloud(sequence_text, 300))
    assert int(task) < 2**31
    seen = {str(resource.task_status(task))}
    wait_until(lambda: resource.task_status(task) == qrmi.TaskStatus.Completed)
    assert seen <= {"TaskStatus.Queued", "TaskStatus.Running"}
    assert sum(json.loads(resource.task_result(task).value)["counter"].values()) == 300
    assert "DONE: 300 shots" in resource.task_logs(task)
    resource.release(token)
    with pytest.raises(qrmi.QrmiError, match=r"403.*released"):
        resource.task_start(qrmi.Payload.PasqalCloud(sequence_text, 10))


def test_a_result_is_not_ready_before_the_end(wheel: Any, sequence_text: str) -> None:
    task = wheel.task_start(qrmi.Payload.PasqalCloud(sequence_text, 2000))
    with pytest.raises(qrmi.TaskNotReadyError):
        wheel.task_result(task)
    wheel.task_stop(task)


def test_running_and_waiting_tasks_are_stopped(
    wheel: Any, emulated_qpu: Any, sequence_text: str, wait_until: Any
) -> None:
    running, waiting = (
        wheel.task_start(qrmi.Payload.PasqalCloud(sequence_text, shots)) for shots in (1999, 1998)
    )
    wait_until(lambda: 1999 in emulated_qpu.shots())
    wheel.task_stop(waiting)
    assert wheel.task_status(waiting) == qrmi.TaskStatus.Cancelled
    wheel.task_stop(running)
    wait_until(lambda: wheel.task_status(running) == qrmi.TaskStatus.Cancelled)
    assert "CANCELED" in wheel.task_logs(running)
    assert 1998 not in emulated_qpu.shots()
    with pytest.raises(qrmi.QrmiError, match="409"):
        wheel.task_stop(running)


def test_a_payload_of_fifty_megabytes_is_refused_by_a_clear_answer(wheel: Any, sequence_text: str) -> None:
    with pytest.raises(qrmi.QrmiError, match=r"413.*larger than"):
        wheel.task_start(qrmi.Payload.PasqalCloud(sequence_text + " " * 50_000_000, 10))
    task = wheel.task_start(qrmi.Payload.PasqalCloud(sequence_text, 10))
    assert wheel.task_status(task) in (
        qrmi.TaskStatus.Queued,
        qrmi.TaskStatus.Running,
        qrmi.TaskStatus.Completed,
    )


def test_an_unknown_task_is_not_found(wheel: Any) -> None:
    with pytest.raises(qrmi.QrmiError, match="404"):
        wheel.task_status("2000000000")


def test_a_credential_is_accepted_once(daemon: Any) -> None:
    from qwatch.qrmi import munge

    headers = {"x-munge-cred": munge.encode()}
    assert httpx.get(f"{daemon.url}/jobs", headers=headers).status_code == 200
    again = httpx.get(f"{daemon.url}/jobs", headers=headers)
    assert again.status_code == 401
    assert "replay" in again.json()["detail"].lower()
    assert headers["x-munge-cred"] not in again.text


def test_a_header_cannot_tell_another_address_than_the_senders(daemon: Any) -> None:
    from qwatch.qrmi import munge

    headers = {"x-munge-cred": munge.encode(), "x-forwarded-for": "10.9.9.9", "forwarded": "for=10.9.9.9"}
    assert httpx.get(f"{daemon.url}/jobs", headers=headers).status_code == 200


def test_a_credential_that_was_used_before_a_restart_is_still_refused(
    run_daemon: Any, run_device: Any, device_at: Any, munged: None
) -> None:
    from qwatch.qrmi import munge

    with run_device() as qpu, run_daemon(**munge_devices(qpu, device_at)) as daemon:
        headers = {"x-munge-cred": munge.encode()}
        body = {"user_id": str(os.getuid())}
        assert httpx.post(f"{daemon.url}/sessions", headers=headers, json=body).status_code == 201
        daemon.kill()
        daemon.start()
        assert httpx.post(f"{daemon.url}/sessions", headers=headers, json=body).status_code == 401


def test_a_credential_that_has_expired_is_refused(daemon: Any, wait_until: Any) -> None:
    made = subprocess.run(["munge", "-n", "--ttl=1"], capture_output=True, check=True).stdout.decode().strip()
    expired = time.time() + 2.5
    wait_until(lambda: time.time() > expired)
    answer = httpx.get(f"{daemon.url}/jobs", headers={"x-munge-cred": made})
    assert answer.status_code == 401
    assert "xpired" in answer.json()["detail"]


@pytest.mark.parametrize(
    "credential",
    [
        b"",
        b"MUNGE:",
        b"MUNGE::",
        b"MUNGE:AAAA:",
        b"MUNGE:AwQFAABQE0USLDtNt53r1Zth:",
        b"munge",
        b"Bearer qwt_0123456789",
        b"x" * 10_000,
        "ünicode".encode("latin-1"),
        b"\xff\xfe",
    ],
)
def test_a_malformed_credential_is_refused(daemon: Any, credential: bytes) -> None:
    answer = httpx.get(f"{daemon.url}/jobs", headers={"x-munge-cred": credential})
    assert answer.status_code == 401
    assert "MUNGE" in answer.json()["detail"]


@pytest.mark.parametrize("change", ["space", "truncated", "flipped"])
def test_a_credential_that_was_altered_is_refused(daemon: Any, change: str) -> None:
    from qwatch.qrmi import munge

    made = munge.encode()
    altered = {
        "space": f"{made[:20]} {made[20:]}",
        "truncated": made[:-9] + ":",
        "flipped": made[:60] + ("B" if made[60] == "A" else "A") + made[61:],
    }[change]
    assert httpx.get(f"{daemon.url}/jobs", headers={"x-munge-cred": altered}).status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/jobs"),
        ("POST", "/jobs"),
        ("GET", "/jobs/1"),
        ("GET", "/jobs/1/logs"),
        ("POST", "/jobs/1/cancel"),
        ("POST", "/jobs/1/trace"),
        ("POST", "/sessions"),
        ("DELETE", "/sessions/x"),
        ("GET", "/qpu/specs"),
        ("GET", "/qpu-slots"),
        ("GET", "/status"),
        ("POST", "/accessible"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "/devices/EMU", "/devices/EMU/classes/test"])
def test_every_route_but_the_public_ones_asks_who_is_there(
    daemon: Any, prefix: str, method: str, path: str
) -> None:
    body = {"POST /jobs": {"sequence": "{}", "shots": 1}, "POST /sessions": {"user_id": "0"}}.get(
        f"{method} {path}", {"is_accessible": True, "traceparent": "x"}
    )
    answer = httpx.request(method, f"{daemon.url}{prefix}{path}", json=body if method == "POST" else None)
    assert answer.status_code == 401, answer.text


def test_what_is_public_needs_no_credential(daemon: Any) -> None:
    for path in ("/", "/accessible", "/devices/EMU/accessible", "/docs", "/openapi.json"):
        assert httpx.get(f"{daemon.url}{path}").status_code == 200


@needs_root
def test_a_user_sees_nothing_of_another_users_jobs(daemon: Any, nobody: Any, sequence_text: str) -> None:
    number = daemon.submit(daemon.acquire(), sequence_text, 10)
    for method, path in (
        ("GET", f"/jobs/{number}"),
        ("GET", f"/jobs/{number}/logs"),
        ("POST", f"/jobs/{number}/cancel"),
    ):
        daemon.refused(404, method, path, auth=None, headers=nobody())
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    body = {"traceparent": traceparent}
    daemon.refused(404, "POST", f"/jobs/{number}/trace", auth=None, headers=nobody(), json=body)
    assert daemon.ok("GET", "/jobs", auth=None, headers=nobody()) == {"jobs": [], "next_before": None}
    assert daemon.finished(number)["status"] == "DONE"


@needs_root
def test_another_users_session_is_refused(daemon: Any, nobody: Any, sequence_text: str) -> None:
    token = daemon.acquire()
    headers = {"x-warden-session": token, **nobody()}
    body = {"sequence": sequence_text, "shots": 10}
    assert "acquire" in daemon.refused(403, "POST", "/jobs", auth=None, headers=headers, json=body)
    daemon.refused(404, "DELETE", f"/sessions/{token}", auth=None, headers=nobody())
    assert daemon.submit(token, sequence_text, 10)


@needs_root
def test_users_administer_nothing_and_make_no_sessions(daemon: Any, nobody: Any) -> None:
    for uid in (NOBODY, 0, 1000):
        body = {"user_id": str(uid)}
        daemon.refused(403, "POST", "/sessions", auth=None, headers=nobody(), json=body)
    assert "sbatch" in daemon.refused(
        403, "POST", "/sessions", auth=None, headers=nobody(), json={"user_id": str(NOBODY)}
    )
    daemon.refused(403, "POST", "/accessible", auth=None, headers=nobody(), json={"is_accessible": False})
    daemon.refused(403, "GET", "/status", auth=None, headers=nobody())
    assert daemon.ok("GET", "/status")["device"] == "EMU"


PROGRAM = """
import json, os, time, qrmi
os.setgroups([]), os.setgid(65534), os.setuid(65534)  # not earlier: the interpreter may be root's alone
resource = qrmi.QuantumResource("EMU", qrmi.ResourceType.PasqalLocal)
task = resource.task_start(qrmi.Payload.PasqalCloud(open(os.environ["SEQUENCE"]).read(), 111))
while resource.task_status(task) in (qrmi.TaskStatus.Queued, qrmi.TaskStatus.Running):
    time.sleep(0.01)
print(json.dumps({"uid": os.getuid(), "task": task, "result": json.loads(resource.task_result(task).value)}))
"""


@needs_root
def test_root_makes_a_session_for_a_user_who_works_in_it_as_the_slurm_plugin_does(
    daemon: Any, nobody: Any, sequence_text: str, tmp_path: Path
) -> None:
    token = daemon.acquire(uid=NOBODY, slurm_job="815")
    for folder in (tmp_path, *tmp_path.parents):
        if stat.S_IMODE(folder.stat().st_mode) == 0o700:
            folder.chmod(0o755)
    (tmp_path / "sequence.json").write_text(sequence_text)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "SEQUENCE": str(tmp_path / "sequence.json"),
        "QRMI_JOB_UID": str(NOBODY),
        "QRMI_JOB_ID": "815",
        "QRMI_JOB_QPU_RESOURCES": "EMU",
        "QRMI_JOB_QPU_TYPES": "pasqal-local",
        "EMU_QRMI_WARDEN_URL": f"{daemon.url}/devices/EMU",
        "EMU_QRMI_JOB_ACQUISITION_TOKEN": token,
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["uid"] == NOBODY
    assert sum(told["result"]["counter"].values()) == 111
    (job,) = daemon.ok("GET", "/jobs", auth=None, headers=nobody())["jobs"]
    assert (job["id"], job["user_id"], job["shots"]) == (int(told["task"]), str(NOBODY), 111)
    assert job["account"] == "nobody"
    assert daemon.ok("DELETE", f"/sessions/{token}") == {"id": token}
    headers = {"x-warden-session": token, **nobody()}
    body = {"sequence": sequence_text, "shots": 10}
    assert "released" in daemon.refused(403, "POST", "/jobs", auth=None, headers=headers, json=body)


@needs_root
def test_sites_choose_who_may_use_the_devices_and_who_makes_sessions(
    munged: None, run_daemon: Any, run_device: Any, device_at: Any, nobody: Any, sequence_text: str
) -> None:
    api = {"auth": "munge", "authorized_users": [12345], "user_sessions": True}
    with run_device() as qpu, run_daemon(devices=[device_at(qpu.url)], api=api) as daemon:
        # Not authorised: nothing for this user, not even by root's hand.
        assert "not authorised" in daemon.refused(403, "GET", "/jobs", auth=None, headers=nobody())
        daemon.refused(403, "POST", "/sessions", json={"user_id": str(NOBODY)})
        assert daemon.acquire(uid=12345)
        daemon.stop()
        daemon.configuration["api"]["authorized_users"] = [NOBODY]
        daemon.start()
        own = daemon.ok("POST", "/sessions", auth=None, headers=nobody(), json={"user_id": str(NOBODY)})["id"]
        daemon.refused(403, "POST", "/sessions", auth=None, headers=nobody(), json={"user_id": "0"})
        headers = {"x-warden-session": own, **nobody()}
        body = {"sequence": sequence_text, "shots": 10}
        assert daemon.ok("POST", "/jobs", auth=None, headers=headers, json=body)["user_id"] == str(NOBODY)
        # Root did not make this session: ending it is a revocation.
        daemon.ok("DELETE", f"/sessions/{own}")
        headers = {"x-warden-session": own, **nobody()}
        assert "revoked" in daemon.refused(403, "POST", "/jobs", auth=None, headers=headers, json=body)
        assert daemon.metric("qpu_sessions_total", outcome="revoked") == 1


def test_a_daemon_without_munged_is_not_ready_and_says_so(
    run_daemon: Any, run_device: Any, device_at: Any, munged: None, tmp_path: Path
) -> None:
    api = {"auth": "munge", "munge_socket": str(tmp_path / "nothing")}
    with run_device() as qpu, run_daemon(devices=[device_at(qpu.url)], api=api) as daemon:
        ready = httpx.get(f"{daemon.metrics_url}/readyz")
        assert ready.status_code == 503
        assert "[-] munge: " in ready.text
        assert "[+] store" in ready.text
        answer = daemon.client.get("/jobs")
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert "MUNGE" in answer.json()["detail"]


def test_tokens_and_credentials_are_neither_stored_nor_told(daemon: Any, sequence_text: str) -> None:
    from qwatch.qrmi import munge

    token, credential = daemon.acquire(), munge.encode()
    headers = {"x-munge-cred": credential, "x-warden-session": token}
    daemon.ok("POST", "/jobs", auth=None, headers=headers, json={"sequence": sequence_text, "shots": 9})
    stored = b"".join(file.read_bytes() for file in daemon.directory.glob("qwatch.db*"))
    for secret in (token, credential):
        assert secret.encode() not in stored
        assert secret not in daemon.log
        assert secret not in daemon.metrics_text()
