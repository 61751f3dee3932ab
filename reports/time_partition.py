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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, and_, func, select

from ..scheduler.activity import WORKING
from ..scheduler.tables import device_activity
from ..telemetry.labels import ACTIVITIES
from .expressions import number
from .ledger_intervals import UNKNOWN, by_cell, executed, stretches
from .model import TimePartition
from .presence import Presence
from .time_cells import Grid

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
        return (
            (cell, seconds)
            for cell, seconds in sorted(self.cells.items())
            if begin <= self.grid.bounds(cell)[0] < end
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
    for row in connection.execute(by_cell(stretches(presence, grid), grid)):
        _add(table, row, {"dispatch" if row.activity in WORKING else row.activity: 1.0})
    rested: list[tuple[float, float]] = []
    for row in connection.execute(executed(connection, presence, sources, grid)):
        if row.executes:
            # The time at work is in ``dispatch`` so far.
            _add(table, row, {"execute": 1.0, "dispatch": -1.0})
        if row.overlap is None:
            continue
        overlap = (row.begin, row.overlap)
        if row.own:
            _add_interval(table, *overlap, {"execute": -1.0, "dispatch": 1.0})
        elif row.executes:
            rested.append(overlap)
        else:
            _add_interval(table, *overlap, {row.activity: -1.0, "dispatch": 1.0})
    if rested:
        _take_from_rest(connection, table, sorted(rested))
    return table


def _add(table: TimeTable, row: Any, signs: Mapping[str, float]) -> None:
    """Add what the database added up: of one cell, or an interval that came by itself."""
    if row.alone is not None:
        _add_interval(table, row.begin, row.end, signs)
        return
    for activity, sign in signs.items():
        table.cells[row.cell][activity] += sign * row.seconds


def _add_interval(table: TimeTable, begin: float, end: float, signs: Mapping[str, float]) -> None:
    for cell, seconds in table.grid.pieces(begin, end):
        for activity, sign in signs.items():
            table.cells[cell][activity] += sign * seconds


def _take_from_rest(connection: Connection, table: TimeTable, spans: Sequence[tuple[float, float]]) -> None:
    """Take what executed off the rests that it began in, each of which it ends in; both in order of time."""
    presence, place = table.presence, 0
    for activity, begin, end in _all_stretches(connection, presence, spans[0][0], spans[-1][1]):
        while place < len(spans) and spans[place][0] < end:
            if spans[place][0] >= begin:
                _add_interval(table, *spans[place], {activity: -1.0, "dispatch": 1.0})
            place += 1


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
    activity, since = UNKNOWN, min(begin, presence.begin, presence.first_change)
    for row in rows:
        yield activity, since, row.since
        activity, since = row.activity, row.since
    yield activity, since, max(presence.known_until, since)
    yield UNKNOWN, max(presence.known_until, since), max(end, presence.known_until)
