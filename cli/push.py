"""``qwatch push``: sends telemetry files to an OTLP receiver."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from ..exporters.otlp_post import OtlpPost, ReceiverError
from ..exporters.push import PushReport, push, telemetry_files
from ..exporters.push_journal import JournalError
from ..telemetry.otlp import OtlpProtocolError, OtlpTarget
from ..telemetry.trace_context import TRACE_DIRECTORY
from .failure import CommandFailedError


def push_files(
    paths: Sequence[Path],
    to: str | None,
    protocol: str | None,
    headers: Sequence[str],
    patience: float,
    again: bool,
    as_json: bool,
) -> int:
    """Send the files and print what was done; return 1 if something is left or was refused, else 0."""
    endpoint = to or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if not endpoint:
        raise CommandFailedError("no receiver is named: give --to URL, or set OTEL_EXPORTER_OTLP_ENDPOINT")
    if not endpoint.startswith(("http://", "https://")):
        raise CommandFailedError(f"--to: {endpoint!r} is not an address such as http://collector:4318")
    files = telemetry_files(paths or _folder_of_environment())
    stopped: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        # The request under way is finished, so that it is known whether it was taken.
        signal.signal(number, lambda found, _frame: stopped.append(found))
    try:
        post = OtlpPost(OtlpTarget(endpoint, protocol, _given(headers)), patience)
        report = _with_progress(files, post, again, lambda: bool(stopped), quiet=as_json)
        post.close()
    except ReceiverError as error:
        raise CommandFailedError(f"{error}; what was sent is remembered: run it again for the rest") from error
    except (JournalError, OtlpProtocolError) as error:
        raise CommandFailedError(str(error)) from error
    _print(report, as_json)
    if stopped:
        typer.echo("qwatch: stopped; run it again to go on from here", err=True)
        return 128 + stopped[0]
    return 1 if report.refused or report.invalid else 0


def _with_progress(
    files: Sequence[Path], post: OtlpPost, again: bool, stopped: object, *, quiet: bool
) -> PushReport:
    assert callable(stopped)
    shown = Progress(
        TextColumn("sending"),
        BarColumn(),
        DownloadColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=quiet or not sys.stderr.isatty(),
    )
    with shown:
        task = shown.add_task("", total=sum(file.stat().st_size for file in files))
        return push(files, post, again=again, stopped=stopped, progress=lambda size: shown.advance(task, size))


def _folder_of_environment() -> list[Path]:
    folder = os.environ.get(TRACE_DIRECTORY)
    if not folder:
        raise CommandFailedError(f"no files are named: give a file or a folder, or set {TRACE_DIRECTORY}")
    return [Path(folder)]


def _given(headers: Sequence[str]) -> dict[str, str]:
    found = {}
    for header in headers:
        name, equals, value = header.partition("=")
        if not name or not equals:
            raise CommandFailedError("--header wants NAME=VALUE")
        found[name.strip()] = value.strip()
    return found


def _print(report: PushReport, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(report)))
        return
    for reason in report.reasons:
        typer.echo(f"qwatch: {reason}", err=True)
    typer.echo(
        f"{report.files} files: sent {report.spans} spans, {report.points} points, {report.logs} log records "
        f"in {report.requests} requests; {report.already_sent_bytes} bytes were sent before"
    )
    if report.refused or report.invalid:
        typer.echo(f"{report.refused} requests were refused, {report.invalid} lines are no requests")
