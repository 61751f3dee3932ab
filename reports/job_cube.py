"""The jobs that ended in a period, counted and summed by everything they have in common.

A job belongs to the period in which it ended, with all of its busy time and shots. One pass of the database
makes all counts and shares; there are as many cells as combinations of user, account, class, state and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, and_, case, cast, func, select

from ..scheduler.tables import ledger_jobs
from .expressions import one_if

_SEPARATOR = "\x1f"
_NO_SDK = "unknown"
USER_ERROR = "user_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCell:
    """The jobs that have all of this in common; seconds are sums."""

    source: str
    qpu_id: str
    job_class: str
    state: str
    reason: str
    user: str
    account: str
    sdk: str
    jobs: int
    doubles: int
    busy_seconds: float
    timed: int
    """How many of the jobs tell their busy time."""
    shots_requested: int
    shots_executed: int
    timed_shots: int
    """Shots executed by the jobs that tell their busy time."""
    started: int
    wait_seconds: float

    @property
    def failed(self) -> int:
        """Jobs that ended in error through no fault of their user's."""
        return self.jobs if self.state == "ERROR" and self.reason != USER_ERROR else 0


def ended_within(begin: float, end: float, devices: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition for jobs that ended from ``begin`` to before ``end`` on ``devices``, or on all."""
    columns = ledger_jobs.c
    conditions = [columns.ended_at >= begin, columns.ended_at < end]
    if devices:
        conditions.append(columns.qpu_id.in_(devices))
    return and_(*conditions)


def job_cube(connection: Connection, where: ColumnElement[bool]) -> list[JobCell]:
    """Return the cells of the jobs that meet ``where``."""
    columns = ledger_jobs.c
    # One text sorts twice as fast as eight on SQLite; what a user named may not hold what separates them.
    parts: list[ColumnElement[str]] = [columns.user_name, columns.account, func.coalesce(columns.sdk, _NO_SDK)]
    clean = [func.replace(part, _SEPARATOR, " ") for part in parts]
    key: ColumnElement[Any] = clean[0]
    for part in (
        clean[1],
        columns.job_class,
        columns.state,
        columns.reason,
        columns.qpu_id,
        columns.source,
        clean[2],
    ):
        key = key.op("||")(_SEPARATOR).op("||")(part)
    rows = (
        select(
            key.label("key"),
            one_if(columns.possible_double).label("double"),
            columns.busy_seconds,
            columns.shots_requested,
            columns.shots_executed,
            case((columns.busy_seconds.is_not(None), columns.shots_executed)).label("timed_shots"),
            case(
                (columns.started_at < columns.created_at, 0.0), else_=columns.started_at - columns.created_at
            ).label("wait"),
        )
        .where(where)
        .subquery()
    )
    found = connection.execute(
        select(
            cast(rows.c.key, String).label("key"),
            func.count().label("jobs"),
            func.sum(rows.c.double).label("doubles"),
            func.coalesce(func.sum(rows.c.busy_seconds), 0.0).label("busy_seconds"),
            func.count(rows.c.busy_seconds).label("timed"),
            func.coalesce(func.sum(rows.c.shots_requested), 0).label("shots_requested"),
            func.coalesce(func.sum(rows.c.shots_executed), 0).label("shots_executed"),
            func.coalesce(func.sum(rows.c.timed_shots), 0).label("timed_shots"),
            func.count(rows.c.wait).label("started"),
            func.coalesce(func.sum(rows.c.wait), 0.0).label("wait_seconds"),
        ).group_by(rows.c.key)
    )
    return [_cell(row.key.split(_SEPARATOR), *(row[number] for number in range(1, 10))) for row in found]


def _cell(
    parts: Sequence[str],
    jobs: int,
    doubles: int,
    busy_seconds: float,
    timed: int,
    shots_requested: int,
    shots_executed: int,
    timed_shots: int,
    started: int,
    wait_seconds: float,
) -> JobCell:
    user, account, job_class, state, reason, qpu_id, source, sdk = parts
    return JobCell(
        source=source,
        qpu_id=qpu_id,
        job_class=job_class,
        state=state,
        reason=reason,
        user=user,
        account=account,
        sdk=sdk,
        jobs=jobs,
        doubles=int(doubles),
        busy_seconds=float(busy_seconds),
        timed=timed,
        shots_requested=int(shots_requested),
        shots_executed=int(shots_executed),
        timed_shots=int(timed_shots),
        started=started,
        wait_seconds=float(wait_seconds),
    )
