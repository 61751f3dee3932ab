"""The quality jobs and feeds of all devices, as tasks beside the dispatchers."""

from __future__ import annotations

import asyncio
import logging
from importlib.util import find_spec

from ...telemetry import log_fields
from ..ledger import QUALITY_JOB
from ..scheduler import Scheduler
from .computing import Computing
from .feeds import QualityFeed
from .rounds import QualityRounds

_logger = logging.getLogger(__name__)

_NEEDED = ("pulser", "pulser_simulation", "scipy")


class QualityService:
    """Starts and stops what measures the quality of the devices."""

    def __init__(self, scheduler: Scheduler) -> None:
        computing = Computing()
        devices = scheduler.devices
        missing = [name for name in _NEEDED if find_spec(name) is None]
        wanting = [name for name, device in devices.items() if device.settings.quality.jobs.enabled]
        if missing and wanting:
            _logger.error(
                "quality jobs need %s: pip install 'qwatch[quality]', or set quality.jobs.enabled to false",
                ", ".join(missing),
                extra={log_fields.QPU_ID: wanting[0]},
            )
            wanting = []
        self.rounds = {name: QualityRounds(scheduler, devices[name], computing) for name in wanting}
        self.feeds = {
            name: QualityFeed(device, device.settings.quality.feed, scheduler.store)
            for name, device in devices.items()
            if device.settings.quality.feed is not None
        }
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; the scheduler must have been started."""
        self._tasks += [asyncio.create_task(rounds.run()) for rounds in self.rounds.values()]
        self._tasks += [asyncio.create_task(feed.run()) for feed in self.feeds.values()]

    async def stop(self) -> None:
        """End all of it; the scheduler must still run, so that open sessions are released."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def sources(self, qpu_id: str) -> tuple[str, ...]:
        """Return the sources from which samples of a device may come, as they are configured now."""
        feed = self.feeds.get(qpu_id)
        return (QUALITY_JOB,) if feed is None else (QUALITY_JOB, feed.name)
