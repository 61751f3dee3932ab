"""The daemon learns the trace of a job that the real wheel submitted."""

from __future__ import annotations

import time

import pytest
import qrmi
from opentelemetry.trace import NoOpTracerProvider

from qwatch.qrmi import handover as handover_module
from qwatch.qrmi.handover import DaemonAddress, Handover
from qwatch.qrmi.instrument import instrument
from qwatch.qrmi.local_client import LocalDaemonResource
from qwatch.telemetry.trace_context import format_traceparent


def test_the_trace_of_each_job_is_posted(wheel_resource, north, telemetry, payload, monkeypatch):
    resource = instrument(wheel_resource, sdk="pulser", **telemetry.providers)
    token = resource.acquire()
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", token)
    for _ in range(3):
        resource.task_start(payload)
    resource.release(token)
    posts = north.of("POST", "/trace")
    assert [post.path for post in posts] == [f"/devices/EMU/jobs/{number}/trace" for number in (1, 2, 3)]
    spans = {span.attributes["qrmi.task.id"]: span for span in telemetry.named("task_start EMU")}
    for number, post in enumerate(posts, 1):
        assert post.body == {"traceparent": format_traceparent(spans[str(number)].context), "sdk": "pulser"}
        assert post.headers["x-warden-session"] == token
        assert post.headers["x-munge-cred"].startswith("MUNGE:")
    assert north.requests.index(posts[-1]) < north.requests.index(north.of("DELETE")[0])


def test_a_scheduler_without_the_route_is_left_alone(wheel_resource, north, telemetry, payload, monkeypatch):
    north.serves_trace = False
    resource = instrument(wheel_resource, **telemetry.providers)
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", resource.acquire())
    resource.task_start(payload)
    assert resource.telemetry.handover.flush()
    for _ in range(5):
        resource.task_start(payload)
    resource.close()
    assert len(north.of("POST", "/trace")) == 1


def test_the_older_variable_is_read_too(north, munged, telemetry, payload, monkeypatch):
    monkeypatch.setenv("EMU_QRMI_URL", north.url)
    monkeypatch.setenv("QRMI_JOB_UID", "0")
    monkeypatch.setenv("QRMI_JOB_ID", "1")
    bare = qrmi.QuantumResource("EMU", qrmi.ResourceType.PasqalLocal)
    resource = instrument(bare, **telemetry.providers)
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", resource.acquire())
    resource.task_start(payload)
    resource.close()
    assert len(north.of("POST", "/trace")) == 1


def test_nothing_is_posted_without_a_trace(wheel_resource, north, payload, monkeypatch):
    resource = instrument(wheel_resource, sdk="pulser", tracer_provider=NoOpTracerProvider())
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", resource.acquire())
    resource.task_start(payload)
    resource.close()
    assert north.of("POST", "/trace") == []


def test_the_local_client_tells_the_sdk(north, token_file, telemetry, payload):
    resource = instrument(
        LocalDaemonResource("EMU", north.url, token_file=token_file), sdk="pulser", **telemetry.providers
    )
    resource.acquire()
    resource.task_start(payload)
    resource.close()
    (post,) = north.of("POST", "/trace")
    assert post.body["sdk"] == "pulser"
    assert post.headers["authorization"].startswith("Bearer ")


@pytest.fixture
def silent_server():
    """A server that takes connections and never answers."""
    import socket

    listening = socket.create_server(("127.0.0.1", 0))
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    listening.close()


def test_a_hanging_daemon_holds_nobody_up(silent_server, monkeypatch):
    monkeypatch.setattr(handover_module, "MOST_WAITING", 10)
    monkeypatch.setattr(handover_module, "TIMEOUT_SECONDS", 0.3)
    handover = Handover(DaemonAddress(silent_server, dict))
    for number in range(1000):
        handover.send_trace(str(number), "session", f"00-{'ab' * 16}-{'cd' * 8}-01", None)
    assert handover._queue.qsize() <= 10
    assert handover.flush(0.05) is False
    deadline = time.monotonic() + 20
    while not handover.unserved and time.monotonic() < deadline:
        time.sleep(0.02)
    assert handover.unserved == {"trace", "annotations"}
    assert handover.flush(10)


def test_a_daemon_that_is_gone_is_given_up():
    handover = Handover(DaemonAddress("http://127.0.0.1:9", dict))
    handover.send_trace("1", "session", f"00-{'ab' * 16}-{'cd' * 8}-01", None)
    assert handover.flush(10)
    assert handover.unserved == {"trace", "annotations"}
