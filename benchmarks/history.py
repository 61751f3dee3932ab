"""Fills a store with jobs of the past and of the queue, by the scheduler's own tables."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import workload
from sqlalchemy import create_engine, insert

from qwatch.scheduler import schema
from qwatch.scheduler.tables import jobs, sessions

_AT_ONCE = 10_000


def fill(database: Path, ended: int, pending: int) -> None:
    """Create the database with one session, ``ended`` jobs that are DONE, and ``pending`` ones."""
    engine = create_engine(f"sqlite:///{database}")
    schema.upgrade(engine)
    now = time.time()
    who = {"uid": os.getuid(), "user_name": "bench", "account": "bench", "qpu_id": workload.DEVICE}
    with engine.begin() as connection:
        begun = {"token_sha256": "0" * 64, "created_by": os.getuid(), "created_at": now - 86_400.0}
        connection.execute(insert(sessions).values(who | begun))
    rows = _rows(who, ended, pending, now)
    while batch := [row for _, row in zip(range(_AT_ONCE), rows, strict=False)]:
        with engine.begin() as connection:
            connection.execute(insert(jobs), batch)
    engine.dispose()


def _rows(who: dict[str, Any], ended: int, pending: int, now: float) -> Iterator[dict[str, Any]]:
    same = who | {
        "session_id": 1,
        "resource_type": "pasqal-local",
        "job_class": "production",
        "shots_requested": 100,
    }
    for number in range(ended + pending):
        created = now - 80_000.0 + number * 0.1
        done = number < ended
        yield same | {
            "state": "DONE" if done else "PENDING",
            "received_at": created,
            "created_at": created,
            "started_at": created + 1.0 if done else None,
            "ended_at": created + 2.0 if done else None,
            "shots_executed": 100 if done else 0,
            "busy_seconds": 1.0 if done else 0.0,
            "spans_emitted": done,
        }
