"""From what a round of quality jobs measured to the qualities of the device."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from ...telemetry import quality_metrics
from ...telemetry.catalogue import Metric
from .experiments import AnalysisOrder, Finding, Measured
from .fidelity import classical_fidelity
from .proportion import Estimate, proportion
from .rabi_fit import FitError, Point, RabiFit, fit_rabi_scan

_FREE = ("readout", "rabi")
_HERTZ = 1e6 / (2 * math.pi)
"""What turns rad/µs into Hz."""


class UnusableResultError(Exception):
    """The results of a quality job are not what its program gives; the message is one line."""


def analyse(order: AnalysisOrder) -> tuple[Finding, ...]:
    """Return the qualities that the measurements tell, and no others.

    Raises:
        UnusableResultError: results do not belong to their program.
        FitError: the scan cannot be fitted.
    """
    return tuple(_findings(order))


def _findings(order: AnalysisOrder) -> Iterator[Finding]:
    free = [item for item in order.measured if item.program.experiment in _FREE]
    if any(item.program.experiment == "rabi" for item in free):
        yield from _of_scan(fit_rabi_scan([_point(item) for item in free]), order)
    elif free:
        yield from _of_readout(free)
    for item in order.measured:
        if item.program.experiment not in _FREE:
            _check(item)
            yield _finding(
                quality_metrics.BENCHMARK_FIDELITY,
                {"benchmark": item.program.experiment},
                classical_fidelity(item.counts, item.program.exact),
            )


def _of_scan(fit: RabiFit, order: AnalysisOrder) -> Iterator[Finding]:
    channel = {"channel": order.plan.channel}
    nominal = order.plan.rabi_frequency * _HERTZ
    deviation = fit.deviation
    yield _finding(quality_metrics.RABI_DEVIATION, channel, deviation)
    frequency = Estimate(nominal * (1 + deviation.value), nominal * deviation.uncertainty)
    yield _finding(quality_metrics.RABI_FREQUENCY, channel, frequency)
    if any(item.program.experiment == "readout" for item in order.measured):
        yield _finding(quality_metrics.READOUT_ERROR, {"kind": "false_positive"}, fit.false_positive)
        yield _finding(quality_metrics.READOUT_ERROR, {"kind": "false_negative"}, fit.false_negative)


def _of_readout(measured: list[Measured]) -> Iterator[Finding]:
    """Without a scan, what a nominal π pulse leaves in the ground state counts as read wrongly."""
    for item in measured:
        point = _point(item)
        excited = item.program.area > 0
        wrong = point.trials - point.ones if excited else point.ones
        kind = "false_negative" if excited else "false_positive"
        yield _finding(quality_metrics.READOUT_ERROR, {"kind": kind}, proportion(wrong, point.trials))


def _point(item: Measured) -> Point:
    _check(item)
    ones = sum(bits.count("1") * count for bits, count in item.counts.items())
    trials = sum(len(bits) * count for bits, count in item.counts.items())
    return Point(item.program.area, item.program.duration, ones, trials)


def _check(item: Measured) -> None:
    name, atoms = item.program.name, item.program.atoms
    if sum(item.counts.values()) < 1:
        raise UnusableResultError(f"{name}: the results hold no shots")
    for bits, count in item.counts.items():
        if len(bits) != atoms or set(bits) - {"0", "1"} or count < 0:
            raise UnusableResultError(f"{name}: {bits[:40]!r} is no reading of {atoms} atoms")


def _finding(metric: Metric, labels: Mapping[str, str], found: Estimate) -> Finding:
    return Finding(metric=metric.name, labels=dict(labels), value=found.value, uncertainty=found.uncertainty)


__all__ = ["FitError", "UnusableResultError", "analyse"]
