"""``qwatch run --list``: where a program can run now."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..qrmi.environments import HIDDEN, Environment, environments

_COLOURS = {"online": "green", "paused": "yellow", "offline": "red", "unreachable": "red", HIDDEN: "dim"}


def list_environments(as_json: bool) -> None:
    """Print every resource that is within reach, its state, queue and expected wait."""
    found = environments()
    if as_json:
        typer.echo(json.dumps([asdict(item) for item in found]))
        return
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("", "QPU", "type", "where", "state"):
        table.add_column(title, no_wrap=True)
    for title in ("queue", "wait"):
        table.add_column(title, justify="right", no_wrap=True)
    for item in found:
        table.add_row(
            "*" if item.default else "",
            escape(item.name or "-"),
            item.type,
            item.place,
            f"[{_COLOURS.get(item.state, 'yellow')}]{escape(item.state)}[/]",
            "-" if item.pending is None else str(item.pending),
            duration(item.expected_wait_seconds),
        )
    console.print(table)
    for item in found:
        _explain(console, item)
    default = "* is taken without --qpu" if any(item.default for item in found) else "none is taken by itself"
    console.print(f"{default}; qwatch run --qpu NAME -- PROGRAM", style="dim", soft_wrap=True)


def _explain(console: Console, item: Environment) -> None:
    line = f"  {item.name or 'a source'} ({item.source})"
    if item.reason:
        line += f": {item.reason}"
    style = "dim" if item.state in ("online", HIDDEN) else "yellow"
    console.print(line, style=style, markup=False, soft_wrap=True)


def duration(seconds: float | None) -> str:
    """Return a duration for a person: ``-`` if unknown, ``none``, ``12 s``, ``5 min``, ``3.2 h``."""
    if seconds is None:
        return "-"
    if seconds < 0.5:
        return "none"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
