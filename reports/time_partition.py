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

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray
from sqlalchemy import Connection

from ..scheduler.activity import WORKING
from ..scheduler.ledger import OWN_SOURCE
from ..telemetry.labels import ACTIVITIES
from .column_reader import Column, columns
from .interval_union import between, contains, union
from .ledger_intervals import UNKNOWN, changes, observed_executions, own_executions
from .model import TimePartition
from .presence import Presence
from .time_cells import Grid

_NOT_AVAILABLE = ("fault", "maintenance", UNKNOWN)
_PLACES = {activity: place for place, activity in enumerate(ACTIVITIES)}
_ABSENT = len(ACTIVITIES)
_CELLS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class TimeTable:
    """The seconds of one device by cell of a grid and activity."""

    presence: Presence
    grid: Grid
    borders: Column
    """Where the cells begin, and where the last one ends."""
    cells: NDArray[numpy.float64]
    """One row a cell, one column an activity."""

    def within(self, begin: float, end: float) -> Iterator[tuple[float, Mapping[str, float]]]:
        """Yield where each cell between two of the grid's cuts begins, and its seconds."""
        first, last = self._places(begin, end)
        for start, seconds in zip(
            self.borders[first:last].tolist(), self.cells[first:last].tolist(), strict=True
        ):
            yield start, dict(zip(ACTIVITIES, seconds, strict=True))

    def seconds(self, begin: float, end: float) -> dict[str, float]:
        """Return the seconds by activity between two of the grid's cuts."""
        first, last = self._places(begin, end)
        return dict(zip(ACTIVITIES, self.cells[first:last].sum(axis=0).tolist(), strict=True))

    def _places(self, begin: float, end: float) -> tuple[int, int]:
        first, last = numpy.searchsorted(self.borders[:-1], [begin, end])
        return int(first), int(last)


def partition(seconds: Mapping[str, float]) -> TimePartition:
    """Return a partition with the three utilizations of it; those of no time at all are None."""
    wall, busy = sum(seconds.values()), seconds["execute"]
    available = wall - sum(seconds[activity] for activity in _NOT_AVAILABLE)
    worked = busy + seconds["dispatch"]
    return TimePartition(
        wall_seconds=wall,
        seconds=dict(seconds),
        utilization=busy / wall if wall > 0 else None,
        utilization_of_available=min(busy / available, 1.0) if available > 0 else None,
        dispatch_efficiency=busy / worked if worked > 0 else None,
    )


def time_table(connection: Connection, presence: Presence, sources: Sequence[str], grid: Grid) -> TimeTable:
    """Return the time of one device in all cells of ``grid``.

    What executed is read as two numbers a slice, and laid over the changes of activity here: a database can do
    that only by window functions over all rows, which takes several times as long.
    """
    told = _Told.read(connection, presence, sources, grid)
    borders = grid.borders()
    cells = numpy.zeros((len(borders) - 1, len(ACTIVITIES)))
    for first in range(0, len(cells), _CELLS_AT_ONCE):
        some = borders[first : first + _CELLS_AT_ONCE + 1]
        cells[first : first + len(some) - 1] = told.seconds(some)
    return TimeTable(presence, grid, borders, cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What the ledger tells of a device within a grid; moments are ascending."""

    presence: Presence
    end: float
    """When it was there last."""
    since: Column
    """When its activity changed."""
    activities: NDArray[numpy.intp]
    """By how many changes there were: the place of what it did then."""
    own: Column
    observed: Column

    @classmethod
    def read(cls, connection: Connection, presence: Presence, sources: Sequence[str], grid: Grid) -> _Told:
        since, places = columns(connection, changes(presence, grid))
        own = [columns(connection, part) for part in own_executions(connection, presence, grid)]
        begins, ends = (numpy.concatenate(parts) for parts in zip(*own, strict=True))
        del own
        others = [source for source in sources if source != OWN_SOURCE]
        return cls(
            presence=presence,
            end=grid.end if presence.end is None else presence.end,
            since=since,
            activities=numpy.concatenate([[_PLACES[UNKNOWN]], places]).astype(numpy.intp),
            own=union(begins, ends),
            observed=union(*columns(connection, observed_executions(presence, others, grid)))
            if others
            else numpy.empty(0),
        )

    def seconds(self, borders: Column) -> NDArray[numpy.float64]:
        """Return the seconds by activity between each two borders.

        They are cut wherever anything begins or ends, so that one activity holds in each piece: as it begins.
        """
        begin, end = borders[0], borders[-1]
        bounds = [self.presence.begin, self.presence.known_until, self.end]
        moments = numpy.concatenate(
            [
                borders,
                *(between(part, begin, end) for part in (self.since, self.own, self.observed)),
                [bound for bound in bounds if begin < bound < end],
            ]
        )
        moments.sort(kind="stable")
        pieces = moments[:-1]
        cell = numpy.searchsorted(borders, pieces, side="right") - 1
        found: NDArray[numpy.float64] = numpy.bincount(  # type: ignore[assignment]  # of weights they are sums
            cell * (len(ACTIVITIES) + 1) + self._activity(pieces),
            weights=numpy.diff(moments),
            minlength=(len(borders) - 1) * (len(ACTIVITIES) + 1),
        )
        return found.reshape(-1, len(ACTIVITIES) + 1)[:, :_ABSENT]

    def _activity(self, moments: Column) -> NDArray[numpy.intp]:
        """Return the place of what it did at each moment."""
        places = self.activities[numpy.searchsorted(self.since, moments, side="right")]
        places[moments >= self.presence.known_until] = _PLACES[UNKNOWN]
        is_at_work = numpy.isin(places, [_PLACES[activity] for activity in WORKING])
        places[is_at_work] = _PLACES["dispatch"]
        places[is_at_work & contains(self.own, moments)] = _PLACES["execute"]
        places[(moments < self.presence.begin) | (moments >= self.end)] = _ABSENT
        places[contains(self.observed, moments)] = _PLACES["execute"]
        return places
