"""Accepted jobs are logged in groups, with the time of each, before anything later that is told about them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from opentelemetry import trace

from qwatch.scheduler import accepted_jobs, job_telemetry
from qwatch.scheduler.accepted_jobs import AcceptedJobs
from tests.scheduler.test_job_log_lines import FAILED

WAITING = replace(FAILED, shots_requested=100)


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.INFO):
        yield


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_each_record_has_the_time_at_which_its_job_was_accepted(caplog: pytest.LogCaptureFixture) -> None:
    async def accept() -> list[tuple[float, float]]:
        accepted, times = AcceptedJobs(), []
        for number in (1, 2):
            before = time.time()
            accepted.add(replace(WAITING, id=number))
            times.append((before, time.time()))
            await asyncio.sleep(0.005)
        accepted.write()
        return times

    times = asyncio.run(accept())
    assert messages(caplog) == ["job 1 queued", "job 2 queued"]
    for number, (record, (before, after)) in enumerate(zip(caplog.records, times, strict=True), 1):
        assert before <= record.created <= after
        assert record.msecs == pytest.approx(record.created % 1 * 1000)
        told = vars(record)
        assert (told["job"], told["shots"], told["user"]) == (number, 100, "ada")


def test_what_waits_is_written_by_itself_and_in_no_request_s_trace(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[bool] = []

    class Watch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(trace.get_current_span().get_span_context().is_valid)

    async def accept() -> None:
        context = trace.SpanContext(1, 1, False)
        with trace.use_span(trace.NonRecordingSpan(context)):
            AcceptedJobs().add(WAITING)
        assert not seen
        while not seen:
            await asyncio.sleep(0.005)

    handler = Watch()
    logging.getLogger().addHandler(handler)
    try:
        asyncio.run(accept())
    finally:
        logging.getLogger().removeHandler(handler)
    assert seen == [False]


def test_a_full_group_is_written_at_once(caplog: pytest.LogCaptureFixture) -> None:
    async def accept() -> None:
        accepted = AcceptedJobs()
        for number in range(accepted_jobs.MOST_AT_ONCE + 1):
            accepted.add(replace(WAITING, id=number, user_name=f"user {number}"))
        assert len(caplog.records) == accepted_jobs.MOST_AT_ONCE
        accepted.write()
        accepted.write()

    asyncio.run(accept())
    assert messages(caplog) == [f"job {number} queued" for number in range(accepted_jobs.MOST_AT_ONCE + 1)]


def test_nothing_waits_where_nobody_reads_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    AcceptedJobs().add(WAITING)  # outside a loop: it would fail if it had to wait
    assert not caplog.records


def test_a_later_record_of_a_job_comes_after_its_first(caplog: pytest.LogCaptureFixture) -> None:
    async def accept() -> None:
        accepted = AcceptedJobs()
        accepted.add(replace(WAITING, id=2))
        accepted.write_before(replace(WAITING, id=1))
        assert not caplog.records
        accepted.write_before(replace(WAITING, id=2))
        assert messages(caplog) == ["job 2 queued"]
        accepted.write()

    asyncio.run(accept())
    assert messages(caplog) == ["job 2 queued"]


def test_a_burst_of_one_kind_is_one_record_and_others_keep_theirs(caplog: pytest.LogCaptureFixture) -> None:
    burst = [replace(WAITING, id=number) for number in range(1, job_telemetry.MOST_TOLD_ONE_BY_ONE + 2)]
    other = replace(WAITING, id=99, user_name="grace")
    job_telemetry.jobs_queued([(job, 1.0) for job in (*burst, other)])
    assert messages(caplog) == ["33 jobs queued, from job 1 to job 33", "job 99 queued"]
    told = vars(caplog.records[0])
    assert (told["user"], told["shots"], "job" in told) == ("ada", 3300, False)


def test_as_many_as_are_no_burst_are_told_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    few = [replace(WAITING, id=number) for number in range(job_telemetry.MOST_TOLD_ONE_BY_ONE)]
    job_telemetry.jobs_queued([(job, 1.0) for job in few])
    assert messages(caplog) == [f"job {job.id} queued" for job in few]
