"""A report in the format that was asked for, and where it goes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

from .model import Report

FORMATS = ("html", "md", "csv", "json")
_SUFFIXES = {".html": "html", ".htm": "html", ".md": "md", ".csv": "csv", ".json": "json"}


def format_of(path: Path) -> str | None:
    """Return the format that a file's name says; None if it says none."""
    return _SUFFIXES.get(path.suffix.lower())


def render(report: Report, how: str, table: str | None = None) -> str:
    """Return the report as text in one of ``FORMATS``; ``table`` names the one table of a CSV file.

    Raises:
        ValueError: there is no such table.
    """
    if how == "csv":
        from .csv_format import render_csv

        return render_csv(report, table)
    renderers: Mapping[str, tuple[str, str]] = {
        "html": ("html", "render_html"),
        "md": ("markdown_format", "render_markdown"),
        "json": ("json_format", "render_json"),
    }
    module, function = renderers[how]
    try:
        made: Callable[[Report], str] = getattr(import_module(f".{module}", __package__), function)
    except ModuleNotFoundError as error:
        raise ValueError(f"--format {how} needs {error.name}, which is not installed") from error
    return made(report)


def write(text: str, path: Path) -> None:
    """Write a report to a file, whole or not at all; OSError if that fails.

    A new file is for its owner only: it has names in it. One that is there keeps its mode.
    """
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
