"""A store that an earlier version wrote opens, is upgraded in place, and keeps what it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, text

from qwatch.scheduler import backlog, jobs, schema, windows
from qwatch.scheduler.jobs import JobState
from qwatch.scheduler.tables import metadata
from qwatch.scheduler.timeline import timeline_of

WRITTEN_AT_0001 = (
    "INSERT INTO devices (qpu_id) VALUES ('EMU')",
    """INSERT INTO sessions
    (id, token_sha256, uid, user_name, account, qpu_id, created_by, created_at, ended_at, outcome)
    VALUES (1, 'abc', 1000, 'ada', 'chem', 'EMU', 0, 100.0, 130.0, 'released')""",
    """INSERT INTO jobs
    (id, session_id, uid, user_name, account, qpu_id, resource_type, job_class, shots_requested, shots_executed,
    state, reason, received_at, created_at, started_at, ended_at, busy_seconds)
    VALUES (1, 1, 1000, 'ada', 'chem', 'EMU', 'pasqal-local', 'production', 50, 50,
    'DONE', 'none', 101.0, 101.0, 103.0, 112.0, 7.0)""",
    """INSERT INTO jobs
    (id, session_id, uid, user_name, account, qpu_id, resource_type, job_class, shots_requested,
    state, reason, received_at, created_at, busy_seconds)
    VALUES (2, 1, 1000, 'ada', 'chem', 'EMU', 'pasqal-local', 'production', 70,
    'PENDING', 'none', 120.0, 120.0, 0.0)""",
    "INSERT INTO job_payloads (job_id, sequence) VALUES (1, '{}'), (2, '{}')",
    "INSERT INTO job_results (job_id, results) VALUES (1, '{\"counter\": {}}')",
    "INSERT INTO job_log (job_id, at, line) VALUES (1, 101.0, 'queued as production with 50 shots')",
    """INSERT INTO slices
    (job_id, qpu_id, shots, state, claimed_at, posted_at, started_at, ended_at, fetched_at)
    VALUES (1, 'EMU', 50, 'done', 103.0, 103.5, 104.0, 111.0, 112.0)""",
)


def migrate(engine: Engine, direction: str, revision: str) -> None:
    config = schema._config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        getattr(command, direction)(config, revision)


def current(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


@pytest.fixture
def old_store(tmp_path: Path) -> Engine:
    """A store as version 0001 left it."""
    engine = create_engine(f"sqlite:///{tmp_path / 'qwatch.db'}")
    migrate(engine, "upgrade", "0001")
    with engine.begin() as connection:
        for statement in WRITTEN_AT_0001:
            connection.execute(text(statement))
    return engine


def test_a_store_of_0001_is_upgraded_and_holds_what_it_held(old_store: Engine) -> None:
    assert current(old_store) == "0001"
    assert schema.upgrade(old_store) == current(old_store) == schema.head()
    with old_store.connect() as connection:
        job = jobs.find(connection, 1)
        assert job is not None
        assert (job.state, job.busy_seconds, job.results_fetched_at) == (JobState.DONE, 7.0, None)
        assert jobs.log_lines(connection, 1) == [(101.0, "queued as production with 50 shots")]
        assert jobs.results(connection, 1) == '{"counter": {}}'
        assert backlog.load(connection, "EMU") == backlog.Backlog(jobs=1, shots=70)


def test_the_time_of_its_jobs_is_told(old_store: Engine) -> None:
    schema.upgrade(old_store)
    with old_store.connect() as connection:
        found = timeline_of(connection, 1, 1000, 140.0, lambda job_id: None)
    assert found.of_job.breakdown.seconds == {"queue": 2, "dispatch": 1, "device": 7, "fetch": 1}
    assert len(found.of_session.jobs) == 2
    assert found.of_session.breakdown.seconds == {
        "idle": 1,
        "queue": 2 + 20,
        "dispatch": 1,
        "device": 7,
        "fetch": 1,
        "classical": 8,
    }


def test_a_job_that_had_ended_is_in_the_ledger(old_store: Engine) -> None:
    schema.upgrade(old_store)
    with old_store.connect() as connection:
        row = connection.execute(text("SELECT * FROM ledger_jobs")).one()
    assert (row.source, row.job, row.session, row.user_name, row.qpu_id) == ("qwatch", "1", "1", "ada", "EMU")
    assert (row.state, row.busy_seconds, row.created_at, row.ended_at) == ("DONE", 7.0, 101.0, 112.0)


def test_a_device_that_was_closed_is_drained_and_is_closed_again_if_that_is_taken_back(
    old_store: Engine,
) -> None:
    with old_store.begin() as connection:
        connection.execute(text("UPDATE devices SET accessible = false, message = 'laser exchange'"))
        connection.execute(text("INSERT INTO devices (qpu_id) VALUES ('ORION')"))
    schema.upgrade(old_store)
    with old_store.connect() as connection:
        (found,) = windows.open_windows(connection).items()
    assert (found[0], found[1].foremost is not None) == ("EMU", True)
    assert [(item.kind.value, item.message) for item in found[1].windows] == [("drain", "laser exchange")]
    migrate(old_store, "downgrade", "0003")
    with old_store.connect() as connection:
        rows = connection.execute(text("SELECT qpu_id, accessible, message FROM devices ORDER BY qpu_id"))
        assert [tuple(row) for row in rows] == [("EMU", 0, "laser exchange"), ("ORION", 1, "")]


def test_the_upgrade_gives_the_tables_of_this_version(old_store: Engine) -> None:
    schema.upgrade(old_store)
    with old_store.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_an_upgrade_can_be_taken_back(old_store: Engine) -> None:
    schema.upgrade(old_store)
    migrate(old_store, "downgrade", "0001")
    assert current(old_store) == "0001"
    with old_store.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM jobs")).scalar_one() == 2


def test_a_daemon_starts_on_it_and_runs_what_waited(
    run_daemon: Any, run_device: Any, device_at: Any, wait_until: Any, old_store: Engine
) -> None:
    store = {"url": old_store.url.render_as_string()}
    with run_device() as qpu, run_daemon(devices=[device_at(qpu.url)], store=store):
        wait_until(lambda: qpu.shots() == [70])
