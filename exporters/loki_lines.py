"""Log records as lines of Loki: the label set of the stream, the line, the structured metadata."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from loki_logger_handler.formatters.logger_formatter import LoggerFormatter
from loki_logger_handler.loki_logger_handler import LogLine
from loki_logger_handler.stream import Stream
from loki_logger_handler.streams import Streams

from ..telemetry import log_fields
from ..telemetry.catalogue import OTHER
from ..telemetry.json_logging import known_fields, trace_fields
from ..telemetry.redaction import redact

LONGEST_TEXT = 64 * 1024
"""Most characters of a message or traceback: Loki refuses lines above 256 KiB."""
_MOST_DEVICES = 256
_encode = json.JSONEncoder(ensure_ascii=False).encode
_CUT = " … [cut]"


class Line(LogLine):  # type: ignore[misc]
    """The library's log line, with a key by which two different label sets never meet."""

    labels: dict[str, str]
    key: tuple[tuple[str, str], ...]
    line: dict[str, Any]
    loki_metadata: dict[str, str]

    @property
    def size(self) -> int:
        """Roughly how many bytes it adds to a request."""
        return 256 + len(self.line["message"]) + len(self.line.get("exception", ""))

    @property
    def timestamp(self) -> float:
        """Unix time of the record."""
        return float(self.line["timestamp"])

    @staticmethod
    def _key_from_labels(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        return tuple(sorted(labels.items()))


class LineFormatter:
    """Makes a :class:`Line` of a record: the vocabulary's names, credentials masked.

    Stream labels are ``service_name``, ``level`` and, for a record about a device, ``qpu_id``. Ids of trace
    and span, the known fields and ``identity`` (host, version) are structured metadata. Any other extra of a
    record stays behind, so that what cannot be sent or must not be sent is not.
    """

    def __init__(self, service_name: str, identity: Mapping[str, str] | None = None) -> None:
        self._service_name = service_name
        self._identity = dict(identity or {})
        self._devices: set[str] = set()

    def format(self, record: logging.LogRecord) -> Line:
        """Return the record's line; raises what ``getMessage`` of a malformed record raises."""
        # Of the library's fields only these: gathering all of them, for every line, costs more than the rest.
        line: dict[str, Any] = {
            "timestamp": record.created,
            "logger": record.name,
            "message": _cut(redact(record.getMessage())),
        }
        if record.exc_info:
            text = LoggerFormatter._format_stacktrace(record.exc_info)
            line["exception"] = _cut(redact(str(text).rstrip("\n")))
        metadata = {key: _cut(str(value)) for key, value in known_fields(record).items()}
        labels = {"service_name": self._service_name, "level": record.levelname.lower()}
        if device := metadata.pop(log_fields.QPU_ID, None):
            labels["qpu_id"] = self._bounded(device)
        return Line(labels, line, self._identity | trace_fields(record) | metadata)

    def _bounded(self, device: str) -> str:
        if device not in self._devices:
            if len(self._devices) >= _MOST_DEVICES:
                return OTHER
            self._devices.add(device)
        return device


def payload(lines: Iterable[Line]) -> str:
    """Return the body of one push request, in the library's wire format."""
    streams: dict[tuple[tuple[str, str], ...], Stream] = {}
    for line in lines:
        stream = streams.get(line.key)
        if stream is None:
            stream = streams[line.key] = Stream(line.labels)
        # As the library's append_value does it, which makes an encoder for every line.
        stream.values.append([str(int(line.timestamp * 1e9)), _encode(line.line), line.loki_metadata])
    return str(Streams(list(streams.values())).serialize())


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + _CUT
