"""Where the wall time of each device went in the last hour, from looks at its clock every half minute."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

from ...scheduler.activity import ActivityClock
from .snapshot import TimePartition

_LOOK_SECONDS = 30.0
_HOUR = 3600.0


class TimedDevice(Protocol):
    """A device of the scheduler, or an observed one."""

    clock: ActivityClock


class RecentTime:
    """Remembers what each device's clock said, for one hour; begins when the daemon does."""

    def __init__(self, devices: Mapping[str, TimedDevice]) -> None:
        self._devices = devices
        self._looks: dict[str, deque[tuple[float, dict[str, float]]]] = {name: deque() for name in devices}

    async def run(self) -> None:
        """Look from time to time, for ever."""
        while True:
            self.look(time.time())
            await asyncio.sleep(_LOOK_SECONDS)

    def look(self, now: float) -> None:
        """Remember what the clocks say at ``now`` (Unix seconds), and forget what is older than an hour."""
        for name, looks in self._looks.items():
            looks.append((now, self._devices[name].clock.seconds()))
            while len(looks) > 1 and looks[1][0] <= now - _HOUR:
                looks.popleft()

    def partition(self, name: str, now: float) -> TimePartition | None:
        """Return where the time of a device went until ``now``; None before the first look."""
        looks = self._looks[name]
        if not looks:
            return None
        since, before = looks[0]
        spent = self._devices[name].clock.seconds()
        return TimePartition(
            since=datetime.fromtimestamp(since, UTC),
            until=datetime.fromtimestamp(now, UTC),
            seconds={activity: round(spent[activity] - before[activity], 1) for activity in spent},
        )
