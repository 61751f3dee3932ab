"""Compares the time partition that is told with the ledger: the same wall time, written down another way.

The partition is read off a monotonic clock; the ledger is made of the moments at which the activity changed,
and of the rows of the slices: from the device's answer to a POST until its end was seen. Compared is the time
since this process took the device over; what came before was compared by the process before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Connection, func, select

from ..telemetry.labels import ACTIVITIES
from .activity import WORKING
from .device import Device
from .store import Store
from .tables import OPEN_SLICE, device_activity, slices

UNKNOWN = "unknown"


@dataclass(slots=True)
class LedgerTime:
    """The wall time of one device by activity, as the ledger tells it from ``since`` on (Unix seconds)."""

    qpu_id: str
    since: float
    _seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(ACTIVITIES, 0.0))
    _activity: str = UNKNOWN
    _from: float = 0.0
    _last_change: int = 0
    _last_slice: int = 0
    _resting: list[tuple[float, float]] = field(default_factory=list)
    """Intervals without work that an open slice may overlap: the device was lost while it executed."""

    def __post_init__(self) -> None:
        self._from = self.since

    @classmethod
    def begin(cls, connection: Connection, qpu_id: str, since: float) -> LedgerTime:
        """Return one that begins at ``since``, when nothing was known of the device."""
        columns = slices.c
        open_ones = select(func.min(columns.id)).where(columns.qpu_id == qpu_id, OPEN_SLICE)
        newest = select(func.max(columns.id)).where(columns.qpu_id == qpu_id)
        first = connection.execute(open_ones).scalar_one()
        last = connection.execute(newest).scalar_one() or 0
        return cls(qpu_id, since, _last_slice=last if first is None else first - 1)

    def seconds(self, connection: Connection, until: float) -> dict[str, float]:
        """Return the seconds by activity from the beginning until ``until``, which may not go back."""
        self._read_changes(connection, until)
        executed = self._read_slices(connection, until)
        found = dict(self._seconds)
        found[self._kind] += max(until - self._from, 0.0)
        # All of the time with work is in dispatch so far.
        found["dispatch"] -= executed
        found["execute"] += executed
        return found

    @property
    def _kind(self) -> str:
        return "dispatch" if self._activity in WORKING else self._activity

    def _read_changes(self, connection: Connection, until: float) -> None:
        columns = device_activity.c
        rows = connection.execute(
            select(columns.id, columns.activity, columns.since)
            .where(
                columns.qpu_id == self.qpu_id,
                # The index is by time; what was read before begins at the last change at the latest.
                columns.since >= self._from,
                columns.since <= until,
                columns.id > self._last_change,
            )
            .order_by(columns.since, columns.id)
        )
        for row in rows:
            self._seconds[self._kind] += row.since - self._from
            if self._activity not in WORKING:
                self._resting.append((self._from, row.since))
            self._activity, self._from, self._last_change = row.activity, row.since, row.id

    def _read_slices(self, connection: Connection, until: float) -> float:
        """Take over the slices that have ended, and return for how long those that run have executed."""
        columns = slices.c
        rows = connection.execute(
            select(columns.id, columns.state, columns.posted_at, columns.observed_end_at)
            .where(columns.qpu_id == self.qpu_id, columns.id > self._last_slice)
            .order_by(columns.id)
        )
        running, oldest, folds = 0.0, until, True
        for row in rows:
            is_open = row.state in ("claimed", "running")
            begin, end = row.posted_at, until if is_open else row.observed_end_at
            seconds = 0.0
            if begin is not None and end is not None:
                oldest = min(oldest, begin)
                seconds = self._worked(begin, min(end, until))
            folds = folds and not is_open and (end is None or end <= until)
            if folds:
                self._seconds["dispatch"] -= seconds
                self._seconds["execute"] += seconds
                self._last_slice = row.id
            else:
                running += seconds
        self._resting = [interval for interval in self._resting if interval[1] > oldest]
        return running

    def _worked(self, begin: float, end: float) -> float:
        begin = max(begin, self.since)
        without = [*self._resting]
        if self._activity not in WORKING:
            without.append((self._from, end))
        lost = sum(max(min(end, stop) - max(begin, start), 0.0) for start, stop in without)
        return max(end - begin - lost, 0.0)


class LedgerComparison:
    """What is told of each device minus what the ledger says, in seconds, computed in the background."""

    def __init__(self, store: Store, devices: Mapping[str, Device]) -> None:
        self._store = store
        self._devices = devices
        self._times: dict[str, LedgerTime] = {}
        self.differences: dict[str, dict[str, float]] = {}

    async def begin(self) -> None:
        """Begin with what the devices were loaded with; before anything is dispatched."""
        for name, device in self._devices.items():
            self._times[name] = await self._store.read(
                partial(LedgerTime.begin, qpu_id=name, since=device.loaded_at)
            )

    async def update(self) -> None:
        """Compare as of the moment at which each device's partition was stored last."""
        for name, device in self._devices.items():
            told, before, until = device.stored_seconds, device.loaded_seconds, device.stored_at
            ledger = await self._store.read(partial(self._times[name].seconds, until=until))
            self.differences[name] = {
                activity: told[activity] - before[activity] - ledger[activity]
                for activity in ACTIVITIES
                if activity != UNKNOWN
            }
