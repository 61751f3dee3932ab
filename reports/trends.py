"""The main figures of the period beside those of the previous one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..telemetry.labels import ACTIVITIES
from .job_cube import JobCell
from .model import Quantiles, TimePartition, Trend
from .time_partition import partition


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is compared of one period."""

    time: TimePartition
    cells: Sequence[JobCell]
    waits: Mapping[tuple[str, str], Quantiles]


def whole_fleet(partitions: Sequence[TimePartition]) -> TimePartition:
    """Return the time of several devices together."""
    total: dict[str, float] = dict.fromkeys(ACTIVITIES, 0.0)
    for found in partitions:
        for activity, seconds in found.seconds.items():
            total[activity] += seconds
    return partition(total)


def trends(now: Figures, before: Figures | None) -> list[Trend]:
    """Return each figure now and before; None where there was nothing."""
    found = _figures(now)
    past = {} if before is None else {name: value for name, _, value in _figures(before)}
    return [Trend(name=name, unit=unit, now=value, before=past.get(name)) for name, unit, value in found]


def _figures(of: Figures) -> list[tuple[str, str, float | None]]:
    jobs = sum(cell.jobs for cell in of.cells)
    failed = sum(cell.failed for cell in of.cells)
    busy = sum(cell.busy_seconds for cell in of.cells)
    shots = sum(cell.shots_executed for cell in of.cells)
    timed_shots = sum(cell.timed_shots for cell in of.cells)
    time = of.time
    known = time.wall_seconds - time.seconds["unknown"] - time.seconds["maintenance"]
    figures: list[tuple[str, str, float | None]] = [
        ("utilization", "ratio", time.utilization),
        ("utilization of the available time", "ratio", time.utilization_of_available),
        ("dispatch efficiency", "ratio", time.dispatch_efficiency),
        ("availability", "ratio", 1 - time.seconds["fault"] / known if known > 0 else None),
        ("jobs", "count", float(jobs)),
        ("failed jobs", "count", float(failed)),
        ("failed jobs / jobs", "ratio", failed / jobs if jobs else None),
        ("busy time of ended jobs", "seconds", busy),
        ("shots", "count", float(shots)),
        ("shot rate", "hertz", timed_shots / busy if busy > 0 else None),
        ("users", "count", float(len({cell.user for cell in of.cells}))),
    ]
    for (job_class, measure), quantiles in sorted(of.waits.items()):
        if measure == "wait":
            figures.append((f"wait p50, {job_class}", "seconds", quantiles.p50))
            figures.append((f"wait p90, {job_class}", "seconds", quantiles.p90))
    return figures
