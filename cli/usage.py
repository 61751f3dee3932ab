"""``qwatch usage``: what a user used in a period."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .daemon_client import DaemonClient
from .periods import Period
from .time_bars import bar, seconds

_WIDE = 100
_TITLES = {
    "device": "device",
    "class": "class",
    "session": "session",
    "day": "day",
    "sdk": "SDK",
    "slurm-job": "Slurm job",
}
KEYS = tuple(_TITLES)


def show_usage(period: Period, by: str | None, qpu: str | None, user: str | None, as_json: bool) -> None:
    """Print what the user used in ``period``, in all and by a key; of one QPU, if one is named."""
    client = DaemonClient.of_daemon(qpu)
    asked = {
        "from": period.begin.isoformat(),
        "to": period.end.isoformat(),
        "timezone": period.zone,
        "by": by,
        "device": None if qpu is None else client.location.name,
        "user": user,
    }
    found = client.get("/usage", **{key: value for key, value in asked.items() if value is not None})
    if as_json:
        typer.echo(json.dumps(found))
    else:
        print_usage(Console(highlight=False), found)


def print_usage(console: Console, found: Mapping[str, Any]) -> None:
    """Print the reply of ``GET /usage``."""
    total = found["total"]
    of = f" on {found['device']}" if found["device"] else ""
    when = f"{_clock(found['begin'])} to {_clock(found['end'])} ({found['timezone']})"
    if not (total["jobs"] or total["pending"] or total["running"] or total["held_seconds"]):
        _line(console, f"{found['user']} has used nothing{of} from {when}")
        return
    _line(console, f"usage of {found['user']}{of}, {when}", "bold")
    _print_total(console, total)
    if found["by"] is not None:
        console.print()
        console.print(_table(console.width, found))
        if found["rest"] is not None:
            _line(console, f"{found['groups_in_rest']} more are summed up as 'others'", "dim")


def _print_total(console: Console, total: Mapping[str, Any]) -> None:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("  jobs", _jobs(total))
    if total["pending"] or total["running"]:
        facts.add_row("  now", _now(total))
    facts.add_row("  shots", f"{total['shots']:,}")
    facts.add_row("  busy", f"{seconds(total['busy_seconds'])} on the device")
    for name, key in (("waited", "wait_seconds"), ("ran", "run_seconds")):
        if total[key] is not None:
            facts.add_row(f"  {name}", _durations(total[key]))
    if total["held_seconds"]:
        share = "" if total["efficiency"] is None else f", {total['efficiency']:.0%} of it busy"
        facts.add_row("  held", f"{seconds(total['held_seconds'])} in sessions{share}")
    console.print(facts)


def _jobs(total: Mapping[str, Any]) -> Text:
    text = Text(f"{total['jobs']:,}")
    if not total["jobs"]:
        return text.append(" ended")
    text.append(" ended: ").append(f"{total['done']:,} done", style="green" if total["done"] else "")
    if total["canceled"]:
        text.append(", ").append(f"{total['canceled']:,} canceled", style="yellow")
    if total["failed"]:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in total["failures"].items())
        text.append(", ").append(f"{total['failed']:,} failed", style="red").append(f" ({reasons})")
    return text


def _now(total: Mapping[str, Any]) -> str:
    parts = []
    if total["running"]:
        parts.append(f"{total['running']} running ({seconds(total['running_seconds'])} on the device so far)")
    if total["pending"]:
        parts.append(f"{total['pending']} waiting")
    return ", ".join(parts)


def _durations(found: Mapping[str, Any]) -> str:
    return (
        f"median {seconds(found['p50'])}, p90 {seconds(found['p90'])}, "
        f"p99 {seconds(found['p99'])}, longest {seconds(found['longest'])}"
    )


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    cell: Callable[[Mapping[str, Any]], str | Text]
    right: bool = True
    in_narrow: bool = True


_COLUMNS = (
    _Column("jobs", lambda row: f"{row['jobs']:,}"),
    _Column("failed", lambda row: Text(f"{row['failed']:,}", style="red") if row["failed"] else "-"),
    _Column("shots", lambda row: f"{row['shots']:,}"),
    _Column("wait p50", lambda row: _quantile(row["wait_seconds"], "p50"), in_narrow=False),
    _Column("wait p90", lambda row: _quantile(row["wait_seconds"], "p90")),
    _Column("run p50", lambda row: _quantile(row["run_seconds"], "p50"), in_narrow=False),
    _Column("held", lambda row: _length(row["held_seconds"])),
    _Column("used", lambda row: "-" if row["efficiency"] is None else f"{row['efficiency']:.0%}"),
    _Column("busy", lambda row: _length(row["busy_seconds"])),
)


def _table(width: int, found: Mapping[str, Any]) -> Table:
    columns = [column for column in _COLUMNS if column.in_narrow or width >= _WIDE]
    rows = [*found["groups"], *([found["rest"] | {"key": "others"}] if found["rest"] else [])]
    total = found["total"]
    table = Table(
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0) if width >= _WIDE else (0, 1, 0, 0),
        header_style="bold",
        footer_style="bold",
        show_footer=True,
    )
    table.add_column(_TITLES[found["by"]], footer="all", overflow="fold")
    for column in columns:
        table.add_column(
            column.title,
            footer=column.cell(total),
            justify="right" if column.right else "left",
            no_wrap=True,
        )
    table.add_column("share of busy", no_wrap=True)
    for row in rows:
        share = row["busy_seconds"] / total["busy_seconds"] if total["busy_seconds"] else 0.0
        drawn = Text(bar(share, 12 if width >= _WIDE else 8), style="green")
        drawn.append(f" {share:>4.0%}", style="default")
        table.add_row(Text(row["key"] or "-"), *(column.cell(row) for column in columns), drawn)
    return table


def _quantile(found: Mapping[str, Any] | None, name: str) -> str:
    return "-" if found is None else seconds(found[name])


def _length(value: float | None) -> str:
    return seconds(value) if value else "-"


def _clock(value: str) -> str:
    return datetime.fromisoformat(value).astimezone().strftime("%Y-%m-%d %H:%M")


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(text, style=style, markup=False, soft_wrap=True)
