"""A report as JSON: the fields of ``model.Report``, with their names and units; what is not known is null."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from .model import Report

_ADAPTER: TypeAdapter[Report] = TypeAdapter(Report)


def render_json(report: Report) -> str:
    """Return the report as one JSON object."""
    return _ADAPTER.dump_json(report, indent=1).decode() + "\n"


def read_json(text: str) -> Report:
    """Return the report that :func:`render_json` wrote; pydantic's ValidationError if it is none."""
    return _ADAPTER.validate_json(text)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a report."""
    return _ADAPTER.json_schema()
