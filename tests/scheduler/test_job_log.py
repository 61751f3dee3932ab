"""The log of jobs is written in groups: each record with its own time, a job's acceptance before its start."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from opentelemetry import trace

from qwatch.scheduler import job_log
from qwatch.scheduler.job_log import JobLog
from qwatch.scheduler.jobs import Job, JobState

FAILED = Job(
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
    shots_executed=0,
    state=JobState.ERROR,
    reason="device_error",
    message="the laser is unlocked",
    received_at=1000.0,
    created_at=1000.1,
    started_at=1002.0,
    ended_at=1005.0,
    busy_seconds=2.5,
    cancel_requested=False,
    possible_double=False,
    traceparent=None,
    trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    spans_emitted=False,
)
WAITING = replace(FAILED, shots_requested=100)
BURST = job_log.MOST_TOLD_ONE_BY_ONE


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.INFO):
        yield


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def written(tell: Callable[[JobLog], None]) -> None:
    """Have ``tell`` tell a log, and write it."""

    async def work() -> None:
        log = JobLog()
        tell(log)
        log.write()

    asyncio.run(work())


def line_of_end(job: Job, caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    written(lambda log: log.ended(job))
    (record,) = caplog.records
    return record


def test_a_failed_job_says_why_and_whose_it_was(caplog: pytest.LogCaptureFixture) -> None:
    record = line_of_end(FAILED, caplog)
    assert record.getMessage() == "job 7 ERROR: the laser is unlocked"
    told = vars(record)
    assert (told["user"], told["slurm_job_id"], told["reason"]) == ("ada", "815", "device_error")
    assert (told["wait_seconds"], told["run_seconds"], told["seconds"]) == (1.9, 3.0, 2.5)


def test_a_message_is_no_format(caplog: pytest.LogCaptureFixture) -> None:
    text = line_of_end(replace(FAILED, message="100 %s of the %d shots"), caplog).getMessage()
    assert text == "job 7 ERROR: 100 %s of the %d shots"


def test_a_long_message_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    text = line_of_end(replace(FAILED, message="x" * 10_000), caplog).getMessage()
    assert text.startswith("job 7 ERROR: xxx")
    assert text.endswith("x …")
    assert len(text) < 600


def test_a_job_that_did_not_fail_tells_only_its_state(caplog: pytest.LogCaptureFixture) -> None:
    done = replace(FAILED, state=JobState.CANCELED, reason="user", message="canceled")
    assert line_of_end(done, caplog).getMessage() == "job 7 CANCELED"


def test_a_job_that_never_started_tells_how_long_it_waited(caplog: pytest.LogCaptureFixture) -> None:
    told = vars(line_of_end(replace(FAILED, started_at=None), caplog))
    assert told["wait_seconds"] == 4.9
    assert "run_seconds" not in told


def test_a_start_tells_how_long_the_job_waited(caplog: pytest.LogCaptureFixture) -> None:
    written(lambda log: log.started(replace(WAITING, state=JobState.PENDING, started_at=None), 1002.0))
    (record,) = caplog.records
    told = vars(record)
    assert record.getMessage() == "job 7 starts"
    assert (told["state"], told["wait_seconds"], told["shots"]) == ("RUNNING", 1.9, 100)


def test_each_record_has_the_time_at_which_it_was_told(caplog: pytest.LogCaptureFixture) -> None:
    async def tell() -> list[tuple[float, float]]:
        log, times = JobLog(), []
        for told in (log.accepted, log.ended):
            before = time.time()
            told(WAITING)
            times.append((before, time.time()))
            await asyncio.sleep(0.005)
        log.write()
        return times

    times = asyncio.run(tell())
    assert messages(caplog) == ["job 7 queued", "job 7 ERROR: the laser is unlocked"]
    for record, (before, after) in zip(caplog.records, times, strict=True):
        assert before <= record.created <= after
        assert record.msecs == pytest.approx(record.created % 1 * 1000)


def test_what_waits_is_written_by_itself_and_in_no_request_s_trace(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[bool] = []

    class Watch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(trace.get_current_span().get_span_context().is_valid)

    async def accept() -> None:
        context = trace.SpanContext(1, 1, False)
        with trace.use_span(trace.NonRecordingSpan(context)):
            JobLog().accepted(WAITING)
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
        log = JobLog()
        for number in range(job_log.MOST_AT_ONCE + 1):
            log.accepted(replace(WAITING, id=number, user_name=f"user {number}"))
        assert len(caplog.records) == job_log.MOST_AT_ONCE
        log.write()
        log.write()

    asyncio.run(accept())
    assert messages(caplog) == [f"job {number} queued" for number in range(job_log.MOST_AT_ONCE + 1)]


def test_nothing_waits_where_nobody_reads_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    log = JobLog()
    log.accepted(WAITING)  # outside a loop: it would fail if it had to wait
    log.started(WAITING, 1002.0)
    log.ended(WAITING)
    assert not caplog.records


def test_a_job_is_accepted_before_it_starts_and_starts_before_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    def tell(log: JobLog) -> None:
        for number in (1, 2):
            log.accepted(replace(WAITING, id=number))
            log.started(replace(WAITING, id=number), 1002.0)
            log.ended(replace(WAITING, id=number, message=None))

    written(tell)
    for number in (1, 2):
        own = [text for text in messages(caplog) if text.startswith(f"job {number} ")]
        assert own == [f"job {number} queued", f"job {number} starts", f"job {number} ERROR"]


def test_a_burst_of_one_kind_is_one_record_and_others_keep_theirs(caplog: pytest.LogCaptureFixture) -> None:
    def tell(log: JobLog) -> None:
        for number in range(1, BURST + 2):
            log.accepted(replace(WAITING, id=number))
        log.accepted(replace(WAITING, id=99, user_name="grace"))

    written(tell)
    assert messages(caplog) == [f"{BURST + 1} jobs queued, from job 1 to job {BURST + 1}", "job 99 queued"]
    told = vars(caplog.records[0])
    assert (told["user"], told["shots"], "job" in told) == ("ada", 100 * (BURST + 1), False)


def test_a_burst_of_any_length_waits_for_its_time(caplog: pytest.LogCaptureFixture) -> None:
    def tell(log: JobLog) -> None:
        for number in range(10 * job_log.MOST_AT_ONCE):
            log.accepted(replace(WAITING, id=number))
        assert not caplog.records

    written(tell)
    assert len(messages(caplog)) == 1


def test_as_many_as_are_no_burst_are_told_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    few = [replace(WAITING, id=number) for number in range(BURST)]

    def tell(log: JobLog) -> None:
        for job in few:
            log.accepted(job)

    written(tell)
    assert messages(caplog) == [f"job {job.id} queued" for job in few]
