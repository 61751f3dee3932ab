"""What administrators tell of a device's time: when its maintenance ends, and its calibrations."""

from __future__ import annotations

from collections.abc import Iterable

from ..scheduler.calibrations import CalibrationSummary, summaries
from ..scheduler.scheduler import Scheduler
from ..scheduler.windows import WindowKind
from ..telemetry import calibration_metrics, device_metrics
from ..telemetry.calibration_metrics import PROCEDURES
from ..telemetry.catalogue import OTHER
from .interface import Sample


class WindowCollector:
    """Tells the announced end, and of each procedure its last success, its duration and when it is due.

    A procedure that is neither a common one nor configured for the device is ``other``.
    """

    name = "windows"
    metrics = (device_metrics.MAINTENANCE_END, *calibration_metrics.METRICS)

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def collect(self) -> Iterable[Sample]:
        """Return the samples of every device."""
        found = self._scheduler.store.read_now(summaries)
        for name, device in self._scheduler.devices.items():
            maintenance = device.windows.of_kind(WindowKind.MAINTENANCE)
            if maintenance is not None and maintenance.announced_end_at is not None:
                end = maintenance.announced_end_at
                yield Sample(device_metrics.MAINTENANCE_END, {"qpu_id": name}, end)
            intervals = device.settings.calibration_intervals
            yield from _device(name, intervals, [item for item in found if item.qpu_id == name])


def _device(qpu_id: str, intervals: dict[str, float], found: list[CalibrationSummary]) -> Iterable[Sample]:
    counts = {(procedure, result): 0 for procedure in intervals for result in ("success", "failure")}
    succeeded: dict[str, float] = {}
    ended: dict[str, CalibrationSummary] = {}
    for item in found:
        procedure = item.procedure if item.procedure in (*PROCEDURES, *intervals) else OTHER
        for result, count in (("success", item.succeeded), ("failure", item.failed)):
            counts[procedure, result] = counts.get((procedure, result), 0) + count
        if item.last_success_at is not None:
            succeeded[procedure] = max(succeeded.get(procedure, 0.0), item.last_success_at)
        if procedure not in ended or ended[procedure].last_ended_at < item.last_ended_at:
            ended[procedure] = item
    for procedure, seconds in intervals.items():
        yield Sample(calibration_metrics.INTERVAL, {"qpu_id": qpu_id, "procedure": procedure}, seconds)
    for (procedure, result), count in counts.items():
        labels = {"qpu_id": qpu_id, "procedure": procedure, "result": result}
        yield Sample(calibration_metrics.CALIBRATIONS, labels, count)
    for procedure, at in succeeded.items():
        yield Sample(calibration_metrics.LAST, {"qpu_id": qpu_id, "procedure": procedure}, at)
    for procedure, item in ended.items():
        yield Sample(
            calibration_metrics.DURATION, {"qpu_id": qpu_id, "procedure": procedure}, item.last_duration
        )
