"""The spans of every ended job are sent once: soon after its end, or by the next process."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from qwatch.scheduler import jobs, trace_emission
from qwatch.scheduler.store import Store
from qwatch.scheduler.trace_emission import TraceEmitter
from qwatch.telemetry import attributes as names
from tests.scheduler.stored_people import a_job, with_store

LONG = 3600.0


class Sent:
    """A tracer, and how often the spans of each job were sent with it."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("test")

    def times(self) -> Counter[int]:
        whole = [span for span in self._exporter.get_finished_spans() if span.name == "POST /jobs"]
        return Counter(int(str((span.attributes or {})[names.TASK_ID])) for span in whole)


async def ended_jobs(store: Store, count: int) -> list[int]:
    now = time.time()
    return await store.write(lambda connection: [a_job(connection, now - 60) for _ in range(count)])


def run(folder: Path, work: Callable[[Store, Sent], Awaitable[Any]]) -> None:
    async def with_sent(store: Store, _: object) -> None:
        await work(store, Sent())

    with_store(folder, with_sent)


def test_a_known_trace_is_sent_soon_and_another_only_after_its_grace(tmp_path: Path) -> None:
    async def work(store: Store, sent: Sent) -> None:
        known, unknown = await ended_jobs(store, 2)
        emitter = TraceEmitter(store, sent.tracer, LONG)
        emitter.job_finished(unknown, trace_known=False)
        emitter.job_finished(known, trace_known=True)
        while not sent.times():
            await asyncio.sleep(0.01)
        assert sent.times() == {known: 1}
        await emitter.drain()
        assert sent.times() == {known: 1, unknown: 1}

    run(tmp_path, work)


def test_more_than_one_group_is_sent_once_each_and_remembered(tmp_path: Path) -> None:
    async def work(store: Store, sent: Sent) -> None:
        numbers = await ended_jobs(store, 2 * trace_emission.MOST_AT_ONCE + 3)
        first = TraceEmitter(store, sent.tracer, LONG)
        for number in numbers[:-5]:
            first.job_finished(number, trace_known=False)
        await first.drain()
        assert sent.times() == Counter(numbers[:-5])
        assert await store.read(jobs.without_spans) == numbers[-5:]
        await TraceEmitter(store, sent.tracer, LONG).emit_left_over()
        assert sent.times() == Counter(numbers)
        assert await store.read(jobs.without_spans) == []
        job = await store.read(lambda connection: jobs.find(connection, numbers[0]))
        assert job is not None
        assert job.spans_emitted
        assert job.trace_id is not None

    run(tmp_path, work)


def test_a_job_that_ends_after_a_group_was_sent_is_sent_too(tmp_path: Path) -> None:
    async def work(store: Store, sent: Sent) -> None:
        numbers = await ended_jobs(store, 2)
        emitter = TraceEmitter(store, sent.tracer, LONG)
        for count, number in enumerate(numbers, 1):
            emitter.job_finished(number, trace_known=True)
            while sent.times().total() < count:
                await asyncio.sleep(0.01)
        await emitter.drain()
        assert sent.times() == Counter(numbers)

    run(tmp_path, work)


def test_what_cannot_be_read_now_is_said_and_left_to_the_next_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(store: Store, sent: Sent) -> None:
        numbers = await ended_jobs(store, 2)
        emitter = TraceEmitter(store, sent.tracer, LONG)
        with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
            patch.setattr(jobs, "where", lambda *_: 1 / 0)
            emitter.job_finished(numbers[0], trace_known=True)
            while f"the spans of jobs {numbers[0]} could not be sent" not in caplog.messages:
                await asyncio.sleep(0.01)
        emitter.job_finished(numbers[1], trace_known=True)
        await emitter.drain()
        assert sent.times() == {numbers[1]: 1}
        await TraceEmitter(store, sent.tracer, LONG).emit_left_over()
        assert sent.times() == Counter(numbers)

    run(tmp_path, work)
