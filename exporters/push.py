"""Sends telemetry that was written to files, later and from elsewhere: ``qwatch push``.

Compute nodes may have no way out. Programs then write OTLP JSON Lines into the job's folder, and this sends
them from a node that has one. What the receiver took is remembered, so that nothing is sent twice: after an
interruption it goes on where it stopped. Only a kill in the instant between the receiver's answer and the
journal can send one request again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.message import Message

from ..telemetry.otlp import Signal
from ..telemetry.otlp_lines import from_line
from .otlp_post import KINDS, OtlpPost
from .push_journal import PushJournal, identity_of

PATTERNS = ("*.otlp.jsonl", "*.otlp.old.jsonl")


@dataclass(slots=True)
class PushReport:
    """What was done. ``refused`` and ``invalid`` count requests (lines), ``unsent`` bytes that are left."""

    files: int = 0
    requests: int = 0
    spans: int = 0
    points: int = 0
    logs: int = 0
    refused: int = 0
    invalid: int = 0
    already_sent_bytes: int = 0
    unsent_bytes: int = 0
    reasons: list[str] = field(default_factory=list)


def telemetry_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files that ``paths`` name: themselves, or all below a folder, the oldest first.

    Raises:
        FileNotFoundError: a path does not exist.
    """
    found: set[Path] = set()
    for path in paths:
        if path.is_dir():
            found.update(file for pattern in PATTERNS for file in path.rglob(pattern))
        elif path.exists():
            found.add(path)
        else:
            raise FileNotFoundError(2, "No such file or directory", str(path))
    return sorted(found, key=lambda file: (file.stat().st_mtime_ns, file))


def push(
    files: Sequence[Path],
    post: OtlpPost,
    *,
    again: bool = False,
    stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[int], None] = lambda _: None,
) -> PushReport:
    """Send what is in ``files`` and was not sent before (``again``: all of it); stop when ``stopped`` says so.

    ``progress`` is told the bytes done. A line that is still being written is left for the next time.

    Raises:
        ReceiverError: the receiver takes nothing; what it took before is remembered.
        JournalError: what was sent cannot be remembered, so nothing is sent.
    """
    report = PushReport(files=len(files))
    with ExitStack() as exits:
        journals = {
            folder: exits.enter_context(PushJournal(folder)) for folder in {file.parent for file in files}
        }
        for file in files:
            _push_file(file, journals[file.parent], post, report, again, stopped, progress)
    return report


def _push_file(
    file: Path,
    journal: PushJournal,
    post: OtlpPost,
    report: PushReport,
    again: bool,
    stopped: Callable[[], bool],
    progress: Callable[[int], None],
) -> None:
    with file.open("rb") as lines:
        first = lines.readline()
        if not first.endswith(b"\n"):
            report.unsent_bytes += len(first)
            return
        identity = identity_of(first)
        position = 0 if again else journal.sent(identity)
        report.already_sent_bytes += position
        progress(position)
        for line, end in _whole_lines(lines, position):
            if stopped():
                break
            _push_line(line, post, report, file, stopped)
            journal.note(identity, file.name, end)
            progress(end - position)
            position = end
        report.unsent_bytes += file.stat().st_size - position


def _whole_lines(lines: Iterable[bytes], position: int) -> Iterator[tuple[bytes, int]]:
    """Yield each line that is complete, with where it ends, from ``position`` on."""
    lines.seek(position)  # type: ignore[attr-defined]
    for line in lines:
        if not line.endswith(b"\n"):
            return
        position += len(line)
        yield line, position


def _push_line(
    line: bytes, post: OtlpPost, report: PushReport, file: Path, stopped: Callable[[], bool]
) -> None:
    if not line.strip():
        return
    try:
        signal, request = _request_of(line)
    except ValueError as error:
        report.invalid += 1
        _note(report, f"{file}: a line is no OTLP request: {error}")
        return
    refused = post.send(signal, request, stopped)
    if refused:
        report.refused += 1
        _note(report, f"{file}: a request was refused: {refused}")
        return
    report.requests += 1
    number = _items(signal, request)
    if signal == "traces":
        report.spans += number
    elif signal == "metrics":
        report.points += number
    else:
        report.logs += number


def _request_of(line: bytes) -> tuple[Signal, Message]:
    content = json.loads(line)
    for name, (signal, kind) in KINDS.items():
        if isinstance(content, dict) and name in content:
            return signal, from_line(line, kind)
    raise ValueError("it has none of " + ", ".join(KINDS))


def _items(signal: Signal, request: Message) -> int:
    outer, scopes, items = {
        "traces": ("resource_spans", "scope_spans", "spans"),
        "metrics": ("resource_metrics", "scope_metrics", "metrics"),
        "logs": ("resource_logs", "scope_logs", "log_records"),
    }[signal]
    found = [
        item
        for resource in getattr(request, outer)
        for scope in getattr(resource, scopes)
        for item in getattr(scope, items)
    ]
    if signal != "metrics":
        return len(found)
    return sum(len(getattr(item, item.WhichOneof("data")).data_points) for item in found)


def _note(report: PushReport, reason: str) -> None:
    if len(report.reasons) < 10:
        report.reasons.append(reason)
