"""The daemon's half of a job's trace, sent when the job has ended, from its row in the store.

Made from the row, the spans survive a restart and join the trace that the user's process told, even if it told
it after the job had begun.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from sqlalchemy import Connection

from ..telemetry import attributes as names
from ..telemetry.redaction import redact
from ..telemetry.trace_context import context_of, parse_traceparent
from . import jobs, slices, tables
from .jobs import Job, JobState
from .slices import Slice
from .store import Store

_logger = logging.getLogger(__name__)


PACE = 0.5
"""Seconds between two groups: the spans of jobs by themselves cost twice as much as of several at once."""
MOST_AT_ONCE = 64
"""Jobs that are read from the store together."""


class TraceEmitter:
    """Sends the spans of ended jobs, each once. To be used in the event loop."""

    def __init__(self, store: Store, tracer: Tracer, grace: float) -> None:
        self._store = store
        self._tracer = tracer
        self._grace = grace
        self._due: dict[int, float] = {}
        self._work: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def job_finished(self, job_id: int, trace_known: bool) -> None:
        """Send the job's spans: soon if its trace is known, else after the time of grace."""
        self._due[job_id] = time.monotonic() + (0.0 if trace_known else self._grace)
        if self._work is None:
            self._work = asyncio.create_task(self._send())

    async def emit_left_over(self) -> None:
        """Send the spans of jobs that ended before an earlier process could send theirs."""
        left = await self._store.read(jobs.without_spans)
        for begin in range(0, len(left), MOST_AT_ONCE):
            await self._emit(left[begin : begin + MOST_AT_ONCE])

    async def drain(self) -> None:
        """Send what waits without further delay."""
        self._hurry.set()
        if self._work is not None:
            await self._work

    async def _send(self) -> None:
        while self._due:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PACE):
                    await self._hurry.wait()
            now = math.inf if self._hurry.is_set() else time.monotonic()
            due = [job_id for job_id, at in self._due.items() if at <= now][:MOST_AT_ONCE]
            for job_id in due:
                del self._due[job_id]
            try:
                await self._emit(due)
            except Exception:
                _logger.exception("the spans of jobs %s could not be sent", ", ".join(map(str, due)))
        self._work = None

    async def _emit(self, job_ids: Sequence[int]) -> None:
        members = tables.jobs.c.id.in_(job_ids)

        def load(connection: Connection) -> tuple[list[Job], Sequence[Slice]]:
            return jobs.where(connection, members), slices.of_jobs(connection, members)

        if not job_ids:
            return
        found, their_slices = await self._store.read(load)
        sent = []
        for job in found:
            if job.spans_emitted:
                continue
            parts = [part for part in their_slices if part.job_id == job.id]
            sent.append((job.id, emit_job(self._tracer, job, parts)))
            await asyncio.sleep(0)  # requests come first
        await self._store.write(lambda connection: jobs.spans_sent(connection, sent))


def emit_job(tracer: Tracer, job: Job, parts: Sequence[Slice]) -> str | None:
    """Make the spans of an ended job (METRICS, "Traces"); return its trace id, None if nothing records it."""
    ended_at = job.ended_at or job.created_at
    parent = context_of(parse_traceparent(job.traceparent))
    server = tracer.start_span(
        names.POST_JOBS, parent, SpanKind.SERVER, start_time=_nanoseconds(job.received_at)
    )
    if not server.get_span_context().is_valid:
        return job.trace_id
    if server.is_recording():
        server.set_attributes({names.QPU_ID: job.qpu_id, names.TASK_ID: str(job.id)})
    inside = trace.set_span_in_context(server, Context())
    queue = tracer.start_span(
        names.span_name(names.QUEUE, job.qpu_id),
        inside,
        SpanKind.INTERNAL,
        start_time=_nanoseconds(job.created_at),
    )
    _describe(queue, job)
    for part in parts[:-1]:
        queue.add_event("requeued", timestamp=_nanoseconds(part.posted_at or part.claimed_at))
    queue.end(_nanoseconds(job.started_at or ended_at))
    if job.started_at is not None:
        _emit_run(tracer, job, parts, inside, ended_at)
    server.end(_nanoseconds(job.created_at))
    return trace.format_trace_id(server.get_span_context().trace_id)


def _emit_run(tracer: Tracer, job: Job, parts: Sequence[Slice], inside: Context, ended_at: float) -> None:
    assert job.started_at is not None
    run = tracer.start_span(
        names.span_name(names.RUN, job.qpu_id),
        inside,
        SpanKind.CONSUMER,
        start_time=_nanoseconds(job.started_at),
    )
    _describe(run, job)
    if job.state is JobState.ERROR and run.is_recording():
        run.set_attribute(names.ERROR_TYPE, job.reason)
        run.set_status(Status(StatusCode.ERROR, redact(job.message or job.reason)))
    of_run = trace.set_span_in_context(run, Context())
    for part in parts:
        _emit_slice(tracer, part, of_run, ended_at)
    run.end(_nanoseconds(ended_at))


def _emit_slice(tracer: Tracer, part: Slice, of_run: Context, job_ended_at: float) -> None:
    end = part.fetched_at or part.observed_end_at or job_ended_at
    whole = tracer.start_span(
        names.span_name(names.SLICE, part.qpu_id),
        of_run,
        SpanKind.INTERNAL,
        start_time=_nanoseconds(part.claimed_at),
    )
    if whole.is_recording():
        whole.set_attributes({names.QPU_ID: part.qpu_id, names.SHOTS_REQUESTED: part.shots})
        if part.device_uid is not None:
            whole.set_attribute(names.DEVICE_JOB_ID, part.device_uid)
    inside = trace.set_span_in_context(whole, Context())
    steps = (
        (names.SUBMIT, SpanKind.CLIENT, part.claimed_at, part.posted_at),
        (names.EXECUTE, SpanKind.INTERNAL, part.started_at, part.ended_at),
        (names.FETCH, SpanKind.CLIENT, part.ended_at, part.fetched_at),
    )
    for name, kind, began, ended in steps:
        if began is not None and ended is not None:
            step = tracer.start_span(
                names.span_name(name, part.qpu_id), inside, kind, start_time=_nanoseconds(began)
            )
            step.end(_nanoseconds(max(began, ended)))
    whole.end(_nanoseconds(end))


def _describe(span: Span, job: Job) -> None:
    if not span.is_recording():
        return
    span.set_attributes(
        {
            names.QPU_ID: job.qpu_id,
            names.RESOURCE_TYPE: job.resource_type,
            names.TASK_ID: str(job.id),
            names.JOB_CLASS: job.job_class,
            names.JOB_STATE: job.state.value,
            names.JOB_REASON: job.reason,
            names.SHOTS_REQUESTED: job.shots_requested,
            names.SHOTS_EXECUTED: job.shots_executed,
        }
    )
    if job.sdk is not None:
        span.set_attribute(names.QPU_SDK, job.sdk)
    if job.slurm_job_id is not None:
        span.set_attribute(names.SLURM_JOB_ID, job.slurm_job_id)
    if job.possible_double:
        span.set_attribute(names.POSSIBLE_DOUBLE, True)


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
