"""The queue's collector asks only indexes that hold what has not ended: the history costs it nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, event, insert, text

from qwatch.collectors.queue import QueueCollector
from qwatch.scheduler.scheduler import Scheduler
from qwatch.scheduler.settings import ApiSettings, DeviceSettings, SchedulerSettings, StoreSettings
from qwatch.scheduler.tables import jobs, sessions
from qwatch.telemetry.instruments import Instruments


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Scheduler]:
    """A scheduler that was not started, with a session and jobs in each state."""
    made = Scheduler(
        ApiSettings(),
        StoreSettings(url=f"sqlite:///{tmp_path / 'qwatch.db'}"),
        [DeviceSettings(name="EMU", url="http://127.0.0.1:1")],
        SchedulerSettings(),
        Instruments(CollectorRegistry()),
    )
    who = {"uid": 1, "user_name": "u", "account": "a", "qpu_id": "EMU"}
    job = who | {
        "session_id": 1,
        "resource_type": "pasqal-local",
        "job_class": "production",
        "shots_requested": 1,
        "received_at": 1.0,
    }
    with made.store.engine.begin() as connection:
        begun = {"token_sha256": "0" * 64, "created_by": 1, "created_at": 1.0}
        connection.execute(insert(sessions).values(who | begun))
        connection.execute(
            insert(jobs),
            [
                job | {"state": state, "created_at": float(number)}
                for number, state in enumerate(["DONE", "CANCELED", "ERROR", "RUNNING", "PENDING", "PENDING"])
            ],
        )
    yield made
    made.store.engine.dispose()


def test_what_waits_and_runs_is_counted(scheduler: Scheduler) -> None:
    found = {
        (sample.metric.prometheus_name, *sample.labels.values()): sample.value
        for sample in QueueCollector(scheduler).collect()
    }
    assert found["qpu_queue_jobs", "EMU", "production", "pending"] == 2
    assert found["qpu_queue_jobs", "EMU", "production", "running"] == 1
    assert found["qpu_queue_jobs", "EMU", "test", "pending"] == 0
    assert found["qpu_queue_oldest_job_created_timestamp_seconds", "EMU", "production"] == 4.0
    assert ("qpu_queue_oldest_job_created_timestamp_seconds", "EMU", "test") not in found
    assert found["qpu_sessions_active", "EMU"] == 1


def test_no_query_reads_what_has_ended(scheduler: Scheduler) -> None:
    asked: list[str] = []

    @event.listens_for(scheduler.store.engine, "before_cursor_execute")
    def _note(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT"):
            asked.append(statement)

    list(QueueCollector(scheduler).collect())
    statements = list(asked)
    assert statements
    with scheduler.store.engine.connect() as connection:
        for statement in statements:
            plan = [row[3] for row in connection.execute(text(f"EXPLAIN QUERY PLAN {statement}"))]
            reads = [step for step in plan if step.startswith(("SCAN", "SEARCH"))]
            assert reads
            unfinished = ("INDEX jobs_unfinished", "INDEX jobs_waiting", "INDEX sessions_open")
            assert all(any(index in step for index in unfinished) for step in reads), plan
