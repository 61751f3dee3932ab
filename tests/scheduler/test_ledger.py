"""The ledger has one row for each job that ended, written with its end, and is only appended to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, insert, select

from qwatch.scheduler import jobs, ledger, schema, sessions
from qwatch.scheduler.jobs import JobEnd, JobState, NewJob
from qwatch.scheduler.ledger import LedgerJob, QualitySample
from qwatch.scheduler.sessions import NewSession
from qwatch.scheduler.tables import devices, ledger_jobs, ledger_quality, ledger_slurm_jobs
from qwatch.telemetry import device_metrics

OF_ANOTHER_SCHEDULER = LedgerJob(
    source="warden",
    job="17",
    session="s-1",
    qpu_id="FRESNEL",
    resource_type="pasqal-local",
    job_class="production",
    user_name="ada",
    account="chem",
    created_at=100.0,
    ended_at=130.0,
    state="DONE",
    reason="none",
)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine = create_engine(f"sqlite:///{tmp_path / 'qwatch.db'}")
    schema.upgrade(engine)
    with engine.begin() as connection:
        yield connection


@pytest.fixture
def job(connection: Connection) -> int:
    """A pending job."""
    token = sessions.new_token()
    sessions.create(connection, NewSession(1000, "ada", "chem", "815", "EMU", 0, 100.0), token)
    session = sessions.find(connection, token)
    assert session is not None
    new = NewJob("test", "pasqal-local", "{}", 50, 101.0, 101.0, None, None)
    return jobs.create(connection, [(session, new)])[0]


def test_a_job_that_has_not_ended_is_not_in_it(connection: Connection, job: int) -> None:
    jobs.start(connection, job, 103.0)
    assert connection.execute(select(ledger_jobs)).all() == []


def test_a_job_that_ends_is_in_it_with_what_it_used(connection: Connection, job: int) -> None:
    jobs.start(connection, job, 103.0)
    jobs.finish(connection, job, JobEnd(JobState.DONE, "none", None, 112.0, 50, 7.5, "{}"))
    row = connection.execute(select(ledger_jobs)).one()
    assert (row.source, row.job, row.slurm_job_id, row.user_name, row.account) == (
        "qwatch",
        str(job),
        "815",
        "ada",
        "chem",
    )
    assert (row.qpu_id, row.job_class, row.state, row.shots_executed) == ("EMU", "test", "DONE", 50)
    assert (row.created_at, row.started_at, row.ended_at, row.busy_seconds) == (101.0, 103.0, 112.0, 7.5)


def test_a_job_has_the_cluster_that_slurm_told_by_then(connection: Connection, job: int) -> None:
    told = {"slurm_job_id": "815", "cluster": "meluxina", "partition": "quantum", "seen_at": 102.0}
    connection.execute(insert(ledger_slurm_jobs).values(**told))
    jobs.finish(connection, job, JobEnd(JobState.CANCELED, "user", None, 112.0))
    assert connection.execute(select(ledger_jobs.c.cluster)).scalars().all() == ["meluxina"]


def test_the_sources_of_the_ledger_and_a_job_by_its_number(connection: Connection, job: int) -> None:
    assert ledger.sources(connection) == []
    jobs.finish(connection, job, JobEnd(JobState.CANCELED, "user", None, 112.0))
    ledger.append_jobs(connection, [replace(OF_ANOTHER_SCHEDULER, job=str(job)), OF_ANOTHER_SCHEDULER])
    connection.execute(insert(devices), [{"qpu_id": "EMU"}, {"qpu_id": "FRESNEL"}])
    assert ledger.sources(connection) == ["qwatch", "warden"]
    own, other = ledger.find_job(connection, str(job)), ledger.find_job(connection, "17")
    assert own is not None
    assert other is not None
    assert (own.source, other.source) == ("qwatch", "warden")
    of_the_device = ledger.find_job(connection, str(job), "FRESNEL")
    assert of_the_device is not None
    assert of_the_device.source == "warden"
    assert ledger.find_job(connection, "18") is None


def test_a_job_that_is_ended_twice_is_in_it_once(connection: Connection, job: int) -> None:
    for state in (JobState.CANCELED, JobState.DONE):
        jobs.finish(connection, job, JobEnd(state, "user", None, 112.0))
    assert connection.execute(select(ledger_jobs.c.state)).scalars().all() == ["CANCELED"]


def test_jobs_of_another_scheduler_are_appended_once(connection: Connection) -> None:
    other_device = replace(OF_ANOTHER_SCHEDULER, qpu_id="ORION")
    assert ledger.append_jobs(connection, [OF_ANOTHER_SCHEDULER]) == 1
    assert ledger.append_jobs(connection, [OF_ANOTHER_SCHEDULER, other_device]) == 1
    row = connection.execute(select(ledger_jobs).where(ledger_jobs.c.qpu_id == "FRESNEL")).one()
    assert (row.busy_seconds, row.shots_executed, row.uid) == (None, None, None)


def test_a_quality_sample_keeps_its_labels_and_uncertainty(connection: Connection) -> None:
    sample = QualitySample(
        qpu_id="EMU",
        at=100.0,
        source=ledger.QUALITY_JOB,
        metric=device_metrics.SHOT_RATE_NOMINAL,
        labels={"b": "2", "a": "1"},
        value=0.5,
        uncertainty=0.01,
    )
    ledger.append_quality(connection, [sample])
    row = connection.execute(select(ledger_quality)).one()
    assert (row.metric, row.labels) == ("qpu.shot_rate.nominal", '{"a": "1", "b": "2"}')
    assert (row.value, row.uncertainty, row.source) == (0.5, 0.01, "quality_job")
