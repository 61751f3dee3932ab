"""The four histograms of the QRMI client, made from the catalogue with the OpenTelemetry API."""

from __future__ import annotations

from opentelemetry.metrics import Histogram, Meter, MeterProvider, get_meter

from ..telemetry import client_metrics
from ..telemetry.catalogue import Metric
from .instrumentation_scope import SCOPE, version
from .measurements import MEASUREMENTS

_Labels = dict[str, str]


class ClientHistograms:
    """Durations, polls and sizes of one resource's calls; label values stay within the catalogue's."""

    def __init__(self, resource_type: str, meter_provider: MeterProvider | None = None) -> None:
        meter = get_meter(SCOPE, version(), meter_provider)
        self._resource_type = resource_type
        self._operation = _histogram(meter, client_metrics.OPERATION_DURATION)
        self._task = _histogram(meter, client_metrics.TASK_DURATION)
        self._polls = _histogram(meter, client_metrics.STATUS_POLLS)
        self._payload = _histogram(meter, client_metrics.PAYLOAD_SIZE)
        self._polls_labels = _labels(client_metrics.STATUS_POLLS, resource_type)
        # The enumerations are closed, so these stay small.
        self._of_operation: dict[tuple[str, str], _Labels] = {}
        self._of_task: dict[str, _Labels] = {}
        self._of_payload: dict[str, _Labels] = {}

    def operation(self, operation: str, error_type: str, seconds: float) -> None:
        """Record one call; ``error_type`` is the class of its error, empty on success."""
        labels = self._of_operation.get((operation, error_type))
        if labels is None:
            labels = _labels(client_metrics.OPERATION_DURATION, operation, self._resource_type, error_type)
            if labels["error_type"] == error_type:
                self._of_operation[operation, error_type] = labels
        MEASUREMENTS.note(self._operation, seconds, labels)

    def task(self, state: str, seconds: float, polls: int) -> None:
        """Record one task, from task_start to the final state that the program saw."""
        labels = self._of_task.get(state)
        if labels is None:
            labels = self._of_task[state] = _labels(client_metrics.TASK_DURATION, self._resource_type, state)
        MEASUREMENTS.note(self._task, seconds, labels)
        MEASUREMENTS.note(self._polls, polls, self._polls_labels)

    def payload(self, direction: str, size: int) -> None:
        """Record the bytes of a payload ``sent`` or of a result ``received``."""
        labels = self._of_payload.get(direction)
        if labels is None:
            labels = _labels(client_metrics.PAYLOAD_SIZE, self._resource_type, direction)
            self._of_payload[direction] = labels
        MEASUREMENTS.note(self._payload, size, labels)


def _labels(metric: Metric, *values: str) -> _Labels:
    given = dict(zip(metric.label_names, values, strict=True))
    return dict(zip(metric.label_names, metric.label_values(given), strict=True))


def _histogram(meter: Meter, metric: Metric) -> Histogram:
    return meter.create_histogram(
        metric.name,
        unit=metric.unit,
        description=metric.help,
        explicit_bucket_boundaries_advisory=list(metric.buckets),
    )
