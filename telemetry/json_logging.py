"""Logs as one JSON object a line, with trace and span ids, credentials masked."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

from opentelemetry import trace

from .log_fields import FIELDS
from .redaction import redact

_NUMBERS = (int, float)
_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON: time, level, logger, message, ids of the current span, and known fields."""

    def __init__(self, service_name: str, identity: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._service_name = service_name
        self._identity = dict(identity or {})

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        line: dict[str, object] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service_name": self._service_name,
            "logger": record.name,
            "message": message_of(record),
        }
        line |= self._identity
        line |= trace_fields(record)
        line |= known_fields(record)
        if record.exc_info:
            line["exception"] = redact(self.formatException(record.exc_info))
        # A name of the system that is not UTF-8 must not cost the line.
        text = _encode(line)
        return text.encode("utf-8", "backslashreplace").decode()


class ConsoleFormatter(logging.Formatter):
    """Formats a record for a person: time, level, message, and the ids that matter."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a short line, with a traceback only where one was logged."""
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        fields = " ".join(f"{key}={value}" for key, value in known_fields(record).items())
        line = f"{clock} {record.levelname.lower():<7} {message_of(record)}"
        if fields:
            line += f"  [{fields}]"
        if record.exc_info:
            line += "\n" + redact(self.formatException(record.exc_info))
        return line


def message_of(record: logging.LogRecord) -> str:
    """Return the record's message, redacted; one whose arguments do not fit is shown as it was given."""
    try:
        return redact(record.getMessage())
    except Exception:
        return redact(f"{record.msg} (with the arguments {record.args!r}, which do not fit)")


def trace_fields(record: logging.LogRecord) -> dict[str, str]:
    """Return trace_id and span_id: those given with the record, else those of the current span."""
    fields = record.__dict__
    trace_id, span_id = fields.get("trace_id"), fields.get("span_id")
    if trace_id or span_id:
        given = (("trace_id", trace_id), ("span_id", span_id))
        return {key: str(value) for key, value in given if value}
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {
        "trace_id": trace.format_trace_id(context.trace_id),
        "span_id": trace.format_span_id(context.span_id),
    }


def known_fields(record: logging.LogRecord) -> dict[str, object]:
    """Return the record's extra fields that the vocabulary knows, strings redacted."""
    found: dict[str, object] = {}
    given = record.__dict__
    for name in FIELDS:
        if name in given and (value := given[name]) is not None:
            found[name] = value if isinstance(value, _NUMBERS) else redact(str(value))
    return found


def configure_logging(
    service_name: str,
    level: str = "info",
    style: str = "json",
    stream: TextIO | None = None,
    identity: Mapping[str, str] | None = None,
) -> logging.Handler:
    """Send the root logger's records to ``stream`` (standard output) as JSON, or as ``text``.

    ``identity`` (host, version) is in every line of JSON. Returns the handler, so that a caller can remove it.
    Raises ValueError for an unknown style or level.
    """
    if style not in ("json", "text"):
        raise ValueError(f"log style {style!r} is neither 'json' nor 'text'")
    handler = logging.StreamHandler(stream if stream is not None else sys.stdout)
    handler.setFormatter(JsonFormatter(service_name, identity) if style == "json" else ConsoleFormatter())
    root = logging.getLogger()
    root.setLevel(level.upper())
    root.addHandler(handler)
    for noisy in ("httpx", "httpcore", "urllib3", "alembic", "asyncio", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return handler
