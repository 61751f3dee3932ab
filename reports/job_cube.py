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
    func,
    literal,
    select,
    true,
)
from sqlalchemy.dialects.sqlite import insert

from ..scheduler.tables import ledger_jobs
from .expressions import number, one_if
from .percentiles import length
from .settings import WaitObjective

_NO_SDK = "unknown"
_KEYS = ("user", "account", "job_class", "state", "reason", "qpu_id", "source", "sdk")
_SUMS = (
    "jobs",
    "doubles",
    "busy_seconds",
    "timed",
    "shots_requested",
    "shots_executed",
    "timed_shots",
    "started",
    "in_time",
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
    in_time: int
    """How many of those that started did so within the objective of their class."""
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


def job_cube(
    connection: Connection, where: ColumnElement[bool], objectives: Mapping[str, WaitObjective]
) -> list[JobCell]:
    """Return the cells of the jobs that meet ``where``; ``objectives`` are for the wait, by class."""
    rows = _rows(where, objectives)
    if connection.dialect.name == "sqlite":
        found = connection.execute(select(_summed_in_place(connection, rows)))
    else:
        keys = [rows.c[name] for name in _KEYS]
        sums = [func.sum(rows.c[name]).label(name) for name in _SUMS]
        found = connection.execute(select(*keys, *sums).group_by(*keys))
    return [_cell(row) for row in found.mappings()]


def _rows(where: ColumnElement[bool], objectives: Mapping[str, WaitObjective]) -> Subquery:
    """Return SQL for the jobs: all that they may have in common, and what is summed."""
    columns = ledger_jobs.c
    wait = columns.started_at - columns.created_at
    shots = func.coalesce(columns.shots_executed, 0)
    in_time: ColumnElement[int] = literal(0)
    if objectives:
        within = {name: number(objective.within) for name, objective in objectives.items()}
        in_time = one_if(length(ledger_jobs, "wait") <= case(within, value=columns.job_class))
    return (
        select(
            columns.user_name.label("user"),
            columns.account,
            columns.job_class,
            columns.state,
            columns.reason,
            columns.qpu_id,
            columns.source,
            func.coalesce(columns.sdk, _NO_SDK).label("sdk"),
            literal(1).label("jobs"),
            one_if(columns.possible_double).label("doubles"),
            func.coalesce(columns.busy_seconds, number(0.0)).label("busy_seconds"),
            one_if(columns.busy_seconds.is_not(None)).label("timed"),
            func.coalesce(columns.shots_requested, 0).label("shots_requested"),
            shots.label("shots_executed"),
            case((columns.busy_seconds.is_not(None), shots), else_=0).label("timed_shots"),
            one_if(columns.started_at.is_not(None)).label("started"),
            in_time.label("in_time"),
            case((wait > number(0.0), wait), else_=number(0.0)).label("wait_seconds"),
        )
        .where(where)
        .subquery()
    )


def _summed_in_place(connection: Connection, rows: Subquery) -> Table:
    """Sum the rows up in a temporary table: SQLite groups by sorting, which takes twice as long.

    The names that differ most are first in its key, so that few are compared.
    """
    cube = Table(
        "report_cube",
        MetaData(),
        *(Column(name, String, primary_key=True) for name in _KEYS),
        *(Column(name, Double if name.endswith("seconds") else BigInteger) for name in _SUMS),
        prefixes=["TEMPORARY"],
        sqlite_with_rowid=False,
    )
    cube.drop(connection, checkfirst=True)
    cube.create(connection, checkfirst=False)
    # Without a condition SQLite takes the conflict's ON for that of a join.
    adding = insert(cube).from_select([*_KEYS, *_SUMS], select(rows).where(true()))
    connection.execute(
        adding.on_conflict_do_update(
            index_elements=_KEYS, set_={name: cube.c[name] + adding.excluded[name] for name in _SUMS}
        )
    )
    return cube


def _cell(row: Mapping[Any, Any]) -> JobCell:
    keys = {name: row[name] for name in _KEYS}
    sums = {name: float(row[name]) if name.endswith("seconds") else int(row[name]) for name in _SUMS}
    return JobCell(**keys, **sums)  # type: ignore[arg-type]  # by its name
