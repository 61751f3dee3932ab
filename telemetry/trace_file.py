"""Spans in files, as OTLP JSON Lines, for machines that have no trace backend.

The format is that of the OpenTelemetry file exporter: each line is one ExportTraceServiceRequest in OTLP's
JSON encoding (ids in hexadecimal), so that a Collector's `otlpjsonfile` receiver reads it as it is.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

logger = logging.getLogger(__name__)

_ID_FIELDS = ("traceId", "spanId", "parentSpanId")
ROTATE_BYTES = 64 * 2**20


class TraceFileExporter(SpanExporter):
    """Appends batches of spans to ``<directory>/<service>-<pid>.otlp.jsonl``, kept to two files of 64 MiB."""

    def __init__(self, directory: Path, service_name: str, rotate_bytes: int = ROTATE_BYTES) -> None:
        self._directory = directory
        self._service_name = service_name.replace(os.sep, "_")
        self._rotate_bytes = rotate_bytes
        self._failing = False
        self._lock = threading.Lock()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append the batch as one line; a disk that refuses it is a failed export, not an error."""
        line = json.dumps(_as_otlp_json(spans), separators=(",", ":")) + "\n"
        try:
            with self._lock:
                self._directory.mkdir(parents=True, exist_ok=True)
                # The process's own file, also after a fork.
                path = self._directory / f"{self._service_name}-{os.getpid()}.otlp.jsonl"
                if path.exists() and path.stat().st_size > self._rotate_bytes:
                    path.replace(path.with_suffix(".old.jsonl"))
                with path.open("a", encoding="utf-8") as file:
                    file.write(line)
        except OSError as error:
            if not self._failing:
                logger.warning("spans cannot be written to %s: %s", self._directory, error)
            self._failing = True
            return SpanExportResult.FAILURE
        self._failing = False
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing is held open."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Every export is written when it returns."""
        return True


def _as_otlp_json(spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    request: dict[str, Any] = MessageToDict(encode_spans(spans), use_integers_for_enums=True)
    for resource in request.get("resourceSpans", ()):
        for scope in resource.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                _ids_to_hexadecimal(span)
                for link in span.get("links", ()):
                    _ids_to_hexadecimal(link)
    return request


def _ids_to_hexadecimal(item: dict[str, Any]) -> None:
    for field in _ID_FIELDS:
        if field in item:
            item[field] = base64.b64decode(cast(str, item[field])).hex()
