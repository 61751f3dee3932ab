"""What is asked at each scrape or look is answered from indexes: the history does not slow it down."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC
from typing import Any, get_args

import pytest
from sqlalchemy import Connection, create_engine, event

from qwatch.scheduler import (
    live_queue,
    own_sessions,
    session_idle,
    session_watchdog,
    sessions,
    timeline,
    windows,
)
from qwatch.scheduler.errors import NotFoundError
from qwatch.scheduler.ledger_comparison import LedgerTime
from qwatch.scheduler.tables import metadata
from qwatch.scheduler.timeline import session_timeline_of
from qwatch.scheduler.usage import UsageKey, UsageQuestion
from qwatch.scheduler.usage_queries import usage_of

SESSION = sessions.Session(1, 1000, "ada", "chem", "77", "EMU", 0, 1.0, 5.0, "released", "abc")
OPEN_ONLY = {
    "SCAN sessions USING INDEX sessions_open",
    "SCAN jobs USING INDEX jobs_unfinished",
    "SCAN jobs USING INDEX jobs_waiting",
    "SCAN device_windows USING INDEX device_windows_open",
}
"""Scans of partial indexes, which hold what is open now."""


def compared(connection: Connection) -> None:
    LedgerTime.begin(connection, "EMU", 1.0).seconds(connection, 2.0)


def asked(by: UsageKey | None, qpu_id: str | None = None) -> UsageQuestion:
    return UsageQuestion(uid=1000, begin=1.0, end=9e5, now=8e5, zone=UTC, by=by, qpu_id=qpu_id)


def plans_of(ask: Callable[[Connection], Any]) -> list[str]:
    """Return how SQLite means to answer what ``ask`` asks."""
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    plans: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def explain(connection: Connection, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        rows = connection.connection.cursor()
        rows.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        plans.extend(row[3] for row in rows.fetchall())

    with engine.connect() as connection, contextlib.suppress(NotFoundError):
        ask(connection)
    return plans


def test_what_ended_last_is_read_from_the_end_of_the_ledger() -> None:
    assert plans_of(lambda connection: live_queue.last_ended(connection, 20)) == [
        "SCAN ledger_jobs USING INDEX ledger_jobs_by_time"
    ]


@pytest.mark.parametrize(
    "ask",
    [
        *(lambda connection, by=by: usage_of(connection, asked(by)) for by in (None, *get_args(UsageKey))),
        lambda connection: usage_of(connection, asked("session", "EMU")),
        lambda connection: own_sessions.own_sessions(connection, 1000, 1.0, 2.0, 20),
        lambda connection: own_sessions.of_slurm_job(connection, 1000, "77"),
        lambda connection: own_sessions.with_use(connection, 1000, [SESSION]),
        lambda connection: sessions.with_numbers(connection, {1, 2}),
        lambda connection: session_timeline_of(connection, 1, 1000, 9.0, lambda _job: None),
        lambda connection: timeline._timeline(connection, SESSION, None, 9.0, lambda _job: None),
        lambda connection: timeline._timeline(connection, SESSION, 5, 9.0, lambda _job: None),
        sessions.held,
        sessions.unfinished_jobs,
        sessions.newest,
        lambda connection: sessions.newer_than(connection, 5),
        windows.open_windows,
        lambda connection: session_idle._work(connection, 1.0, 2.0),
        lambda connection: session_watchdog._used_since(connection, 1.0),
        compared,
        live_queue.class_counts,
        lambda connection: live_queue.line(connection, "EMU"),
        lambda connection: live_queue.running(connection, "EMU"),
        lambda connection: live_queue.by_number(connection, [1, 2]),
        lambda connection: live_queue.ended_of_user(connection, 7, 10),
        sessions.active,
    ],
)
def test_no_table_is_read_whole(ask: Callable[[Connection], Any]) -> None:
    plans = plans_of(ask)
    tables = [line for line in plans if any(f" {name}" in line for name in metadata.tables)]
    assert tables
    for line in tables:
        by_key = line.startswith("SEARCH ") and "ledger_jobs_once" not in line
        assert by_key or line in OPEN_ONLY, line
