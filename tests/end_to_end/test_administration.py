"""Administration of a running daemon: what a drain does, what outlives a crash, who may, what is kept."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

QWATCH = [sys.executable, "-m", "qwatch.cli.main"]


def admin(daemon: Any, *words: str, code: int = 0) -> Any:
    """Run ``qwatch admin`` on the daemon's socket; return what it prints, read as JSON if it was asked for."""
    done = subprocess.run(
        [*QWATCH, "admin", "--socket", str(daemon.directory / "admin.sock"), *words],
        env=daemon.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    if code:
        return done.stderr
    return json.loads(done.stdout) if "--json" in words else done.stdout


def say(daemon: Any, verb: str, **body: Any) -> Any:
    return daemon.ok("POST", f"/admin/devices/EMU/{verb}", json=body)


def in_two_hours() -> str:
    return (datetime.now(UTC) + timedelta(hours=2)).isoformat()


def activity(daemon: Any) -> str:
    found = daemon.ok("GET", "/admin/status")["devices"][0]["activity"]
    assert isinstance(found, str)
    return found


def test_a_drain_refuses_holds_outlives_a_crash_and_resumes(
    run_daemon: Any, run_device: Any, device_at: Any, sequence_text: str, wait_until: Any
) -> None:
    with run_device(shot_rate=500) as qpu, run_daemon(devices=[device_at(qpu.url)]) as daemon:
        token = daemon.acquire()
        running = daemon.submit(token, sequence_text, 1900)
        waiting = daemon.submit(token, sequence_text, 11)
        wait_until(lambda: qpu.busy)
        said = say(daemon, "drain", message="laser exchange", until=in_two_hours())
        assert (said["kind"], said["message"]) == ("drain", "laser exchange")

        reply = daemon.client.post("/jobs", **daemon.submission(token, sequence_text, 12))
        assert reply.status_code == 503
        assert reply.json()["detail"].startswith("laser exchange (until ")
        assert 3000 < int(reply.headers["retry-after"]) <= 3600
        daemon.refused(503, "POST", "/sessions", json={"user_id": str(os.getuid()), "slurm_job_id": "1"})
        accessible = daemon.ok("GET", "/accessible", auth=None)
        assert (accessible["is_accessible"], accessible["state"]) == (False, "paused")

        assert daemon.finished(running)["status"] == "DONE"
        wait_until(lambda: activity(daemon) == "held")
        assert daemon.job(waiting)["status"] == "PENDING"

        daemon.kill()
        daemon.start(online=False)
        wait_until(lambda: activity(daemon) == "held")
        assert "laser exchange" in daemon.refused(
            503, "POST", "/jobs", **daemon.submission(token, sequence_text, 12)
        )
        assert daemon.metric("qpu_state", state="paused") == 1
        assert daemon.metric("qpu_activity", activity="held") == 1

        assert "online" in admin(daemon, "resume", "EMU", "--reason", "done")
        assert daemon.finished(waiting)["status"] == "DONE"
        assert qpu.shots() == [1900, 11]
        acts = admin(daemon, "audit", "--device", "EMU", "--since", "1h", "--json")["entries"]
        assert [(act["action"], act["target"], act["reason"]) for act in acts] == [
            ("drain.end", "EMU", "done"),
            ("drain.begin", "EMU", "laser exchange"),
        ]
        assert [(act["uid"], act["address"]) for act in acts] == [
            (os.getuid(), "unix socket"),
            (os.getuid(), "127.0.0.1"),
        ]
        lines = [json.loads(line) for line in daemon.log.splitlines() if '"drain.begin"' in line]
        assert [(line["qpu_id"], line["action"], line["reason"]) for line in lines] == [
            ("EMU", "drain.begin", "laser exchange")
        ]


def test_maintenance_and_calibration_are_what_the_time_is_used_for(
    run_daemon: Any, run_device: Any, device_at: Any, sequence_text: str, wait_until: Any
) -> None:
    settings = {"calibration_intervals": {"rabi_frequency": 86400}}
    with run_device() as qpu, run_daemon(devices=[device_at(qpu.url, **settings)]) as daemon:
        until = in_two_hours()
        say(daemon, "maintenance/begin", until=until, message="helium", note="ask Ada")
        wait_until(lambda: activity(daemon) == "maintenance")
        end = datetime.fromisoformat(until).timestamp()
        assert daemon.metric("qpu_maintenance_end_timestamp_seconds") == pytest.approx(end, abs=1e-3)
        # A machine that is taken apart is in maintenance, not faulty.
        qpu.stop()
        wait_until(lambda: daemon.metric("qpu_up") == 0)
        assert activity(daemon) == "maintenance"
        qpu.start()
        users_read = daemon.ok("GET", "/accessible", auth=None)["message"]
        assert users_read.startswith("helium (until ")
        assert "ask Ada" not in users_read
        say(daemon, "maintenance/end")
        path = "/admin/devices/EMU/maintenance/end"
        assert "no maintenance of EMU is open" in daemon.refused(409, "POST", path, json={})
        assert "qpu_maintenance_end_timestamp_seconds{" not in daemon.metrics_text()

        say(daemon, "calibration/begin", procedure="rabi_frequency", allow_qa=True)
        wait_until(lambda: activity(daemon) == "calibration")
        daemon.refused(503, "POST", "/sessions", json={"user_id": str(os.getuid()), "slurm_job_id": "1"})
        # The site's own quality jobs may run in it.
        token = daemon.acquire("/devices/EMU/classes/qa")
        number = daemon.submit(token, sequence_text, 7, "/devices/EMU/classes/qa")
        assert daemon.finished(number)["status"] == "DONE"
        daemon.refused(503, "POST", "/jobs", **daemon.submission(token, sequence_text, 8))
        wait_until(lambda: activity(daemon) == "calibration")
        say(daemon, "calibration/end", result="success")
        daemon.until_online()
        here = {"qpu_id": "EMU", "procedure": "rabi_frequency"}
        assert daemon.metric("qpu_calibrations_total", result="success", **here) == 1
        assert daemon.metric("qpu_calibrations_total", result="failure", **here) == 0
        assert daemon.metric("qpu_calibration_interval_seconds", **here) == 86400
        assert daemon.metric("qpu_last_calibration_timestamp_seconds", **here) == pytest.approx(
            time.time(), abs=60
        )
        assert daemon.metric("qpu_calibration_duration_seconds", **here) > 0
        seconds = {
            name: daemon.metric("qpu_time_seconds_total", activity=name)
            for name in ("maintenance", "calibration")
        }
        assert min(seconds.values()) > 0


def test_a_running_job_is_cancelled_and_a_session_revoked_by_an_administrator(
    run_daemon: Any, run_device: Any, device_at: Any, sequence_text: str, wait_until: Any
) -> None:
    with run_device(shot_rate=10) as qpu, run_daemon(devices=[device_at(qpu.url)]) as daemon:
        token = daemon.acquire()
        running, waiting = (daemon.submit(token, sequence_text, shots) for shots in (1900, 1901))
        wait_until(lambda: qpu.busy)
        (held,) = daemon.ok("GET", "/admin/sessions")["sessions"]
        assert (held["uid"], held["slurm_job_id"], held["unfinished_jobs"]) == (os.getuid(), "77", 2)
        for number in (waiting, running):
            daemon.ok("POST", f"/admin/jobs/{number}/cancel", json={"reason": "budget"})
            job = daemon.finished(number)
            assert (job["status"], job["reason"]) == ("CANCELED", "admin")
        assert "has ended" in daemon.refused(409, "POST", f"/admin/jobs/{running}/cancel", json={})
        assert "revoked" in admin(daemon, "sessions", "revoke", str(held["id"]))
        path = f"/admin/sessions/{held['id']}/revoke"
        assert "no open session" in daemon.refused(404, "POST", path, json={})
        assert "(revoked)" in daemon.refused(403, "POST", "/jobs", **daemon.submission(token, sequence_text, 1))
        acts = daemon.ok("GET", "/admin/audit")["entries"]
        assert [(act["action"], act["target"], act["reason"]) for act in acts] == [
            ("session.revoke", f"EMU/session/{held['id']}", ""),
            ("job.cancel", f"EMU/job/{running}", "budget"),
            ("job.cancel", f"EMU/job/{waiting}", "budget"),
        ]


def status_as(uid: int, path: Path) -> int:
    """Return the status of an answer on the socket to a request of another user, made in a child process."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(os.fspath(path))
            connection.sendall(b"GET /admin/status HTTP/1.1\r\nhost: x\r\npeer_uid: 0\r\n\r\n")
            os.write(writer, connection.recv(64))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        found = int(answer.read().split()[1])
    os.waitpid(child, 0)
    return found


def test_the_socket_is_for_administrators_alone(
    run_daemon: Any, run_device: Any, device_at: Any, munged: None
) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root, to ask as another user")
    api = {"auth": "munge", "admin_users": [0, 65533]}
    with run_device() as qpu, run_daemon(devices=[device_at(qpu.url)], api=api) as daemon:
        path = daemon.directory / "admin.sock"
        assert path.stat().st_mode & 0o777 == 0o666, "an administrator besides root must reach it"
        for folder in (daemon.directory, *daemon.directory.parents):
            if str(folder).startswith("/tmp/"):
                folder.chmod(0o755)
        statuses = {uid: status_as(uid, path) for uid in (0, 65533, 65534)}
        assert statuses == {0: 200, 65533: 200, 65534: 403}
        # It serves administration only, and no header makes somebody else of the one who asks.
        with httpx.Client(transport=httpx.HTTPTransport(uds=os.fspath(path))) as client:
            assert client.post("http://localhost/jobs").status_code == 404
        assert daemon.ok("GET", "/", auth=None)["admin_socket"] == str(path)
        assert daemon.stop() == 0
        assert not path.exists()
