"""The metrics of a program's annotations, made with the OpenTelemetry API; their names are bounded."""

from __future__ import annotations

from opentelemetry.metrics import MeterProvider, get_meter

from ..telemetry import client_metrics
from ..telemetry.catalogue import OTHER
from .instrumentation_scope import SCOPE, version

MOST_NAMES = 32
"""So many names of measures, and of phases, a process may use; further ones are told as ``other``."""


class ProgramMetrics:
    """The last value of each measure, and how long each phase takes."""

    def __init__(self, meter_provider: MeterProvider | None = None) -> None:
        meter = get_meter(SCOPE, version(), meter_provider)
        measure, phase = client_metrics.PROGRAM_MEASURE, client_metrics.PROGRAM_PHASE
        self._measure = meter.create_gauge(measure.name, unit=measure.unit, description=measure.help)
        self._phase = meter.create_histogram(
            phase.name,
            unit=phase.unit,
            description=phase.help,
            explicit_bucket_boundaries_advisory=list(phase.buckets),
        )
        self._measures: dict[str, dict[str, str]] = {}
        self._phases: dict[str, dict[str, str]] = {}

    def measure(self, name: str, value: float) -> None:
        """Record the present value of a measure."""
        self._measure.set(value, _labels(self._measures, client_metrics.PROGRAM_MEASURE.label_names[0], name))

    def phase(self, name: str, seconds: float) -> None:
        """Record how long a phase took."""
        self._phase.record(seconds, _labels(self._phases, client_metrics.PROGRAM_PHASE.label_names[0], name))


def _labels(known: dict[str, dict[str, str]], label: str, name: str) -> dict[str, str]:
    found = known.get(name)
    if found is None:
        if len(known) >= MOST_NAMES:
            return {label: OTHER}
        found = known[name] = {label: name}
    return found


PROGRAM_METRICS = ProgramMetrics()
"""Of this process; the API binds it to the program's meter provider once there is one."""
