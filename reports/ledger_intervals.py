"""SQL for what the ledger tells of a device's time: stretches of one activity, and what executed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Select, and_, case, func, literal, or_, select

from ..scheduler.ledger import OWN_SOURCE
from ..scheduler.tables import device_activity, ledger_jobs, slices
from ..telemetry.labels import ACTIVITIES
from .expressions import greatest, least, number
from .presence import Presence
from .time_cells import Grid

UNKNOWN = "unknown"


def stretches(presence: Presence, grid: Grid, activities: Sequence[str]) -> Select[Any]:
    """Return SQL for the stretches of some activities in order: activity, reason, begin and end in the grid."""
    columns = device_activity.c
    later = device_activity.alias().c
    # Of all changes few are to these activities: only of those the next one is looked up.
    following = (
        select(later.since)
        .where(
            later.qpu_id == presence.qpu_id,
            later.since >= columns.since,
            or_(later.since > columns.since, later.id > columns.id),
        )
        .order_by(later.since, later.id)
        .limit(1)
        .correlate(device_activity)
        .scalar_subquery()
    )
    rows = (
        select(
            columns.activity,
            columns.reason,
            columns.since,
            func.coalesce(following, number(presence.known_until)).label("until"),
        )
        .where(*_holding(presence, grid), columns.activity.in_(activities))
        .subquery()
    )
    begin = greatest(rows.c.since, number(grid.begin))
    end = least(rows.c.until, number(grid.end))
    return (
        select(rows.c.activity, rows.c.reason, begin.label("begin"), end.label("end"))
        .where(end > begin)
        .order_by(begin)
    )


def changes(presence: Presence, grid: Grid) -> Select[Any]:
    """Return SQL for the changes of activity that hold within the grid, in order.

    Of each: since when, and the activity's place in ``ACTIVITIES``.
    """
    columns = device_activity.c
    places = {name: literal(place, Integer) for place, name in enumerate(ACTIVITIES)}
    place = case(places, value=columns.activity, else_=places[UNKNOWN])
    return (
        select(columns.since, place.label("place"))
        .where(*_holding(presence, grid))
        .order_by(columns.since, columns.id)
    )


def _holding(presence: Presence, grid: Grid) -> Sequence[ColumnElement[bool]]:
    columns = device_activity.c
    of_device = columns.qpu_id == presence.qpu_id
    # The change that holds when the grid begins.
    start = select(func.max(columns.since)).where(of_device, columns.since <= grid.begin).scalar_subquery()
    return of_device, columns.since >= func.coalesce(start, number(grid.begin)), columns.since < grid.end


def own_executions(connection: Connection, presence: Presence, grid: Grid) -> list[Select[Any]]:
    """Return SQL for begin and end of what executed of our own; ends may lie behind what is known."""
    columns = slices.c
    is_open = columns.state.in_(("claimed", "running"))
    ended = case((is_open, number(presence.known_until)), else_=columns.observed_end_at)
    found = [_touching(columns.posted_at, ended, grid, columns.qpu_id == presence.qpu_id)]
    if (until := _oldest_slice(connection, presence)) > presence.begin:
        found.append(_own_executions_of_deleted_slices(presence, grid, until))
    return found


def _own_executions_of_deleted_slices(presence: Presence, grid: Grid, until: float) -> Select[Any]:
    """Before the oldest slice, a job's end and its busy time tell when it executed."""
    columns = ledger_jobs.c
    return _touching(
        columns.ended_at - columns.busy_seconds,
        columns.ended_at,
        grid,
        columns.qpu_id == presence.qpu_id,
        columns.source == OWN_SOURCE,
        columns.busy_seconds > 0,
        columns.ended_at <= until,
    )


def observed_executions(presence: Presence, others: Sequence[str], grid: Grid) -> Select[Any]:
    """Return SQL for begin and end of what other schedulers told to have executed."""
    columns = ledger_jobs.c
    return _touching(
        columns.started_at,
        columns.ended_at,
        grid,
        columns.qpu_id == presence.qpu_id,
        columns.source.in_(others),
    )


def _oldest_slice(connection: Connection, presence: Presence) -> float:
    """Return when the oldest slice began that is kept: slices may be kept shorter than the ledger."""
    columns = slices.c
    oldest = connection.execute(
        select(columns.posted_at)
        .where(columns.qpu_id == presence.qpu_id, columns.posted_at.is_not(None))
        .order_by(columns.id)
        .limit(1)
    ).scalar()
    return presence.known_until if oldest is None else float(oldest)


def _touching(
    begin: ColumnElement[Any], end: ColumnElement[Any], grid: Grid, *where: ColumnElement[bool]
) -> Select[Any]:
    """Return SQL for the intervals that lie in the grid, in whole or part; one without a bound does not."""
    in_grid = and_(begin < number(grid.end), end > number(grid.begin), end > begin)
    return select(begin.label("begin"), end.label("end")).where(*where, in_grid)
