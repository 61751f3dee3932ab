"""Spans in files, as OTLP JSON Lines, for machines that have no trace backend or no way to it.

A Collector's `otlpjsonfile` receiver reads them as they are; `qwatch push` sends them later.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from .otlp_lines import ROTATE_BYTES, OtlpFile


class TraceFileExporter(SpanExporter):
    """Appends batches of spans to ``<directory>/<service>-<host>-<pid>.otlp.jsonl``, two files of 64 MiB."""

    def __init__(self, directory: Path, service_name: str, rotate_bytes: int = ROTATE_BYTES) -> None:
        self._file = OtlpFile(directory, service_name, rotate_bytes=rotate_bytes)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append the batch as one line; a disk that refuses it is a failed export, not an error."""
        written = self._file.append(encode_spans(spans))
        return SpanExportResult.SUCCESS if written else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Nothing is held open."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Every export is written when it returns."""
        return True
