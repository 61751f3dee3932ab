"""What the log lines of a job say, from which boards tell its user what became of it."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from qwatch.scheduler import job_telemetry
from qwatch.scheduler.jobs import Job, JobState
from qwatch.telemetry.instruments import Instruments

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


def line_of_end(job: Job, caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    with caplog.at_level(logging.INFO):
        job_telemetry.job_ended(Instruments(CollectorRegistry()), job)
    (record,) = caplog.records
    return record


def test_a_failed_job_says_why_and_whose_it_was(caplog: pytest.LogCaptureFixture) -> None:
    record = line_of_end(FAILED, caplog)
    assert record.getMessage() == "job 7 ERROR: the laser is unlocked"
    told = vars(record)
    assert (told["user"], told["slurm_job_id"], told["reason"]) == ("ada", "815", "device_error")
    assert (told["wait_seconds"], told["run_seconds"], told["seconds"]) == (1.9, 3.0, 2.5)


def test_a_long_message_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    text = line_of_end(replace(FAILED, message="x" * 10_000), caplog).getMessage()
    assert text.startswith("job 7 ERROR: xxx")
    assert text.endswith("x …")
    assert len(text) < 600


def test_a_job_that_did_not_fail_tells_only_its_state(caplog: pytest.LogCaptureFixture) -> None:
    done = replace(FAILED, state=JobState.CANCELED, reason="user", message="canceled")
    assert line_of_end(done, caplog).getMessage() == "job 7 CANCELED"
