"""Log records as lines of Loki: the label set of the stream, the line, the structured metadata."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring as _quoted
from typing import Any, NamedTuple

from loki_logger_handler.formatters.logger_formatter import LoggerFormatter
from loki_logger_handler.loki_logger_handler import LogLine

from ..telemetry import log_fields
from ..telemetry.catalogue import OTHER
from ..telemetry.json_logging import known_fields, trace_fields
from ..telemetry.redaction import redact

LONGEST_TEXT = 64 * 1024
"""Most characters of a message or traceback: Loki refuses lines above 256 KiB."""
_MOST_DEVICES = 256
_CUT = " … [cut]"


class Stream(NamedTuple):
    """A label set: as it is sent, and as a key by which two different ones never meet."""

    labels: dict[str, str]
    key: tuple[tuple[str, str], ...]


class Line(LogLine):  # type: ignore[misc]
    """The library's log line, whose stream is known already."""

    stream: Stream
    labels: dict[str, str]
    key: tuple[tuple[str, str], ...]
    line: dict[str, Any]
    loki_metadata: dict[str, str]

    def __init__(self, stream: Stream, line: dict[str, Any], loki_metadata: dict[str, str]) -> None:
        self.stream = stream
        self.labels, self.key = stream
        self.line = line
        self.loki_metadata = loki_metadata


class LineFormatter:
    """Makes a :class:`Line` of a record: the vocabulary's names, credentials masked.

    Stream labels are ``service_name``, ``level`` and, for a record about a device, ``qpu_id``. Ids of trace
    and span and the known fields are structured metadata. Any other extra of a record stays behind, so that
    what cannot be sent or must not be sent is not.
    """

    def __init__(self, service_name: str) -> None:
        self._service_name = service_name
        self._devices: set[str] = set()
        # As many as there are levels and devices, and so bounded.
        self._streams: dict[tuple[str, str | None], Stream] = {}

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
        metadata: dict[str, str] = {}
        for key, value in known_fields(record).items():
            metadata[key] = _cut(value) if type(value) is str else str(value)
        device = metadata.pop(log_fields.QPU_ID, None) or None
        metadata |= trace_fields(record)
        return Line(self._stream(record.levelname, device), line, metadata)

    def _stream(self, level: str, device: str | None) -> Stream:
        found = self._streams.get((level, device))
        if found is None:
            labels = {"service_name": self._service_name, "level": level.lower()}
            if device is not None:
                device = labels["qpu_id"] = self._bounded(device)
            found = Stream(labels, tuple(sorted(labels.items())))
            self._streams[(level, device)] = found
        return found

    def _bounded(self, device: str) -> str:
        if device not in self._devices:
            if len(self._devices) >= _MOST_DEVICES:
                return OTHER
            self._devices.add(device)
        return device


class Entry(NamedTuple):
    """A line as a push carries it: its stream, its time (Unix seconds) and its JSON."""

    stream: Stream
    timestamp: float
    text: bytes


class EntryEncoder:
    """Encodes lines in the library's wire format, each once, with ``identity`` (host, version) as metadata.

    What waits to be sent is text: ready, its size known, and nothing that a garbage collection has to look at.
    """

    def __init__(self, identity: Mapping[str, str] | None = None) -> None:
        self._identity = _pairs(identity or {})

    def encode(self, line: Line) -> Entry:
        """Return the line as an entry of a push."""
        given = line.line
        timestamp = float(given["timestamp"])
        text = f'{{"timestamp": {timestamp!r}, "logger": {_quoted(str(given["logger"]))}'
        text += f', "message": {_quoted(given["message"])}'
        if "exception" in given:
            text += f', "exception": {_quoted(given["exception"])}'
        metadata = self._identity + _pairs(line.loki_metadata)
        whole = f'["{int(timestamp * 1e9)}", {_quoted(text + "}")}, {{{metadata[:-2]}}}]'
        # A name of the system that is not UTF-8 must not cost the batch.
        return Entry(line.stream, timestamp, whole.encode("utf-8", "backslashreplace"))


def payload(entries: Iterable[Entry]) -> bytes:
    """Return the body of one push request, as the library's ``Streams`` writes it."""
    streams: dict[tuple[tuple[str, str], ...], tuple[Stream, list[bytes]]] = {}
    for entry in entries:
        found = streams.get(entry.stream.key)
        if found is None:
            found = streams[entry.stream.key] = (entry.stream, [])
        found[1].append(entry.text)
    return b'{"streams": [%b]}' % b", ".join(_stream(*stream) for stream in streams.values())


def _stream(stream: Stream, values: list[bytes]) -> bytes:
    labels = _pairs(stream.labels)[:-2].encode("utf-8", "backslashreplace")
    return b'{"stream": {%b}, "values": [%b]}' % (labels, b", ".join(values))


def _pairs(texts: Mapping[str, str]) -> str:
    """Return the inside of an object, with a comma and a space after each pair."""
    return "".join([f"{_quoted(key)}: {_quoted(value)}, " for key, value in texts.items()])


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + _CUT
