"""Log records by OTLP, with the labels and fields that Loki gets when it is sent to directly.

What are stream labels in Loki are attributes of the resource here: Loki makes labels of those and of no others.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import TraceFlags

from ..telemetry.bounded_gate import DropCounter, Gate, ignore_drop
from ..telemetry.bounded_work import finish_within
from ..telemetry.identity import SERVICE_NAME
from .loki import DEFAULT_SECONDS
from .loki_lines import Line, LineFormatter

logger = logging.getLogger(__name__)

DROP_REASONS = ("queue_full", "unreachable", "invalid", "shutdown")
SCOPE = InstrumentationScope("qwatch")
_SEVERITY = {
    logging.DEBUG: SeverityNumber.DEBUG,
    logging.INFO: SeverityNumber.INFO,
    logging.WARNING: SeverityNumber.WARN,
    logging.ERROR: SeverityNumber.ERROR,
    logging.CRITICAL: SeverityNumber.FATAL,
}
_BATCH = 512
_DELAY_MILLISECONDS = 1000.0


class _CountedExporter(LogRecordExporter):
    """Hands batches on, and tells how many records are done with and why."""

    def __init__(self, inner: LogRecordExporter, settled: Callable[[int, str], None]) -> None:
        self._inner = inner
        self._settled = settled
        self._failing = False
        self.thread: threading.Thread | None = None

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        self.thread = threading.current_thread()
        try:
            result = self._inner.export(batch)
        except Exception:
            result = LogRecordExportResult.FAILURE
        failed = result is not LogRecordExportResult.SUCCESS
        self._settled(len(batch), "unreachable" if failed else "")
        self._report(failed)
        self.thread = None
        return result

    def _report(self, failed: bool) -> None:
        """Log the beginning and the end of trouble; the handler leaves these records out."""
        if failed and not self._failing:
            logger.warning("the OTLP receiver does not take logs; they are dropped and counted")
        elif self._failing and not failed:
            logger.info("the OTLP receiver takes logs again")
        self._failing = failed

    def shutdown(self) -> None:
        self._inner.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 10_000) -> bool:
        return True


class OtlpLogHandler(logging.Handler):
    """Sends records by OTLP in batches, from a thread; at most ``capacity`` wait, the rest is counted.

    What the sending itself logs is never sent.
    """

    def __init__(
        self,
        exporter: LogRecordExporter,
        service_name: str,
        *,
        identity: Mapping[str, str] | None = None,
        capacity: int = 10_000,
        dropped: DropCounter = ignore_drop,
        level: int = logging.NOTSET,
    ) -> None:
        super().__init__(level)
        self._lines = LineFormatter(service_name)
        self._resource = Resource({SERVICE_NAME: service_name, **(identity or {})})
        # As many as there are streams, and so bounded.
        self._resources: dict[tuple[tuple[str, str], ...], Resource] = {}
        self._gate = Gate(dropped, capacity)
        self._exporter = _CountedExporter(exporter, self._gate.settle)
        self._batch = BatchLogRecordProcessor(
            self._exporter,
            schedule_delay_millis=_DELAY_MILLISECONDS,
            max_export_batch_size=min(_BATCH, capacity),
            max_queue_size=capacity,
        )

    @property
    def waiting(self) -> int:
        """The number of records that were neither delivered nor dropped yet."""
        return self._gate.waiting

    def filter(self, record: logging.LogRecord) -> bool:
        """Leave out what the sending logs: it must not cause more to send."""
        if threading.current_thread() is self._exporter.thread:
            return False
        return bool(super().filter(record))

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record, or drop and count it; never wait and never raise."""
        try:
            made = self._made(record)
        except Exception:
            self._gate.drop("invalid", 1)
            return
        if self._gate.enter():
            self._batch.on_emit(made)

    def flush(self, seconds: float = DEFAULT_SECONDS) -> bool:  # type: ignore[override]
        """Send what waits now, for at most ``seconds``; return whether none of it was lost."""
        lost = self._gate.lost
        return finish_within(seconds, [self._batch.force_flush]) and self._gate.lost == lost

    def close(self, seconds: float = DEFAULT_SECONDS) -> bool:  # type: ignore[override]
        """Send what waits, for at most ``seconds``, then stop; return whether none of it was lost."""
        lost = self._gate.lost
        self._gate.close()
        done = finish_within(seconds, [self._batch.shutdown])
        self._gate.abandon()
        super().close()
        return done and self._gate.lost == lost

    def _made(self, record: logging.LogRecord) -> ReadWriteLogRecord:
        line = self._lines.format(record)
        body = {name: value for name, value in line.line.items() if name != "timestamp"}
        attributes = dict(line.loki_metadata)
        trace_id, span_id = attributes.pop("trace_id", ""), attributes.pop("span_id", "")
        made = LogRecord(
            timestamp=int(record.created * 1e9),
            severity_text=record.levelname,
            severity_number=_severity(record.levelno),
            body=body,
            attributes=attributes,
        )
        made.trace_id, made.span_id = _identifier(trace_id), _identifier(span_id)
        made.trace_flags = TraceFlags(TraceFlags.DEFAULT)
        return ReadWriteLogRecord(made, self._resource_of(line), SCOPE)

    def _resource_of(self, line: Line) -> Resource:
        found = self._resources.get(line.key)
        if found is None:
            labels = {name: value for name, value in line.labels.items() if name != "service_name"}
            found = self._resources[line.key] = self._resource.merge(Resource(labels))
        return found


def _identifier(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        return 0


def _severity(level: int) -> SeverityNumber:
    known = [number for number in _SEVERITY if number <= level]
    return _SEVERITY[max(known)] if known else SeverityNumber.TRACE
