"""What the live views show of an observer: what its sources tell, which is less than a scheduler knows."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Literal

from ...collectors.observer.observed_device import ObservedDevice
from ...collectors.observer.observer import Observer
from .recent_time import RecentTime
from .snapshot import ClassQueue, DeviceView, RunningWork, TimePartition
from .source import Audience, Parts, moment, moment_or_none

_PARTITION_SECONDS = 10.0


class ObserverSource:
    """Reads a running observer, all from memory. It knows no users: everybody sees the same."""

    role: Literal["all", "observer"] = "observer"

    def __init__(self, observer: Observer, recent: RecentTime) -> None:
        self._observer = observer
        self._recent = recent
        self._partitions: dict[str, TimePartition | None] = {}
        self._partitions_at = float("-inf")
        self._clock_offset = time.time() - time.monotonic()

    async def read(self, audiences: Collection[Audience]) -> dict[Audience, Parts]:
        """Return what each audience sees now."""
        now = time.time()
        if now - self._partitions_at > _PARTITION_SECONDS or now < self._partitions_at:
            self._partitions_at = now
            self._partitions = {name: self._recent.partition(name, now) for name in self._observer.devices}
        parts = Parts([self._device(device) for device in self._observer.devices.values()])
        return dict.fromkeys(audiences, parts)

    def _device(self, device: ObservedDevice) -> DeviceView:
        picture = device.picture
        queue = []
        if picture.pending is not None:
            queue = [
                ClassQueue(
                    job_class=device.settings.job_class,
                    waiting=picture.pending,
                    running=1 if picture.runs else 0,
                    oldest_created_at=moment_or_none(picture.oldest_pending_at),
                )
            ]
        started_at = None if picture.running is None else picture.running.started_at
        return DeviceView(
            name=device.name,
            state=picture.state,
            state_since=moment(device.state_changed_at),
            activity=picture.activity,
            activity_since=moment(device.clock.turned_at + self._clock_offset),
            accessible=picture.state == "online",
            # The peer's own words are for operators as much as for users: only the state is public here.
            message=f"{device.name} is {picture.state}",
            simulator=device.settings.simulator,
            queue=queue,
            waiting=picture.pending,
            running=RunningWork(started_at=moment_or_none(started_at)) if picture.runs else None,
            last_hour=self._partitions.get(device.name),
        )
