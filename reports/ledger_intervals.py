"""SQL for what the ledger tells of a device's time: stretches of one activity, and what executed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    String,
    Subquery,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from ..scheduler.activity import WORKING
from ..scheduler.ledger import OWN_SOURCE
from ..scheduler.tables import device_activity, ledger_jobs, slices
from .expressions import greatest, least, number, one_if
from .presence import Presence
from .time_cells import Grid

UNKNOWN = "unknown"


def by_cell(intervals: Subquery, grid: Grid) -> Select[Any]:
    """Return SQL for the seconds by cell and activity; an interval that lies in two cells comes by itself."""
    columns = intervals.c
    cell = grid.expression(columns.begin)
    placed = (
        select(
            cell.label("cell"),
            case((cell != grid.expression(columns.end), columns.begin)).label("alone"),
            columns.begin,
            columns.end,
            columns.activity,
        )
        .where(columns.end > columns.begin)
        .subquery()
    )
    keys = (placed.c.cell, placed.c.alone, placed.c.activity)
    return select(
        *keys,
        func.sum(placed.c.end - placed.c.begin).label("seconds"),
        func.min(placed.c.begin).label("begin"),
        func.max(placed.c.end).label("end"),
    ).group_by(*keys)


def stretches(presence: Presence, grid: Grid) -> Subquery:
    """Return SQL for the stretches of one activity: activity, reason, and begin and end within the grid."""
    columns = device_activity.c
    of_device = columns.qpu_id == presence.qpu_id
    # The change that holds when the grid begins.
    start = select(func.max(columns.since)).where(of_device, columns.since <= grid.begin).scalar_subquery()
    following = func.lead(columns.since, 1, number(presence.known_until)).over(
        order_by=(columns.since, columns.id)
    )
    rows = (
        select(columns.activity, columns.reason, columns.since, following.label("until"))
        .where(
            of_device,
            columns.since >= func.coalesce(start, number(grid.begin)),
            columns.since <= number(presence.known_until),
        )
        .subquery()
    )
    return (
        select(
            rows.c.activity,
            rows.c.reason,
            greatest(rows.c.since, number(grid.begin)).label("begin"),
            least(rows.c.until, number(grid.end)).label("end"),
        )
        .where(rows.c.since < number(grid.end), rows.c.until > number(grid.begin))
        .subquery()
    )


def executed(connection: Connection, presence: Presence, sources: Sequence[str], grid: Grid) -> Select[Any]:
    """Return SQL for what executed, by cell, and for where it overlaps a rest of the device.

    All executions and rests go by in the order of their begin, in one pass. Of an execution only what lies
    behind the ends of those before it counts. Rests are apart from each other; so whatever begins amidst the
    last of the other kind overlaps it from there on, until ``overlap``. What overlaps, or lies in two cells,
    comes by itself (``alone``).
    """
    others = [source for source in sources if source != OWN_SOURCE]
    spans = _spans(connection, presence, others, grid).subquery()
    columns = spans.c

    def last_end(of: ColumnElement[bool]) -> ColumnElement[float]:
        ends = case((of, columns.end), else_=number(0.0))
        running = func.max(ends).over(order_by=(columns.begin, columns.executes), rows=(None, -1))
        return func.coalesce(running, number(0.0))

    is_execution = columns.executes == 1
    ordered = select(
        spans,
        last_end(is_execution).label("executed_until"),
        last_end(~is_execution).label("rested_until"),
        # Without others there is nothing else to tell apart.
        (last_end(is_execution & (columns.own == 0)) if others else number(0.0)).label("observed_until"),
    ).subquery()
    told = ordered.c
    executes = told.executes == 1
    begin = case((executes, greatest(told.begin, told.executed_until)), else_=told.begin)
    of_other_kind = case((executes, told.rested_until), else_=told.executed_until)
    own = case((executes, told.own), else_=one_if(told.observed_until <= told.begin))
    apart = (
        select(
            told.executes,
            own.label("own"),
            told.activity,
            begin.label("begin"),
            told.end,
            case((of_other_kind > begin, least(told.end, of_other_kind))).label("overlap"),
        )
        .where(or_(executes, told.executed_until > told.begin))
        .subquery()
    )
    cell = grid.expression(apart.c.begin)
    is_alone = or_(apart.c.overlap.is_not(None), cell != grid.expression(apart.c.end))
    placed = (
        select(apart, cell.label("cell"), case((is_alone, apart.c.begin)).label("alone"))
        .where(apart.c.end > apart.c.begin)
        .subquery()
    )
    keys = (placed.c.cell, placed.c.alone, placed.c.executes)
    return select(
        *keys,
        func.sum(placed.c.end - placed.c.begin).label("seconds"),
        func.min(placed.c.begin).label("begin"),
        func.max(placed.c.end).label("end"),
        func.max(placed.c.overlap).label("overlap"),
        func.max(placed.c.own).label("own"),
        func.max(placed.c.activity).label("activity"),
    ).group_by(*keys)


def _spans(
    connection: Connection, presence: Presence, others: Sequence[str], grid: Grid
) -> CompoundSelect[Any]:
    """Return SQL for all executions and rests: whether it executes, whether it is our own, and bounds."""
    rests = stretches(presence, grid).c
    parts: list[Select[Any]] = [
        select(
            literal(0).label("executes"),
            literal(0).label("own"),
            rests.activity,
            rests.begin,
            rests.end,
        ).where(rests.activity.not_in(WORKING), rests.end > rests.begin),
        _own_spans(presence, grid),
    ]
    unknown = (
        (grid.begin, min(presence.first_change, grid.end)),
        (max(presence.known_until, grid.begin), grid.end),
    )
    parts += [
        _span(0, 0, literal(UNKNOWN), number(begin), number(end)) for begin, end in unknown if begin < end
    ]
    if (until := _oldest_slice(connection, presence)) > presence.begin:
        parts.append(_own_spans_of_deleted_slices(presence, grid, until))
    if others:
        parts.append(_observed_spans(presence, others, grid))
    return union_all(*parts)


def _span(
    executes: int, own: int, activity: ColumnElement[Any], begin: ColumnElement[Any], end: ColumnElement[Any]
) -> Select[Any]:
    return select(
        literal(executes).label("executes"),
        literal(own).label("own"),
        cast(activity, String).label("activity"),
        begin.label("begin"),
        end.label("end"),
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


def _own_spans(presence: Presence, grid: Grid) -> Select[Any]:
    columns = slices.c
    known_until = number(presence.known_until)
    is_open = columns.state.in_(("claimed", "running"))
    ended = case((is_open, known_until), else_=least(columns.observed_end_at, known_until))
    return _clipped(
        1,
        columns.posted_at,
        ended,
        grid,
        columns.qpu_id == presence.qpu_id,
        columns.posted_at.is_not(None),
        or_(is_open, columns.observed_end_at.is_not(None)),
    )


def _own_spans_of_deleted_slices(presence: Presence, grid: Grid, until: float) -> Select[Any]:
    """Before the oldest slice, a job's end and its busy time tell when it executed."""
    columns = ledger_jobs.c
    return _clipped(
        1,
        columns.ended_at - columns.busy_seconds,
        least(columns.ended_at, number(presence.known_until)),
        grid,
        columns.qpu_id == presence.qpu_id,
        columns.source == OWN_SOURCE,
        columns.busy_seconds > 0,
        columns.ended_at > grid.begin,
        columns.ended_at <= until,
    )


def _observed_spans(presence: Presence, others: Sequence[str], grid: Grid) -> Select[Any]:
    columns = ledger_jobs.c
    return _clipped(
        0,
        columns.started_at,
        columns.ended_at,
        grid,
        columns.qpu_id == presence.qpu_id,
        columns.source.in_(others),
        columns.started_at.is_not(None),
        columns.ended_at > grid.begin,
    )


def _clipped(
    own: int, begin: ColumnElement[Any], end: ColumnElement[Any], grid: Grid, *where: ColumnElement[bool]
) -> Select[Any]:
    first, last = number(grid.begin), number(grid.end)
    return _span(1, own, null(), greatest(begin, first), least(end, last)).where(
        *where, begin < last, end > first, end > begin
    )
