"""``qwatch ledger``: the ledger for other programs, read from the store beside a running daemon."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, get_args

import typer

from .parts_installed import needs
from .whole_file import whole_file

application = typer.Typer(
    name="ledger",
    help="Export the ledger of jobs, devices and quality.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@application.callback()
def root() -> None:
    """Export the ledger of jobs, devices and quality."""


@application.command("export")
def export_ledger(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="the file; - is standard output")],
    what: Annotated[
        str, typer.Option("--what", help="jobs, activity, quality, corrections or sessions")
    ] = "jobs",
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="the daemon's configuration")
    ] = None,
    store: Annotated[
        str | None, typer.Option("--store", metavar="URL", help="or the store: sqlite:///qwatch.db")
    ] = None,
    begin: Annotated[
        str | None, typer.Option("--from", metavar="WHEN", help="a moment, or how long ago: 30d")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="WHEN", help="before this moment")] = None,
    device: Annotated[str | None, typer.Option("--device", metavar="DEVICE", help="of one device")] = None,
    form: Annotated[str, typer.Option("--format", help="csv or jsonl")] = "csv",
    anonymous: Annotated[
        bool, typer.Option("--anonymous", help="stand-ins for users, accounts, jobs and sessions")
    ] = False,
) -> None:
    """Write a part of the ledger, a row a line; it may be as long as it likes."""
    needs("reports", "pydantic_settings", "sqlalchemy", "alembic")
    from ..reports.ledger_export import PARTS, Format, export
    from ..reports.read_only_store import open_store

    if what not in PARTS:
        raise typer.BadParameter(f"{what!r} is not {', '.join(PARTS)}", param_hint="--what")
    if form not in get_args(Format):
        raise typer.BadParameter(f"{form!r} is not csv or jsonl", param_hint="--format")
    since, until = _seconds(begin, "--from"), _seconds(end, "--to")
    if since is not None and until is not None and since >= until:
        raise typer.BadParameter("lies before --from, or at it", param_hint="--to")
    with open_store(_url(config, store)) as opened, whole_file(out) as file:
        rows = opened.read(
            lambda connection: export(
                connection,
                what,
                file,
                "csv" if form == "csv" else "jsonl",
                begin=since,
                end=until,
                device=device,
                anonymous=anonymous,
                progress=_progress,
            )
        )
    typer.echo(f"{rows} rows of {what} in {'standard output' if str(out) == '-' else out}", err=True)


def _url(config: Path | None, store: str | None) -> str:
    if (config is None) == (store is None):
        raise typer.BadParameter("give --config (the daemon's) or --store, one of them")
    if store is not None:
        return store
    from ..daemon.configuration import load_configuration

    assert config is not None
    return load_configuration(config).store.url


def _seconds(text: str | None, option: str) -> float | None:
    from .admin_request import moment_of

    return None if text is None else datetime.fromisoformat(moment_of(text, option, past=True)).timestamp()


def _progress(rows: int) -> None:
    if sys.stderr.isatty():
        typer.echo(f"{rows} rows …", err=True)
