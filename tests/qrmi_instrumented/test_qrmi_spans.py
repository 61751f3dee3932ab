"""The spans of the instrumented library, with the real wheel against a recording server."""

from __future__ import annotations

import pytest
import qrmi
from opentelemetry.trace import SpanKind, StatusCode, format_trace_id

from qwatch.qrmi.instrument import instrument
from qwatch.telemetry.redaction import hashed


@pytest.fixture
def resource(wheel_resource, telemetry):
    return instrument(wheel_resource, sdk="pulser", **telemetry.providers)


def test_one_session_has_exactly_the_spans_of_the_trace_model(
    resource, telemetry, payload, run_task, monkeypatch
):
    token = resource.acquire()
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", token)
    assert run_task(resource, payload) == '{"counter": {"01": 100}}'
    resource.release(token)

    assert [span.name for span in telemetry.spans] == [
        "acquire EMU",
        "task_start EMU",
        "wait EMU",
        "task_result EMU",
        "task EMU",
        "release EMU",
        "session EMU",
    ]
    session, task = telemetry.one("session EMU"), telemetry.one("task EMU")
    parents = {span.name: span.parent and span.parent.span_id for span in telemetry.spans}
    of_session, of_task = session.context.span_id, task.context.span_id
    assert parents == {
        "session EMU": None,
        "acquire EMU": of_session,
        "task EMU": of_session,
        "release EMU": of_session,
        "task_start EMU": of_task,
        "wait EMU": of_task,
        "task_result EMU": of_task,
    }
    assert {span.name.split()[0]: span.kind for span in telemetry.spans} == {
        "session": SpanKind.INTERNAL,
        "acquire": SpanKind.CLIENT,
        "task": SpanKind.INTERNAL,
        "task_start": SpanKind.PRODUCER,
        "wait": SpanKind.INTERNAL,
        "task_result": SpanKind.CLIENT,
        "release": SpanKind.CLIENT,
    }
    assert len({span.context.trace_id for span in telemetry.spans}) == 1
    assert {span.status.status_code for span in telemetry.spans} == {StatusCode.UNSET}


def test_attributes_and_their_types(resource, telemetry, payload, run_task, monkeypatch):
    token = resource.acquire()
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", token)
    run_task(resource, payload)
    resource.release(token)

    base = {"qpu.id": "EMU", "qrmi.resource.type": "pasqal-local", "qpu.sdk": "pulser"}
    sizes = {
        "qrmi.payload.kind": "pasqal-cloud",
        "qpu.program.size": len(payload.sequence),
        "qpu.job.shots.requested": 100,
        "qpu.register.size": 2,
    }
    expected = {
        "session EMU": {**base, "qrmi.session.hash": hashed(token)},
        "acquire EMU": {**base, "qrmi.operation.name": "acquire"},
        "task EMU": {**base, "qrmi.task.id": "1", "qrmi.task.state": "completed"},
        "task_start EMU": {**base, **sizes, "qrmi.operation.name": "task_start", "qrmi.task.id": "1"},
        "wait EMU": {"qpu.id": "EMU", "qrmi.status.polls": 4},
        "task_result EMU": {**base, "qrmi.operation.name": "task_result", "qrmi.task.id": "1"},
        "release EMU": {**base, "qrmi.operation.name": "release"},
    }
    assert {span.name: dict(span.attributes) for span in telemetry.spans} == expected


def test_wait_has_one_event_for_each_change_of_state(resource, telemetry, payload, run_task, monkeypatch):
    token = resource.acquire()
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", token)
    run_task(resource, payload)
    events = telemetry.one("wait EMU").events
    assert [event.attributes["qrmi.task.state"] for event in events] == ["queued", "running", "completed"]
    start, wait = telemetry.one("task_start EMU"), telemetry.one("wait EMU")
    assert wait.start_time >= start.start_time
    assert wait.end_time == events[-1].timestamp or wait.end_time >= events[-1].timestamp


def test_other_calls_have_one_client_span_each(resource, telemetry):
    resource.target()
    resource.status()
    with pytest.warns(DeprecationWarning, match="status"):
        resource.is_accessible()
    assert [(span.name, span.kind) for span in telemetry.spans] == [
        ("target EMU", SpanKind.CLIENT),
        ("status EMU", SpanKind.CLIENT),
        ("is_accessible EMU", SpanKind.CLIENT),
    ]


def test_logs_and_stop_belong_to_their_task(resource, telemetry, payload, monkeypatch, north):
    token = resource.acquire()
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", token)
    identifier = resource.task_start(payload)
    resource.task_stop(identifier)
    assert resource.task_status(identifier) == qrmi.TaskStatus.Cancelled
    assert resource.task_logs(identifier) == "log of 1"
    task = telemetry.one("task EMU")
    assert task.attributes["qrmi.task.state"] == "cancelled"
    assert telemetry.one("task_stop EMU").parent.span_id == task.context.span_id
    assert telemetry.one("task_logs EMU").parent.span_id == task.context.span_id
    assert task.end_time <= telemetry.one("task_logs EMU").start_time


def test_a_session_that_the_job_holds_has_a_span_from_the_first_task_to_close(
    resource, telemetry, payload, run_task, monkeypatch, north
):
    north.sessions["held-by-the-job"] = "open"
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", "held-by-the-job")
    resource.target()
    run_task(resource, payload)
    assert telemetry.named("session EMU") == []
    resource.close()
    session = telemetry.one("session EMU")
    assert session.attributes["qrmi.session.hash"] == hashed("held-by-the-job")
    assert telemetry.one("task EMU").parent.span_id == session.context.span_id
    assert telemetry.one("target EMU").parent is None
    assert north.sessions["held-by-the-job"] == "open"


def test_a_failed_task_is_an_error_and_ends_at_once(resource, telemetry, payload, monkeypatch, north):
    north.steps = ["RUNNING", "ERROR"]
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", resource.acquire())
    identifier = resource.task_start(payload)
    assert resource.task_status(identifier) == qrmi.TaskStatus.Running
    assert resource.task_status(identifier) == qrmi.TaskStatus.Failed
    task = telemetry.one("task EMU")
    assert task.status.status_code is StatusCode.ERROR
    assert task.attributes["qrmi.task.state"] == "failed"
    with pytest.raises(qrmi.TaskNotReadyError):
        resource.task_result(identifier)
    result = telemetry.one("task_result EMU")
    assert result.parent.span_id == task.context.span_id
    assert result.attributes["error.type"] == "qrmi.TaskNotReadyError"


def test_a_result_that_nobody_fetches_leaves_the_time_of_completion(
    resource, telemetry, payload, monkeypatch, north
):
    north.steps = ["DONE"]
    token = resource.acquire()
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", token)
    resource.task_status(resource.task_start(payload))
    assert telemetry.named("task EMU") == []
    resource.release(token)
    task, wait = telemetry.one("task EMU"), telemetry.one("wait EMU")
    assert task.end_time == wait.end_time
    assert task.attributes["qrmi.task.state"] == "completed"


def test_a_task_nobody_saw_end_is_unknown(resource, telemetry, payload, monkeypatch):
    token = resource.acquire()
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", token)
    resource.task_status(resource.task_start(payload))
    resource.release(token)
    assert telemetry.one("task EMU").attributes["qrmi.task.state"] == "unknown"
    assert telemetry.one("wait EMU").attributes["qrmi.status.polls"] == 1
    assert [point.attributes for point in telemetry.points("qrmi.client.task.duration")] == [
        {"resource_type": "pasqal-local", "state": "unknown"}
    ]


def test_the_span_of_the_program_wins_as_parent(resource, telemetry, payload, run_task, monkeypatch):
    tracer = telemetry.tracer_provider.get_tracer("program")
    with tracer.start_as_current_span("program"):
        token = resource.acquire()
        monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", token)
        run_task(resource, payload)
        with tracer.start_as_current_span("step"):
            run_task(resource, payload)
        resource.release(token)
    program, step, session = (telemetry.one(name) for name in ("program", "step", "session EMU"))
    first, second = telemetry.named("task EMU")
    assert session.parent.span_id == program.context.span_id
    assert first.parent.span_id == session.context.span_id
    assert second.parent.span_id == step.context.span_id
    assert len({span.context.trace_id for span in telemetry.spans}) == 1


def test_a_trace_of_the_programs_own_is_linked_to_the_session(
    resource, telemetry, payload, run_task, monkeypatch
):
    token = resource.acquire()
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", token)
    with telemetry.tracer_provider.get_tracer("program").start_as_current_span("iteration"):
        run_task(resource, payload)
    resource.release(token)
    task, session = telemetry.one("task EMU"), telemetry.one("session EMU")
    assert task.parent.span_id == telemetry.one("iteration").context.span_id
    assert [link.context.span_id for link in task.links] == [session.context.span_id]


def test_traceparent_of_the_environment_is_the_parent(resource, telemetry, monkeypatch):
    monkeypatch.setenv("TRACEPARENT", f"00-{'ab' * 16}-{'cd' * 8}-01")
    resource.target()
    resource.acquire()
    resource.close()
    assert {format_trace_id(span.context.trace_id) for span in telemetry.spans} == {"ab" * 16}
    assert telemetry.one("session EMU").parent.span_id == int("cd" * 8, 16)
    assert telemetry.one("target EMU").parent.span_id == int("cd" * 8, 16)


def test_the_session_span_of_a_run_takes_the_place_of_an_own_one(
    resource, telemetry, payload, run_task, monkeypatch, north
):
    north.sessions["of-the-run"] = "open"
    traceparent = f"00-{'ab' * 16}-{'cd' * 8}-01"
    for name in ("TRACEPARENT", "QWATCH_SESSION_TRACEPARENT"):
        monkeypatch.setenv(name, traceparent)
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", "of-the-run")
    run_task(resource, payload)
    resource.close()
    assert telemetry.named("session EMU") == []
    assert telemetry.one("task EMU").parent.span_id == int("cd" * 8, 16)


def test_a_refused_acquire_is_an_error_of_call_and_session(resource, telemetry, north):
    north.refusals["POST", "/sessions"] = (403, '{"detail": "not authorised"}')
    with pytest.raises(qrmi.QrmiError):
        resource.acquire()
    for name in ("acquire EMU", "session EMU"):
        span = telemetry.one(name)
        assert span.status.status_code is StatusCode.ERROR
        assert span.attributes["error.type"] == "qrmi.QrmiError"
        assert "not authorised" in span.status.description


def test_a_refused_submission_is_an_error_of_call_and_task(resource, telemetry, payload, north, monkeypatch):
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", "nobody-opened-this")
    with pytest.raises(qrmi.QrmiError):
        resource.task_start(payload)
    for name in ("task_start EMU", "task EMU"):
        assert telemetry.one(name).attributes["error.type"] == "qrmi.QrmiError"
        assert telemetry.one(name).status.status_code is StatusCode.ERROR


def test_the_job_of_slurm_is_told(wheel_resource, telemetry, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("SLURM_CLUSTER_NAME", "hpc")
    monkeypatch.setenv("QWATCH_JOB_CLASS", "test")
    resource = instrument(wheel_resource, **telemetry.providers)
    resource.acquire()
    resource.close()
    session = telemetry.one("session EMU")
    assert session.attributes["slurm.job.id"] == "4711"
    assert session.attributes["slurm.cluster.name"] == "hpc"
    assert session.attributes["qpu.job.class"] == "test"
    assert "qpu.sdk" not in session.attributes
