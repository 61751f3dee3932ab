"""OTLP JSON Lines: each line is one export request in OTLP's JSON encoding, as Collectors write it.

The one deviation from protobuf's own JSON is that ids are hexadecimal.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import Message

logger = logging.getLogger(__name__)

Request = TypeVar("Request", bound=Message)
ROTATE_BYTES = 64 * 2**20
SUFFIX = ".otlp.jsonl"
_ID_FIELDS = ("traceId", "spanId", "parentSpanId")
_ITEMS = {
    "resourceSpans": ("scopeSpans", "spans"),
    "resourceLogs": ("scopeLogs", "logRecords"),
    "resourceMetrics": ("scopeMetrics", "metrics"),
}


class OtlpFile:
    """Appends requests to ``<directory>/<service>-<host>-<pid><kind>.otlp.jsonl``, kept to two files."""

    def __init__(
        self, directory: Path, service_name: str, kind: str = "", rotate_bytes: int = ROTATE_BYTES
    ) -> None:
        self._directory = directory
        # Nodes of a job share a folder and may give the same process id.
        self._name = f"{service_name}-{socket.gethostname()}".replace(os.sep, "_")
        self._kind = kind
        self._rotate_bytes = rotate_bytes
        self._failing = False
        self._lock = threading.Lock()

    def append(self, request: Message) -> bool:
        """Write one line and return True; on a disk that refuses it, log once and return False."""
        line = as_line(request)
        try:
            with self._lock:
                self._directory.mkdir(parents=True, exist_ok=True)
                # The process's own file, also after a fork.
                path = self._directory / f"{self._name}-{os.getpid()}{self._kind}{SUFFIX}"
                if path.exists() and path.stat().st_size > self._rotate_bytes:
                    path.replace(path.with_suffix(".old.jsonl"))
                with path.open("a", encoding="utf-8") as file:
                    file.write(line)
        except OSError as error:
            if not self._failing:
                logger.warning("telemetry cannot be written to %s: %s", self._directory, error)
            self._failing = True
            return False
        self._failing = False
        return True


def as_line(request: Message) -> str:
    """Return an export request as one line of OTLP JSON, with its end."""
    content: dict[str, Any] = MessageToDict(request, use_integers_for_enums=True)
    _convert_ids(content, _to_hexadecimal)
    return json.dumps(content, separators=(",", ":")) + "\n"


def from_line(line: str | bytes, kind: Callable[[], Request]) -> Request:
    """Return the export request of one line.

    Raises:
        ValueError: the line is no such request.
    """
    content = json.loads(line)
    if not isinstance(content, dict):
        raise ValueError("not an OTLP request")
    try:
        _convert_ids(content, _to_base64)
        return ParseDict(content, kind(), ignore_unknown_fields=True)
    except (ParseError, AttributeError, TypeError) as error:
        raise ValueError(" ".join(str(error).split())[:200]) from error


def _convert_ids(content: dict[str, Any], convert: Callable[[str], str]) -> None:
    for item in _with_ids(content):
        for field in _ID_FIELDS:
            if field in item:
                item[field] = convert(item[field])


def _with_ids(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every object that may carry ids: spans, links, log records, exemplars."""
    for outer, (scopes, items) in _ITEMS.items():
        for resource in content.get(outer, ()):
            for scope in resource.get(scopes, ()):
                for item in scope.get(items, ()):
                    yield item
                    yield from item.get("links", ())
                    for data in item.values():
                        if isinstance(data, dict):
                            for point in data.get("dataPoints", ()):
                                yield from point.get("exemplars", ())


def _to_hexadecimal(value: str) -> str:
    return base64.b64decode(value).hex()


def _to_base64(value: str) -> str:
    return base64.b64encode(bytes.fromhex(value)).decode()
