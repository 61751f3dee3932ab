"""Metrics of a short-lived program in files, as OTLP JSON Lines, beside its spans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData

from .otlp_lines import OtlpFile


class MetricFileExporter(MetricExporter):
    """Appends each collection to ``<directory>/<service>-<host>-<pid>.metrics.otlp.jsonl``."""

    def __init__(self, directory: Path, service_name: str) -> None:
        super().__init__()
        self._file = OtlpFile(directory, service_name, ".metrics")

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        """Append the collection as one line; a disk that refuses it is a failed export, not an error."""
        written = self._file.append(encode_metrics(metrics_data))
        return MetricExportResult.SUCCESS if written else MetricExportResult.FAILURE

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Every export is written when it returns."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Nothing is held open."""
