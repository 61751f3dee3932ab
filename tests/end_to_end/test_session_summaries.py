"""What users' processes tell of their sessions, at a real daemon: counted, bounded, and only for one's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import qrmi

from qwatch.qrmi.instrument import instrument
from qwatch.qrmi.local_client import LocalDaemonResource
from qwatch.scheduler.session_summaries import MOST_CALLS, MOST_SUMMARIES

CALLS = "qrmi_client_calls_total"
NOBODY = 65534
SUMMARY: dict[str, Any] = {
    "resource_type": "pasqal-local",
    "sdk": "pulser",
    "calls": [
        {"operation": "task_start", "error_type": "", "count": 3},
        {"operation": "task_result", "error_type": "TaskNotReadyError", "count": 2},
    ],
    "polls": 5,
    "bytes_sent": 10,
    "bytes_received": 20,
}


@pytest.fixture(scope="module")
def daemon(run_daemon: Any, run_emulator: Any, device_at: Any) -> Iterator[Any]:
    with run_emulator(shot_rate=1000) as qpu, run_daemon(devices=[device_at(qpu.url)]) as found:
        yield found


def told(daemon: Any, token: str) -> dict[str, Any]:
    return {"json": SUMMARY, "headers": {"x-warden-session": token}}


def count(daemon: Any, operation: str, error_type: str = "") -> float:
    try:
        found: float = daemon.metric(CALLS, operation=operation, error_type=error_type)
    except AssertionError:
        return 0.0
    return found


def test_the_series_of_the_daemons_own_users_begin_at_zero(daemon: Any) -> None:
    assert daemon.metric(CALLS, operation="metadata", resource_type="pasqal-local", error_type="") == 0
    assert daemon.metric(CALLS, operation="metadata", error_type="QrmiError") == 0


def test_an_instrumented_program_is_counted(daemon: Any, sequence_text: str, wait_until: Any) -> None:
    before = count(daemon, "task_start"), count(daemon, "release"), count(daemon, "task_start", "QrmiError")
    resource = instrument(LocalDaemonResource("EMU", daemon.url, token_file=daemon.token_file), sdk="pulser")
    token = resource.acquire()
    task = resource.task_start(qrmi.Payload.PasqalCloud(sequence_text, 100))
    wait_until(lambda: resource.task_status(task) == qrmi.TaskStatus.Completed)
    resource.task_result(task)
    with pytest.raises(qrmi.InvalidInputError):
        resource.task_start(qrmi.Payload.PasqalCloud("not a sequence", 100))
    resource.release(token)
    assert resource.telemetry.handover is not None
    assert resource.telemetry.handover.flush(30)
    assert resource.telemetry.handover.unserved == set()
    assert count(daemon, "task_start") == before[0] + 1
    assert count(daemon, "release") == before[1] + 1
    assert count(daemon, "task_start", "InvalidInputError") == 1
    line = next(
        found
        for text in daemon.log.splitlines()
        if (found := json.loads(text)).get("message") == "session summary" and found.get("sdk") == "pulser"
    )
    assert (line["errors"], line["bytes_sent"] >= len(sequence_text)) == (1, True)


def test_the_sums_are_added(daemon: Any) -> None:
    token = daemon.acquire()
    before = count(daemon, "task_start"), count(daemon, "task_result", "TaskNotReadyError")
    for _ in range(2):
        daemon.ok("POST", "/sessions/summary", **told(daemon, token))
    daemon.ok("POST", "/devices/EMU/classes/test/sessions/summary", **told(daemon, token))
    after = count(daemon, "task_start"), count(daemon, "task_result", "TaskNotReadyError")
    assert (after[0] - before[0], after[1] - before[1]) == (9, 6)


def test_a_session_may_be_told_of_shortly_after_its_end(daemon: Any) -> None:
    token = daemon.acquire()
    daemon.ok("DELETE", f"/sessions/{token}")
    daemon.ok("POST", "/sessions/summary", **told(daemon, token))


def test_not_of_one_that_ended_long_ago(daemon: Any) -> None:
    import sqlite3

    token = daemon.acquire()
    daemon.ok("DELETE", f"/sessions/{token}")
    with sqlite3.connect(daemon.store) as database:
        database.execute(
            "UPDATE sessions SET ended_at = ended_at - 301 WHERE id = (SELECT max(id) FROM sessions)"
        )
    database.close()
    assert "ended more than 300 s ago" in daemon.refused(
        403, "POST", "/sessions/summary", **told(daemon, token)
    )


def test_not_of_an_unknown_one_nor_without_one_nor_unauthenticated(daemon: Any) -> None:
    assert "no such session" in daemon.refused(
        403, "POST", "/sessions/summary", **told(daemon, "qws_" + "x" * 43)
    )
    assert "x-warden-session" in daemon.refused(403, "POST", "/sessions/summary", json=SUMMARY)
    assert httpx.post(f"{daemon.url}/sessions/summary", json=SUMMARY).status_code == 401


def test_only_so_many_of_one_session(daemon: Any) -> None:
    token = daemon.acquire()
    for _ in range(MOST_SUMMARIES):
        daemon.ok("POST", "/sessions/summary", **told(daemon, token))
    assert "already" in daemon.refused(403, "POST", "/sessions/summary", **told(daemon, token))


def test_counts_are_cut(daemon: Any) -> None:
    token, before = daemon.acquire(), count(daemon, "metadata")
    call = {"operation": "metadata", "error_type": "", "count": 2**62}
    body = SUMMARY | {"calls": [call], "polls": 2**62, "bytes_sent": 2**62}
    daemon.ok("POST", "/sessions/summary", json=body, headers={"x-warden-session": token})
    assert count(daemon, "metadata") == before + MOST_CALLS


def call(**changes: Any) -> dict[str, Any]:
    return {"operation": "status", "error_type": "", "count": 1} | changes


WRONG: dict[str, dict[str, Any]] = {
    "an unknown operation": {"calls": [call(operation="format_disk")]},
    "an unknown error": {"calls": [call(error_type="KeyError")]},
    "an unknown resource type": {"resource_type": "abacus"},
    "a count of zero": {"calls": [call(count=0)]},
    "a negative count": {"calls": [call(count=-1)]},
    "a count that is not whole": {"calls": [call(count=1.5)]},
    "a count as text": {"calls": [call(count="1")]},
    "a count beyond 64 bits": {"calls": [call(count=2**80)]},
    "a call twice": {"calls": [call(), call()]},
    "no calls": {"calls": []},
    "too many calls": {"calls": [call()] * 1000},
    "an unknown field": {"calls": [call(user="me")]},
    "another unknown field": {"job": 1},
    "an sdk with blanks": {"sdk": "a b"},
    "a long sdk": {"sdk": "a" * 65},
    "negative bytes": {"bytes_sent": -1},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_refused_and_counted_nowhere(daemon: Any, change: dict[str, Any]) -> None:
    token, before = daemon.acquire(), [line for line in daemon.metrics_text().splitlines() if CALLS in line]
    daemon.refused(422, "POST", "/sessions/summary", json=SUMMARY | change, headers={"x-warden-session": token})
    assert [line for line in daemon.metrics_text().splitlines() if CALLS in line] == before


def test_no_label_is_made_of_what_a_user_chose(daemon: Any) -> None:
    for line in daemon.metrics_text().splitlines():
        assert "pulser" not in line


@pytest.mark.skipif(os.getuid() != 0, reason="another user's credential: run the tests as root")
def test_not_of_another_users_session(munged: None, run_daemon: Any, run_device: Any, device_at: Any) -> None:
    api = {"auth": "munge", "admin_users": [os.getuid()]}
    with run_device() as qpu, run_daemon(devices=[device_at(qpu.url)], api=api) as daemon:
        token = daemon.acquire(uid=os.getuid())
        made = subprocess.run(
            ["munge", "-n"], user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, check=True
        )
        headers = {"x-munge-cred": made.stdout.decode().strip(), "x-warden-session": token}
        reply = httpx.post(f"{daemon.url}/sessions/summary", json=SUMMARY, headers=headers)
        assert (reply.status_code, reply.json()["detail"]) == (403, "there is no such session of yours")
        daemon.ok("POST", "/sessions/summary", **told(daemon, token))


PLAIN = """
import qrmi, sys
(resource,) = qrmi.QRMIService().resources()
task = resource.task_start(qrmi.Payload.PasqalCloud(sequence=sys.argv[1], job_runs=10))
while resource.task_status(task) != qrmi.TaskStatus.Completed:
    pass
"""


def test_a_program_of_qwatch_run_with_the_wheel_is_counted_at_exit(
    munged: None, run_daemon: Any, run_emulator: Any, device_at: Any, sequence_text: str, environment_in: Any
) -> None:
    from qwatch.qrmi.program import SITE_HOOK

    api = {"auth": "munge", "admin_users": [os.getuid()]}
    with run_emulator(shot_rate=1000) as qpu, run_daemon(devices=[device_at(qpu.url)], api=api) as daemon:
        environment = environment_in(
            daemon.directory,
            PYTHONPATH=str(SITE_HOOK),
            EMU_QRMI_WARDEN_URL=daemon.url,
            EMU_QRMI_JOB_ACQUISITION_TOKEN=daemon.acquire(),
            QRMI_JOB_UID=str(os.getuid()),
            QRMI_JOB_ID="77",
            QRMI_JOB_QPU_RESOURCES="EMU",
            QRMI_JOB_QPU_TYPES="pasqal-local",
        )
        subprocess.run([sys.executable, "-c", PLAIN, sequence_text], env=environment, check=True, timeout=120)
        assert daemon.metric(CALLS, operation="task_start", error_type="") == 1
        assert daemon.metric(CALLS, operation="task_status", error_type="") >= 1
