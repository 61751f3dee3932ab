"""A job's trace as a tree in the terminal, from spans that were written to files (OTLP JSON Lines)."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.tree import Tree

from ..qrmi.location import Location
from ..telemetry import attributes
from ..telemetry.tracing import TRACE_DIRECTORY


@dataclass(frozen=True, slots=True)
class FoundSpan:
    """A span of a file; times in Unix nanoseconds. ``task`` is the number of the job that it is of."""

    span_id: str
    parent_id: str | None
    name: str
    service: str
    begin: int
    end: int
    failed: bool
    task: str | None = None


def print_trace(console: Console, trace_id: str | None, location: Location, job: int | None = None) -> None:
    """Print the spans of a trace, of one ``job`` or all, or one line that says where they are instead."""
    directory = os.environ.get(TRACE_DIRECTORY) or location.trace_directory
    if trace_id is None:
        console.print("  the job's spans were not sent yet")
    elif directory is None:
        console.print(f"  spans are not in files here; look for {trace_id} in the site's trace store")
    else:
        spans = read_spans(Path(directory), trace_id)
        shown = spans if job is None else of_job(spans, job)
        if not shown:
            of = f"{trace_id}" if job is None else f"job {job} ({trace_id})"
            console.print(f"  no spans of {of} in {directory} yet")
        for root in _trees(shown):
            console.print(root)
        if len(shown) < len(spans):
            console.print("  its part of the trace (--session: all of it)", style="dim")


def read_spans(directory: Path, trace_id: str) -> list[FoundSpan]:
    """Return the spans of a trace in the files of ``directory``, by begin."""
    found = []
    for file in sorted(directory.glob("*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                if trace_id in line:
                    found += _spans_of(line, trace_id)
    return sorted(found, key=lambda span: (span.begin, -span.end))


def of_job(spans: Sequence[FoundSpan], job: int) -> list[FoundSpan]:
    """Return the spans that name ``job``, and what is below them."""
    below: dict[str | None, list[FoundSpan]] = defaultdict(list)
    for span in spans:
        below[span.parent_id].append(span)
    found: dict[str, FoundSpan] = {}
    waiting = [span for span in spans if span.task == str(job)]
    while waiting:
        span = waiting.pop()
        if span.span_id not in found:
            found[span.span_id] = span
            waiting += below[span.span_id]
    return [span for span in spans if span.span_id in found]


def _spans_of(line: str, trace_id: str) -> list[FoundSpan]:
    try:
        request = json.loads(line)
    except ValueError:
        return []  # a line that is being written
    return [
        FoundSpan(
            span["spanId"],
            span.get("parentSpanId") or None,
            span["name"],
            _service(resource),
            int(span["startTimeUnixNano"]),
            int(span["endTimeUnixNano"]),
            span.get("status", {}).get("code") == 2,
            _text(span, attributes.TASK_ID),
        )
        for resource in request.get("resourceSpans", ())
        for scope in resource.get("scopeSpans", ())
        for span in scope.get("spans", ())
        if span.get("traceId") == trace_id
    ]


def _service(resource: dict[str, Any]) -> str:
    return _text(resource.get("resource", {}), "service.name") or ""


def _text(described: dict[str, Any], key: str) -> str | None:
    for attribute in described.get("attributes", ()):
        if attribute["key"] == key:
            return str(attribute["value"].get("stringValue", ""))
    return None


def _trees(spans: list[FoundSpan]) -> list[Tree]:
    known = {span.span_id for span in spans}
    children: dict[str | None, list[FoundSpan]] = defaultdict(list)
    for span in spans:
        children[span.parent_id if span.parent_id in known else None].append(span)
    begin = min((span.begin for span in spans), default=0)
    roots = []

    def add(to: Tree, span: FoundSpan) -> None:
        branch = to.add(_label(span, begin))
        for child in children[span.span_id]:
            add(branch, child)

    for span in children[None]:
        root = Tree(_label(span, begin), guide_style="dim")
        for child in children[span.span_id]:
            add(root, child)
        roots.append(root)
    return roots


def _label(span: FoundSpan, begin: int) -> str:
    at, took = (span.begin - begin) / 1e9, (span.end - span.begin) / 1e9
    name = f"[red]{span.name}[/]" if span.failed else f"[bold]{span.name}[/]"
    return f"{name}  [dim]{span.service}[/]  +{at:.3f} s  {took:.3f} s"
