"""The daemon's half of a trace is made from the job's rows, whatever its history was."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NoOpTracer, SpanKind, StatusCode

from qwatch.scheduler.jobs import Job, JobState
from qwatch.scheduler.slices import Slice, SliceState
from qwatch.scheduler.trace_emission import emit_job

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
JOB = Job(
    id=7,
    session_id=1,
    uid=1000,
    user_name="ada",
    account="physics",
    slurm_job_id="815",
    qpu_id="FRESNEL",
    resource_type="pasqal-local",
    job_class="production",
    sdk="pulser",
    shots_requested=100,
    shots_executed=100,
    state=JobState.DONE,
    reason="none",
    message=None,
    received_at=1000.0,
    created_at=1000.1,
    started_at=1002.0,
    ended_at=1005.0,
    busy_seconds=2.5,
    cancel_requested=False,
    possible_double=False,
    traceparent=TRACEPARENT,
    trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    spans_emitted=False,
)
SLICE = Slice(
    id=1,
    job_id=7,
    qpu_id="FRESNEL",
    shots=100,
    state=SliceState.DONE,
    device_uid="31",
    uid_before=None,
    claimed_at=1002.0,
    posted_at=1002.1,
    started_at=1002.2,
    ended_at=1004.7,
    observed_end_at=1004.8,
    fetched_at=1005.0,
)


def emitted(job: Job, *parts: Slice) -> tuple[str | None, dict[str, ReadableSpan]]:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace_id = emit_job(provider.get_tracer("test"), job, parts)
    return trace_id, {span.name: span for span in exporter.get_finished_spans()}


def parent_name(spans: dict[str, ReadableSpan], name: str) -> str | None:
    parent = spans[name].parent
    assert parent is not None
    return next((span.name for span in spans.values() if span.context.span_id == parent.span_id), None)


def test_a_finished_job_is_a_tree_below_the_users_span_with_the_devices_times() -> None:
    trace_id, spans = emitted(JOB, SLICE)
    assert trace_id == JOB.trace_id
    assert {name: parent_name(spans, name) for name in spans} == {
        "POST /jobs": None,
        "queue FRESNEL": "POST /jobs",
        "run FRESNEL": "POST /jobs",
        "slice FRESNEL": "run FRESNEL",
        "submit FRESNEL": "slice FRESNEL",
        "execute FRESNEL": "slice FRESNEL",
        "fetch FRESNEL": "slice FRESNEL",
    }
    assert spans["POST /jobs"].parent is not None
    assert f"{spans['POST /jobs'].parent.span_id:016x}" == "00f067aa0ba902b7"
    times = {name: (span.start_time, span.end_time) for name, span in spans.items()}
    assert times["queue FRESNEL"] == (1000_100_000_000, 1002_000_000_000)
    assert times["run FRESNEL"] == (1002_000_000_000, 1005_000_000_000)
    assert times["execute FRESNEL"] == (1002_200_000_000, 1004_700_000_000)
    assert {name: span.kind for name, span in spans.items() if span.kind is not SpanKind.INTERNAL} == {
        "POST /jobs": SpanKind.SERVER,
        "run FRESNEL": SpanKind.CONSUMER,
        "submit FRESNEL": SpanKind.CLIENT,
        "fetch FRESNEL": SpanKind.CLIENT,
    }


def test_attributes_are_those_of_the_vocabulary() -> None:
    _, spans = emitted(replace(JOB, possible_double=True), SLICE)
    assert dict(spans["run FRESNEL"].attributes or {}) == {
        "qpu.id": "FRESNEL",
        "qrmi.resource.type": "pasqal-local",
        "qrmi.task.id": "7",
        "qpu.job.class": "production",
        "qpu.job.state": "DONE",
        "qpu.job.reason": "none",
        "qpu.job.shots.requested": 100,
        "qpu.job.shots.executed": 100,
        "qpu.sdk": "pulser",
        "slurm.job.id": "815",
        "qpu.job.possible_double": True,
    }
    everything = " ".join(str(span.attributes) for span in spans.values())
    assert "ada" not in everything


def test_a_job_cancelled_while_it_waited_has_a_queue_and_no_run() -> None:
    job = replace(JOB, state=JobState.CANCELED, reason="user", started_at=None, ended_at=1001.0)
    _, spans = emitted(job)
    assert set(spans) == {"POST /jobs", "queue FRESNEL"}
    assert spans["queue FRESNEL"].end_time == 1001_000_000_000


def test_a_failed_job_says_so_on_its_run_without_a_credential() -> None:
    message = "Status: 401, x-munge-cred: MUNGE:AwQFAABQE0USLDtNt53r1Zth: refused"
    job = replace(JOB, state=JobState.ERROR, reason="device_error", message=message)
    _, spans = emitted(job, SLICE)
    run = spans["run FRESNEL"]
    assert run.status.status_code is StatusCode.ERROR
    assert (run.attributes or {})["error.type"] == "device_error"
    assert "MUNGE:Aw" not in str(run.status.description)


def test_a_requeued_job_tells_it_as_events_of_its_queue_span() -> None:
    lost = replace(SLICE, state=SliceState.ABANDONED, started_at=None, ended_at=None, fetched_at=None)
    _, spans = emitted(JOB, lost, replace(SLICE, id=2, claimed_at=1003.0))
    assert [event.name for event in spans["queue FRESNEL"].events] == ["requeued"]


def test_a_job_without_a_traceparent_begins_a_trace() -> None:
    trace_id, spans = emitted(replace(JOB, traceparent=None, trace_id=None), SLICE)
    assert spans["POST /jobs"].parent is None
    assert trace_id == f"{spans['POST /jobs'].context.trace_id:032x}"


def test_nothing_is_recorded_where_nothing_records() -> None:
    assert emit_job(NoOpTracer(), JOB, [SLICE]) == JOB.trace_id
    exporter, provider = InMemorySpanExporter(), TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    assert emit_job(provider.get_tracer("test"), JOB, [SLICE]) == JOB.trace_id
    assert not exporter.get_finished_spans()


moments = st.one_of(st.none(), st.floats(0, 2e9, allow_nan=False))


@given(
    started_at=moments,
    ended_at=moments,
    state=st.sampled_from(JobState),
    message=st.one_of(st.none(), st.text(max_size=50)),
    traceparent=st.one_of(st.none(), st.just(TRACEPARENT), st.text(max_size=60)),
    slices=st.lists(st.tuples(moments, moments, moments, moments), max_size=3),
)
def test_any_row_gives_one_tree_in_one_trace(
    started_at: float | None,
    ended_at: float | None,
    state: JobState,
    message: str | None,
    traceparent: str | None,
    slices: list[tuple[float | None, ...]],
) -> None:
    job = replace(
        JOB, started_at=started_at, ended_at=ended_at, state=state, message=message, traceparent=traceparent
    )
    parts = [
        replace(SLICE, posted_at=posted, started_at=started, ended_at=ended, fetched_at=fetched)
        for posted, started, ended, fetched in slices
    ]
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace_id = emit_job(provider.get_tracer("test"), job, parts)
    spans = exporter.get_finished_spans()
    assert {f"{span.context.trace_id:032x}" for span in spans} == {trace_id}
    inside = {span.context.span_id for span in spans}
    roots = [span for span in spans if span.parent is None or span.parent.span_id not in inside]
    assert [span.name for span in roots] == ["POST /jobs"]


@pytest.mark.parametrize("flags", ["00", "01"])
def test_an_unsampled_trace_of_the_user_is_not_recorded_by_the_daemon_either(flags: str) -> None:
    trace_id, spans = emitted(replace(JOB, traceparent=TRACEPARENT[:-2] + flags), SLICE)
    assert bool(spans) is (flags == "01")
    assert trace_id == JOB.trace_id
