"""What the wrapper tells the daemon of a session."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import qrmi

from qwatch.qrmi.call_tally import CallTally
from qwatch.qrmi.instrument import instrument
from qwatch.qrmi.local_client import LocalDaemonResource
from qwatch.telemetry.labels import OPERATIONS, QRMI_ERROR_TYPES

from .fake_resource import FakeResource


def calls_in(post):
    return {(call["operation"], call["error_type"]): call["count"] for call in post.body["calls"]}


def test_it_is_told_at_release(wheel_resource, north, payload, run_task, monkeypatch):
    resource = instrument(wheel_resource, sdk="pulser")
    token = resource.acquire()
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", token)
    result = run_task(resource, payload)
    north.refusals["GET", "/qpu/specs"] = (503, "{}")
    with pytest.raises(qrmi.QrmiError):
        resource.target()
    with pytest.raises(qrmi.QrmiError):
        resource.task_logs("77")
    resource.release(token)
    assert resource.telemetry.handover.flush(30)
    (post,) = north.of("POST", "/sessions/summary")
    assert post.path == "/devices/EMU/sessions/summary"
    assert post.headers["x-warden-session"] == token
    assert calls_in(post) == {
        ("acquire", ""): 1,
        ("release", ""): 1,
        ("target", "QrmiError"): 1,
        ("task_logs", "QrmiError"): 1,
        ("task_result", ""): 1,
        ("task_start", ""): 1,
        ("task_status", ""): 4,
    }
    del post.body["calls"]
    assert post.body == {
        "resource_type": "pasqal-local",
        "sdk": "pulser",
        "polls": 4,
        "bytes_sent": len(payload.sequence),
        "bytes_received": len(result),
    }
    assert north.requests.index(post) > north.requests.index(north.of("DELETE")[0])
    resource.close()
    assert len(north.of("POST", "/sessions/summary")) == 1


def test_each_session_tells_its_own(north, token_file):
    resource = instrument(LocalDaemonResource("EMU", north.url, token_file=token_file))
    for _ in range(2):
        resource.release(resource.acquire())
    assert resource.telemetry.handover.flush(30)
    first, second = north.of("POST", "/sessions/summary")
    assert calls_in(first) == calls_in(second) == {("acquire", ""): 1, ("release", ""): 1}
    assert first.headers["x-warden-session"] != second.headers["x-warden-session"]


def test_a_daemon_without_the_route_is_left_alone(north, token_file):
    north.serves_summary = False
    resource = instrument(LocalDaemonResource("EMU", north.url, token_file=token_file))
    for _ in range(3):
        resource.release(resource.acquire())
        assert resource.telemetry.handover.flush(30)
    assert len(north.of("POST", "/sessions/summary")) == 1
    assert resource.telemetry.handover.unserved == {"summary"}


def test_a_failed_release_is_told_too(north, token_file):
    resource = instrument(LocalDaemonResource("EMU", north.url, token_file=token_file))
    token = resource.acquire()
    north.refusals["DELETE", "/sessions"] = (500, "{}")
    with pytest.raises(qrmi.QrmiError):
        resource.release(token)
    assert resource.telemetry.handover.flush(30)
    (post,) = north.of("POST", "/sessions/summary")
    assert calls_in(post)["release", "QrmiError"] == 1


PROGRAM = """
import qrmi
from qwatch.qrmi.instrument import instrument
instrument()
resource = qrmi.QuantumResource("EMU", qrmi.ResourceType.PasqalLocal)
resource.task_start(qrmi.Payload.PasqalCloud(sequence="{}", job_runs=5))
"""


def test_a_session_that_the_job_holds_is_told_at_exit(job_environment, monkeypatch):
    job_environment.sessions["held-by-the-job"] = "open"
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", "held-by-the-job")
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=60)
    (post,) = job_environment.of("POST", "/sessions/summary")
    assert post.headers["x-warden-session"] == "held-by-the-job"
    assert calls_in(post) == {("task_start", ""): 1}


def test_a_forked_process_tells_its_own_half(north, token_file):
    resource = instrument(LocalDaemonResource("EMU", north.url, token_file=token_file))
    token = resource.acquire()
    resource.status()
    process = os.fork()
    if process == 0:
        try:
            resource.target()
            resource.close()
        finally:
            os._exit(0)
    os.waitpid(process, 0)
    resource.release(token)
    assert resource.telemetry.handover.flush(30)
    child, parent = north.of("POST", "/sessions/summary")
    assert calls_in(child) == {("target", ""): 1}
    assert calls_in(parent) == {("acquire", ""): 1, ("status", ""): 1, ("release", ""): 1}


def test_suppressed_calls_are_not_told(north, token_file):
    from opentelemetry import context

    from qwatch.qrmi.suppression import suppressed_context

    resource = instrument(LocalDaemonResource("EMU", north.url, token_file=token_file))
    attached = context.attach(suppressed_context())
    try:
        resource.release(resource.acquire())
    finally:
        context.detach(attached)
    resource.close()
    assert north.of("POST", "/sessions/summary") == []


def test_a_resource_without_a_daemon_tells_nobody(payload):
    resource = instrument(FakeResource())
    token = resource.acquire()
    resource.task_start(payload)
    resource.release(token)
    assert resource.telemetry.handover is None


def test_the_summary_stays_small_whatever_a_program_raises():
    tally = CallTally("pasqal-local", None)
    for number in range(5000):
        for operation in (*OPERATIONS, f"operation{number}"):
            tally.called(operation, f"Error{number}")
    for operation in OPERATIONS:
        for error_type in QRMI_ERROR_TYPES:
            tally.called(operation, error_type)
    summary = tally.take()
    assert len(summary["calls"]) == len(OPERATIONS) * len(QRMI_ERROR_TYPES)
    assert len(json.dumps(summary)) < 20_000
    assert tally.take() is None
