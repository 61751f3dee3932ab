"""The jobs that ended in a period, counted and summed by everything they have in common.

A job belongs to the period in which it ended, with all of its busy time and shots. One pass of the database
makes all counts and shares; there are as many cells as combinations of user, account, class, state and so on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Double,
    MetaData,
    String,
    Subquery,
    Table,
    and_,
    case,
    cast,
    func,
    literal,
    select,
    true,
)
from sqlalchemy.dialects.sqlite import insert

from ..scheduler.tables import ledger_jobs
from .expressions import number, one_if

_SEPARATOR = "\x1f"
_NO_SDK = "unknown"
_SUMS = (
    "jobs",
    "doubles",
    "busy_seconds",
    "timed",
    "shots_requested",
    "shots_executed",
    "timed_shots",
    "started",
    "wait_seconds",
)
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
    rows = _rows(where)
    if connection.dialect.name == "sqlite":
        found = connection.execute(select(_summed_in_place(connection, rows)))
    else:
        found = connection.execute(
            select(rows.c.key, *(func.sum(rows.c[name]).label(name) for name in _SUMS)).group_by(rows.c.key)
        )
    return [_cell(row.key.split(_SEPARATOR), row._asdict()) for row in found]


def _rows(where: ColumnElement[bool]) -> Subquery:
    """Return SQL for the jobs: one text of all that they may have in common, and what is summed."""
    columns = ledger_jobs.c
    # What a user named may not hold what separates the parts.
    user, account, sdk = (
        func.replace(part, _SEPARATOR, " ")
        for part in (columns.user_name, columns.account, func.coalesce(columns.sdk, _NO_SDK))
    )
    key: ColumnElement[Any] = user
    for part in (
        account,
        columns.job_class,
        columns.state,
        columns.reason,
        columns.qpu_id,
        columns.source,
        sdk,
    ):
        key = key.op("||")(_SEPARATOR).op("||")(part)
    wait = columns.started_at - columns.created_at
    shots = func.coalesce(columns.shots_executed, 0)
    return (
        select(
            cast(key, String).label("key"),
            literal(1).label("jobs"),
            one_if(columns.possible_double).label("doubles"),
            func.coalesce(columns.busy_seconds, number(0.0)).label("busy_seconds"),
            one_if(columns.busy_seconds.is_not(None)).label("timed"),
            func.coalesce(columns.shots_requested, 0).label("shots_requested"),
            shots.label("shots_executed"),
            case((columns.busy_seconds.is_not(None), shots), else_=0).label("timed_shots"),
            one_if(columns.started_at.is_not(None)).label("started"),
            case((wait > number(0.0), wait), else_=number(0.0)).label("wait_seconds"),
        )
        .where(where)
        .subquery()
    )


def _summed_in_place(connection: Connection, rows: Subquery) -> Table:
    """Sum the rows up in a temporary table: SQLite groups by sorting, which takes twice as long."""
    cube = Table(
        "report_cube",
        MetaData(),
        Column("key", String, primary_key=True),
        *(Column(name, Double if name.endswith("seconds") else BigInteger) for name in _SUMS),
        prefixes=["TEMPORARY"],
        sqlite_with_rowid=False,
    )
    cube.drop(connection, checkfirst=True)
    cube.create(connection, checkfirst=False)
    # Without a condition SQLite takes the conflict's ON for that of a join.
    adding = insert(cube).from_select(["key", *_SUMS], select(rows).where(true()))
    connection.execute(
        adding.on_conflict_do_update(
            index_elements=["key"], set_={name: cube.c[name] + adding.excluded[name] for name in _SUMS}
        )
    )
    return cube


def _cell(parts: Sequence[str], sums: Mapping[str, Any]) -> JobCell:
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
        jobs=int(sums["jobs"]),
        doubles=int(sums["doubles"]),
        busy_seconds=float(sums["busy_seconds"]),
        timed=int(sums["timed"]),
        shots_requested=int(sums["shots_requested"]),
        shots_executed=int(sums["shots_executed"]),
        timed_shots=int(sums["timed_shots"]),
        started=int(sums["started"]),
        wait_seconds=float(sums["wait_seconds"]),
    )
