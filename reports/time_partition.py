"""A device's wall time by activity, from the ledger: the changes of activity, and the rows of what executed.

- A change holds until the next one. Before the first, and after the moment at which the device's time was
  stored last, nothing is known.
- ``execute`` is time in which a slice of our own executed (from the device's answer to its end as it was seen)
  while the device was at work; was it at fault, or is nothing known, that counts. The rest of the time at work
  is ``dispatch``.
- Of a scheduler that is observed, ``execute`` is the time from start to end of the jobs that it told, whatever
  the polls saw meanwhile.
- Time in which two executed counts once. A slice that straddles a border belongs to each side by time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Subquery,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    union_all,
)

from ..scheduler.activity import WORKING
from ..scheduler.ledger import OWN_SOURCE
from ..scheduler.tables import device_activity, ledger_jobs, slices
from ..telemetry.labels import ACTIVITIES
from .expressions import greatest, least, number, one_if
from .model import TimePartition
from .presence import Presence
from .time_cells import Grid

UNKNOWN = "unknown"
_NOT_AVAILABLE = ("fault", "maintenance", UNKNOWN)


@dataclass(slots=True)
class TimeTable:
    """The seconds of one device by cell of the grid and activity; a cell that is not there has none."""

    presence: Presence
    grid: Grid
    cells: dict[int, dict[str, float]] = field(
        default_factory=lambda: defaultdict(lambda: dict.fromkeys(ACTIVITIES, 0.0))
    )

    def add(self, activity: str, begin: float, end: float) -> None:
        """Attribute an interval to an activity."""
        for cell, seconds in self.grid.pieces(begin, end):
            self.cells[cell][activity] += seconds

    def within(self, begin: float, end: float) -> Iterator[tuple[int, dict[str, float]]]:
        """Yield the cells between two of the grid's cuts."""
        cuts = self.grid.cuts
        first, last = cuts.index(begin), cuts.index(end)
        return (
            (cell, seconds)
            for cell, seconds in sorted(self.cells.items())
            if first <= self.grid.region(cell) < last
        )

    def seconds(self, begin: float, end: float) -> dict[str, float]:
        """Return the seconds by activity between two of the grid's cuts."""
        total = dict.fromkeys(ACTIVITIES, 0.0)
        for _, seconds in self.within(begin, end):
            for activity, spent in seconds.items():
                total[activity] += spent
        return total


def partition(seconds: dict[str, float]) -> TimePartition:
    """Return a partition with the three utilizations of it; those of no time at all are None."""
    # What cancels out may leave a rounding error below 0.
    known = {activity: max(spent, 0.0) for activity, spent in seconds.items()}
    wall, busy = sum(known.values()), known["execute"]
    available = wall - sum(known[activity] for activity in _NOT_AVAILABLE)
    worked = busy + known["dispatch"]
    return TimePartition(
        wall_seconds=wall,
        seconds=known,
        utilization=busy / wall if wall > 0 else None,
        utilization_of_available=min(busy / available, 1.0) if available > 0 else None,
        dispatch_efficiency=busy / worked if worked > 0 else None,
    )


def time_table(connection: Connection, presence: Presence, sources: Sequence[str], grid: Grid) -> TimeTable:
    """Return the time of one device in all cells of ``grid``, added up by the database."""
    table = TimeTable(presence, grid)
    stop = grid.end if presence.end is None else presence.end
    table.add(UNKNOWN, presence.begin, min(presence.first_change, stop))
    table.add(UNKNOWN, presence.known_until, stop)
    for row in connection.execute(_by_cell(stretches(presence, grid), grid, "activity")):
        _take(table, "dispatch" if row.activity in WORKING else row.activity, row, 1.0)
    aside: list[tuple[float, float, bool]] = []
    for row in connection.execute(_by_cell(_executions(presence, sources, grid), grid, "own", "rests")):
        if row.rests:
            aside.append((row.begin, row.end, bool(row.own)))
        else:
            _take(table, "execute", row, 1.0)
            _take(table, "dispatch", row, -1.0)
    if aside:
        _take_aside(connection, table, sorted(aside))
    return table


def _take(table: TimeTable, activity: str, row: Any, sign: float) -> None:
    """Add what the database added up: of one cell, or an interval that lies in more than one."""
    if row.crosses is None:
        table.cells[row.cell][activity] += sign * row.seconds
        return
    for cell, seconds in table.grid.pieces(row.begin, row.end):
        table.cells[cell][activity] += sign * seconds


def _by_cell(intervals: Subquery, grid: Grid, *by: str) -> Select[Any]:
    """Return SQL for the seconds by cell; an interval that is not within a cell, or rests, comes by itself."""
    columns = intervals.c
    cell = grid.expression(columns.begin)
    alone = cell != grid.expression(columns.end)
    if "rests" in by:
        alone = or_(alone, columns.rests == 1)
    placed = (
        select(
            cell.label("cell"),
            case((alone, columns.begin)).label("crosses"),
            columns.begin,
            columns.end,
            *(columns[name] for name in by),
        )
        .where(columns.end > columns.begin)
        .subquery()
    )
    keys = [placed.c.cell, placed.c.crosses, *(placed.c[name] for name in by)]
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


def _executions(presence: Presence, sources: Sequence[str], grid: Grid) -> Subquery:
    """Return SQL for what executed: begin, end, whether it is our own, and whether the device rested."""
    spans = [_own_spans(presence, grid), _own_spans_of_deleted_slices(presence, grid)]
    if others := [source for source in sources if source != OWN_SOURCE]:
        spans.append(_observed_spans(presence, others, grid))
    joined = union_all(*spans).subquery()
    before = func.max(joined.c.end).over(order_by=(joined.c.begin, joined.c.end), rows=(None, -1))
    ordered = select(
        joined.c.own, joined.c.begin, joined.c.end, func.coalesce(before, number(0.0)).label("before")
    ).subquery()
    apart = (
        select(ordered.c.own, greatest(ordered.c.begin, ordered.c.before).label("begin"), ordered.c.end)
        .where(ordered.c.end > ordered.c.before)
        .subquery()
    )
    return select(apart, one_if(_rests(apart, presence)).label("rests")).subquery()


def _own_spans(presence: Presence, grid: Grid) -> Select[Any]:
    columns = slices.c
    known_until = number(presence.known_until)
    is_open = columns.state.in_(("claimed", "running"))
    ended = case((is_open, known_until), else_=least(columns.observed_end_at, known_until))
    return _clipped(
        literal(1).label("own"),
        columns.posted_at,
        ended,
        grid,
        columns.qpu_id == presence.qpu_id,
        columns.posted_at.is_not(None),
        or_(is_open, columns.observed_end_at.is_not(None)),
    )


def _own_spans_of_deleted_slices(presence: Presence, grid: Grid) -> Select[Any]:
    """Slices may be kept shorter than the ledger: before the oldest, a job's end and its busy time tell."""
    columns = ledger_jobs.c
    oldest = select(slices.c.posted_at).where(
        slices.c.qpu_id == presence.qpu_id, slices.c.posted_at.is_not(None)
    )
    until = oldest.order_by(slices.c.id).limit(1).scalar_subquery()
    ended = least(columns.ended_at, number(presence.known_until))
    return _clipped(
        literal(1).label("own"),
        columns.ended_at - columns.busy_seconds,
        ended,
        grid,
        columns.qpu_id == presence.qpu_id,
        columns.source == OWN_SOURCE,
        columns.busy_seconds > 0,
        columns.ended_at > grid.begin,
        columns.ended_at <= func.coalesce(until, number(grid.end)),
    )


def _observed_spans(presence: Presence, others: Sequence[str], grid: Grid) -> Select[Any]:
    columns = ledger_jobs.c
    return _clipped(
        literal(0).label("own"),
        columns.started_at,
        columns.ended_at,
        grid,
        columns.qpu_id == presence.qpu_id,
        columns.source.in_(others),
        columns.started_at.is_not(None),
        columns.ended_at > grid.begin,
    )


def _clipped(
    own: ColumnElement[int],
    begin: ColumnElement[Any],
    end: ColumnElement[Any],
    grid: Grid,
    *where: ColumnElement[bool],
) -> Select[Any]:
    first, last = number(grid.begin), number(grid.end)
    return select(own, greatest(begin, first).label("begin"), least(end, last).label("end")).where(
        *where, begin < last, end > first, end > begin
    )


def _rests(interval: Subquery, presence: Presence) -> ColumnElement[bool]:
    """Return SQL for whether a device was not at work at any moment of an interval: two steps in the index."""
    columns = device_activity.c
    of_device = columns.qpu_id == presence.qpu_id
    at_begin = (
        select(columns.activity)
        .where(of_device, columns.since <= interval.c.begin)
        .order_by(columns.since.desc(), columns.id.desc())
        .limit(1)
        .correlate(interval)
        .scalar_subquery()
    )
    later = (
        select(columns.id)
        .where(
            of_device,
            columns.since > interval.c.begin,
            columns.since < interval.c.end,
            columns.activity.not_in(WORKING),
        )
        .correlate(interval)
        .exists()
    )
    return or_(
        func.coalesce(at_begin, UNKNOWN).not_in(WORKING),
        later,
        interval.c.end > number(presence.known_until),
    )


def _take_aside(connection: Connection, table: TimeTable, executed: list[tuple[float, float, bool]]) -> None:
    """Attribute what executed while the device was not, or not only, at work: apart and in order of time."""
    presence, place = table.presence, 0
    first, last = executed[0][0], executed[-1][1]
    for activity, begin, end in _all_stretches(connection, presence, first, last):
        while place < len(executed) and executed[place][1] <= begin:
            place += 1
        for number_of_it in range(place, len(executed)):
            start, stop, own = executed[number_of_it]
            if start >= end:
                break
            start, stop = max(start, begin), min(stop, end)
            if start >= stop or (own and activity not in WORKING):
                continue
            instead = "dispatch" if activity in WORKING else activity
            for cell, seconds in table.grid.pieces(start, stop):
                table.cells[cell]["execute"] += seconds
                table.cells[cell][instead] -= seconds


def _all_stretches(
    connection: Connection, presence: Presence, begin: float, end: float
) -> Iterator[tuple[str, float, float]]:
    """Yield the stretches that overlap an interval in order, those of which nothing is known too."""
    columns = device_activity.c
    of_device = columns.qpu_id == presence.qpu_id
    start = select(func.max(columns.since)).where(of_device, columns.since <= begin).scalar_subquery()
    rows = connection.execute(
        select(columns.activity, columns.since)
        .where(
            and_(
                of_device,
                columns.since >= func.coalesce(start, number(begin)),
                columns.since < number(min(end, presence.known_until)),
            )
        )
        .order_by(columns.since, columns.id)
        .execution_options(yield_per=10_000)
    )
    activity, since = UNKNOWN, min(begin, presence.begin)
    for row in rows:
        yield activity, since, row.since
        activity, since = row.activity, row.since
    yield activity, since, max(presence.known_until, since)
    yield UNKNOWN, max(presence.known_until, since), max(end, presence.known_until)
