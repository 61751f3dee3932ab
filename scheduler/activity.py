"""What a device does, and its wall time partitioned by it.

Every second is attributed once, to the activity that held when it passed, and is never moved. The sums are
written to the store, so that they go on after a restart; the time in which no daemon ran is ``unknown``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from ..telemetry.labels import ACTIVITIES
from .tables import device_activity, device_time, devices

WORKING = ("dispatch", "execute")
"""What a device does while it works off jobs: told apart by the slices' own rows."""


@dataclass(frozen=True, slots=True)
class Change:
    """A row of the ledger: a device's activity and why, ``since`` in Unix seconds."""

    qpu_id: str
    activity: str
    reason: str
    since: float


class ActivityClock:
    """One device's present activity and the seconds spent in each so far."""

    def __init__(
        self,
        seconds: Mapping[str, float] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._seconds = dict.fromkeys(ACTIVITIES, 0.0)
        for activity, spent in (seconds or {}).items():
            if activity in self._seconds:
                self._seconds[activity] += spent
        self._activity = "unknown"
        self._attributed_until = self.turned_at = monotonic()
        """``turned_at``: since when the activity holds, by the monotonic clock."""

    @property
    def activity(self) -> str:
        """What the device does now."""
        return self._activity

    def turn_to(self, activity: str) -> bool:
        """Change the activity; return whether it is another one. ValueError if it is not in the vocabulary."""
        if activity not in self._seconds:
            raise ValueError(f"{activity!r} is not one of {', '.join(ACTIVITIES)}")
        self.seconds()
        changed = activity != self._activity
        self._activity = activity
        if changed:
            self.turned_at = self._attributed_until
        return changed

    def seconds(self) -> dict[str, float]:
        """Attribute the time until now and return the seconds of each activity."""
        now = self._monotonic()
        self._seconds[self._activity] += max(now - self._attributed_until, 0.0)
        self._attributed_until = now
        return dict(self._seconds)


def load(connection: Connection, qpu_id: str, now: float) -> dict[str, float]:
    """Return a device's stored seconds, the time since they were stored added to ``unknown``."""
    rows = connection.execute(
        select(device_time.c.activity, device_time.c.seconds).where(device_time.c.qpu_id == qpu_id)
    )
    seconds = {row.activity: row.seconds for row in rows}
    as_of = connection.execute(
        select(devices.c.time_as_of).where(devices.c.qpu_id == qpu_id)
    ).scalar_one_or_none()
    if as_of is not None:
        seconds["unknown"] = seconds.get("unknown", 0.0) + max(now - as_of, 0.0)
    return seconds


@dataclass(frozen=True, slots=True)
class Partition:
    """A device's seconds of each activity as of ``as_of`` (Unix seconds)."""

    qpu_id: str
    seconds: Mapping[str, float]
    as_of: float


def save(connection: Connection, partitions: Sequence[Partition]) -> list[None]:
    """Store the time of devices, three statements for all; of one that is there twice, the later."""
    last = {item.qpu_id: item for item in partitions}
    devices_named = [{"device": qpu_id} for qpu_id in last]
    connection.execute(delete(device_time).where(device_time.c.qpu_id == bindparam("device")), devices_named)
    connection.execute(
        insert(device_time),
        [
            {"qpu_id": item.qpu_id, "activity": activity, "seconds": spent}
            for item in last.values()
            for activity, spent in item.seconds.items()
        ],
    )
    connection.execute(
        update(devices).where(devices.c.qpu_id == bindparam("device")).values(time_as_of=bindparam("as_of")),
        [{"device": item.qpu_id, "as_of": item.as_of} for item in last.values()],
    )
    return [None] * len(partitions)


def resume(connection: Connection, qpu_id: str, now: float, reason: str = "no daemon ran") -> dict[str, float]:
    """Return what :func:`load` does, and tell the ledger since when nobody watched, and why."""
    seconds = load(connection, qpu_id, now)
    as_of = connection.execute(
        select(devices.c.time_as_of).where(devices.c.qpu_id == qpu_id)
    ).scalar_one_or_none()
    last = connection.execute(
        select(device_activity.c.activity, device_activity.c.since)
        .where(device_activity.c.qpu_id == qpu_id)
        .order_by(device_activity.c.since.desc(), device_activity.c.id.desc())
        .limit(1)
    ).first()
    if last is None or last.activity != "unknown":
        since = now if as_of is None else min(max(as_of, 0.0 if last is None else last.since), now)
        record_changes(connection, [Change(qpu_id, "unknown", reason, since)])
    return seconds


def record_changes(connection: Connection, changes: Sequence[Change]) -> list[None]:
    """Append changes of activity to the ledger."""
    connection.execute(insert(device_activity), [asdict(change) for change in changes])
    return [None] * len(changes)
