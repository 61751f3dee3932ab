"""The few figures that a report begins with, over all devices, and whether it can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .model import Coverage, Difference, Report, TimePartition
from .number_format import SPACE, change, count, hours, percent, points

_TOLERANCE_RATIO = 0.01
_TOLERANCE_SECONDS = 60.0
_NOT_COMPARED = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFigure:
    """A figure with its words: None where it is not known, or there is nothing to compare with."""

    name: str
    value: str | None
    raw: float | None
    target: str | None = None
    met: bool | None = None
    before: str | None = None
    difference: str | None = None
    """Against the previous period."""


def key_figures(report: Report) -> list[KeyFigure]:
    """Return the figures over all devices of a report; the past is that of the trends, where they tell it."""
    now = [device.time for device in report.devices]
    before = [device.before for device in report.devices if device.before is not None]
    past = {trend.name: trend.before for trend in report.trends}
    targets = [device.availability.target for device in report.devices]
    available = "utilization of the available time"
    return [
        _ratio(
            "Utilization",
            utilization(now),
            past.get("utilization", utilization(before)),
            _common(device.utilization_target for device in report.devices),
        ),
        _ratio(
            "Utilization of the available time",
            utilization_of_available(now),
            past.get(available, utilization_of_available(before)),
        ),
        _ratio(
            "Availability",
            availability(now),
            past.get("availability", availability(before)),
            _common(targets),
        ),
        _amount("Busy time", busy(now), busy(before), lambda seconds: f"{hours(seconds)}{SPACE}h"),
        _amount("Jobs", float(report.jobs), past.get("jobs"), count),
        _ratio("Failed jobs", _failed(report), past.get("failed jobs / jobs")),
    ]


def utilization(parts: Iterable[TimePartition]) -> float | None:
    """Return busy time / wall time of several devices together."""
    listed = list(parts)
    return _quotient(busy(listed), sum(part.wall_seconds for part in listed))


def utilization_of_available(parts: Iterable[TimePartition]) -> float | None:
    """Return busy time / (wall time - fault - maintenance - unknown) of several devices together."""
    listed = list(parts)
    return _quotient(busy(listed), _wall_without(listed, "fault", "maintenance", "unknown"))


def availability(parts: Iterable[TimePartition]) -> float | None:
    """Return 1 - fault / (wall time - unknown - maintenance) of several devices together."""
    listed = list(parts)
    missing = _quotient(
        sum(part.seconds.get("fault", 0.0) for part in listed), _wall_without(listed, "unknown", "maintenance")
    )
    return None if missing is None else 1 - missing


def busy(parts: Iterable[TimePartition]) -> float | None:
    """Return the busy time; None if no device was there for any time."""
    listed = [part for part in parts if part.wall_seconds > 0]
    return sum(part.seconds.get("execute", 0.0) for part in listed) if listed else None


def agrees(difference: Difference) -> bool:
    """Whether counters and ledger tell the same of an activity: within the larger of 1 % and 60 s."""
    return abs(difference.seconds) <= max(_TOLERANCE_RATIO * difference.ledger, _TOLERANCE_SECONDS)


def compared(coverage: Coverage) -> list[Difference] | None:
    """Return the differences that count, ``unknown`` left out; None where nothing was compared."""
    if coverage.differences is None:
        return None
    return [item for item in coverage.differences if item.activity != _NOT_COMPARED]


def agreement(coverage: Coverage) -> bool | None:
    """Whether counters and ledger of a device agree; None where nothing was compared."""
    found = compared(coverage)
    return None if found is None else all(agrees(item) for item in found)


def covered_ratio(report: Report) -> float | None:
    """Return the share of the time of all devices that the ledger knows."""
    total = sum(device.time.wall_seconds for device in report.devices)
    return _quotient(sum(item.covered_seconds for item in report.coverage), total)


def _ratio(name: str, now: float | None, before: float | None, target: float | None = None) -> KeyFigure:
    known = now is not None and before is not None
    return KeyFigure(
        name=name,
        value=None if now is None else percent(now),
        raw=now,
        target=None if target is None else percent(target),
        met=None if target is None or now is None else now >= target,
        before=None if before is None else percent(before),
        difference=points(now - before) if known and now is not None and before is not None else None,
    )


def _amount(name: str, now: float | None, before: float | None, shown: Callable[[float], str]) -> KeyFigure:
    return KeyFigure(
        name=name,
        value=None if now is None else shown(now),
        raw=now,
        before=None if before is None else shown(before),
        difference=change(now / before - 1) if now is not None and before else None,
    )


def _failed(report: Report) -> float | None:
    failed = (item for item in report.endings if item.state.upper() == "ERROR" and item.reason != "user_error")
    return _quotient(sum(item.jobs for item in failed), report.jobs)


def _common(targets: Iterable[float | None]) -> float | None:
    """Return the target that all devices share, if they do."""
    found = set(targets)
    return found.pop() if len(found) == 1 else None


def _wall_without(parts: Iterable[TimePartition], *activities: str) -> float:
    return sum(part.wall_seconds - sum(part.seconds.get(item, 0.0) for item in activities) for part in parts)


def _quotient(above: float | None, below: float) -> float | None:
    return None if above is None or below <= 0 else above / below
