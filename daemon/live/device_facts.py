"""What changes slowly about devices: the newest quality values and calibrations, read from the store."""

from __future__ import annotations

import time

from sqlalchemy import Connection

from ...scheduler import calibrations
from ...scheduler.quality.latest import LatestQuality
from ...scheduler.scheduler import Scheduler
from .snapshot import LastCalibration, QualityReading
from .source import moment, moment_or_none

_READ_SECONDS = 15.0


class DeviceFacts:
    """Keeps them; the store is asked every quarter of a minute at most."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._latest = LatestQuality(
            {name: device.settings.quality.max_age for name, device in scheduler.devices.items()}
        )
        self._read_at = float("-inf")
        self.quality: dict[str, list[QualityReading]] = {}
        self.calibrations: dict[str, list[LastCalibration]] = {}

    async def refresh(self) -> None:
        """Read what is new, if that was not done just now."""
        now = time.monotonic()
        if now - self._read_at < _READ_SECONDS:
            return
        self._read_at = now
        ended = await self._scheduler.store.read(self._read)
        found: dict[str, list[LastCalibration]] = {}
        for summary in ended:
            found.setdefault(summary.qpu_id, []).append(
                LastCalibration(
                    procedure=summary.procedure,
                    last_success_at=moment_or_none(summary.last_success_at),
                    last_ended_at=moment(summary.last_ended_at),
                    succeeded=summary.last_success_at == summary.last_ended_at,
                )
            )
        self.calibrations = found
        oldest = time.time()
        self.quality = {
            name: [
                QualityReading(
                    name=reading.metric.name,
                    labels=dict(reading.labels),
                    value=reading.value,
                    unit=reading.metric.unit,
                    at=moment(reading.at),
                    source=reading.source,
                )
                for reading in self._latest.readings(name)
                if reading.at >= oldest - device.settings.quality.max_age
            ]
            for name, device in self._scheduler.devices.items()
        }

    def _read(self, connection: Connection) -> list[calibrations.CalibrationSummary]:
        self._latest.update(connection)
        return calibrations.summaries(connection)
