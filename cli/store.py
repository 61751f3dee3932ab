"""``qwatch store``: back up, restore, check and migrate the daemon's store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress as ProgressBar

from .config import existing
from .failure import CommandFailedError
from .parts_installed import needs

if TYPE_CHECKING:
    from ..scheduler.store_check import Condition
    from ..scheduler.store_file import Progress

application = typer.Typer(
    help="Back up, restore, check and migrate the daemon's store.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="names the store; default: qwatch.yaml here, else /etc/qwatch/qwatch.yaml",
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option("--store", metavar="FILE|URL", help="the store, instead of what a configuration names"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON, for scripts")]


@application.callback()
def root() -> None:
    """Back up, restore, check and migrate the daemon's store."""
    needs("daemon", "alembic", "pydantic_settings", "sqlalchemy")


@application.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="where to write it; only its owner can read it")],
    config: ConfigOption = None,
    store: StoreOption = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite a file that is there")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a checked copy of a SQLite store, while the daemon goes on working."""
    from ..scheduler import store_backup

    with _progress("copying") as told:
        made = store_backup.backup(_url(config, store), file, force=force, progress=told)
    if as_json:
        typer.echo(json.dumps(asdict(made)))
        return
    moment = datetime.fromtimestamp(made.taken_at, UTC).astimezone().isoformat(timespec="seconds")
    typer.echo(f"wrote {made.file}: the store as of {moment}, {_summary(made.condition)}")


@application.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a backup")],
    config: ConfigOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a backup in the store's place, while no daemon runs; what was there is kept aside."""
    from ..scheduler import store_backup

    with _progress("copying") as told:
        done = store_backup.restore(_url(config, store), file, progress=told)
    if as_json:
        typer.echo(json.dumps(asdict(done)))
        return
    typer.echo(f"restored {done.store}: {_summary(done.condition)}")
    if done.revision_of_backup != done.condition.revision:
        typer.echo(f"it was migrated from revision {done.revision_of_backup}")
    if done.kept_aside is not None:
        typer.echo(f"the store that was there is {done.kept_aside}")
    if not done.numbers_go_on:
        typer.echo("it could not be read: numbers of jobs that came after the backup will be given again")


@application.command()
def check(config: ConfigOption = None, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Tell a store's revision, integrity and size: exit code 1 if it is damaged or of an unknown revision."""
    from sqlalchemy import create_engine

    from ..scheduler import store_check, store_file

    url = _url(config, store)
    if store_file.is_file(url):
        found = store_check.check_file(store_file.existing(url))
    else:
        found = store_check.check_server(create_engine(store_file.parsed(url)))
    if as_json:
        typer.echo(json.dumps(asdict(found)))
    else:
        for name, line in _lines(found):
            typer.echo(f"{name:<10} {line}")
    if not found.good:
        raise typer.Exit(1)


@application.command()
def upgrade(
    config: ConfigOption = None,
    store: StoreOption = None,
    to: Annotated[str | None, typer.Option("--to", metavar="REVISION", help="default: the newest")] = None,
) -> None:
    """Migrate a store while no daemon runs; the daemon does it by itself when it starts."""
    from ..scheduler import schema, store_alone

    if to is not None and to not in schema.revisions():
        raise typer.BadParameter(_unknown(to, schema.revisions()), param_hint="--to")
    with store_alone.alone(_url(config, store)) as engine:
        with engine.connect() as connection:
            before = schema.revision_of(connection)
        revision = schema.upgrade(engine, to or "head")
    if revision == before:
        typer.echo(f"revision {revision}: nothing to do")
    else:
        typer.echo(f"migrated from revision {before or 'none'} to {revision}")


@application.command()
def downgrade(
    to: Annotated[str, typer.Option("--to", metavar="REVISION", help="as 'qwatch store check' tells it")],
    config: ConfigOption = None,
    store: StoreOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Take a store back to an earlier revision, for an earlier qwatch; tells what is lost, and asks."""
    from ..scheduler import schema, store_alone

    known = schema.revisions()
    if to not in known:
        raise typer.BadParameter(_unknown(to, known), param_hint="--to")
    with store_alone.alone(_url(config, store)) as engine:
        lost = schema.losses(engine, to)
        with engine.connect() as connection:
            before = schema.revision_of(connection)
        order = list(known)
        for revision in reversed(order[order.index(to) + 1 : order.index(str(before)) + 1]):
            typer.echo(f"takes back {revision}: {known[revision]}")
        for loss in lost:
            typer.echo(f"loses {loss}")
        if not yes and not typer.confirm("Go on? There is no way back but a backup"):
            raise CommandFailedError("nothing was changed")
        schema.downgrade(engine, to)
    typer.echo(
        f"migrated from revision {before} to {to}; install the qwatch of that revision before a daemon starts"
    )


def _url(config: Path | None, store: str | None) -> str:
    if store is not None:
        if config is not None:
            raise typer.BadParameter("give either --config or --store", param_hint="--store")
        return store
    from ..daemon.configuration import load_configuration

    return load_configuration(existing(config)).store.url


def _summary(found: Condition) -> str:
    jobs = "1 job" if found.jobs == 1 else f"{found.jobs} jobs"
    return (
        f"revision {found.revision}, {jobs} ({found.unfinished} waiting or running), "
        f"{_bytes(found.size)}, integrity ok"
    )


def _lines(found: Condition) -> Iterator[tuple[str, str]]:
    yield "store", found.store
    if found.revision == found.newest:
        yield "revision", f"{found.revision}, the newest"
    elif found.known:
        yield "revision", f"{found.revision}, of {found.newest}; the daemon migrates it when it starts"
    elif found.revision is None:
        yield "revision", "none: this is not a store of qwatch"
    else:
        yield "revision", f"{found.revision}, unknown to this qwatch ({found.newest}): a newer one wrote it"
    for problem in found.problems:
        yield "damaged", problem
    if not found.problems:
        yield "integrity", "ok" if found.log_size is not None else "the server's own matter"
    size = _bytes(found.size)
    if found.log_size:
        size += f", and {_bytes(found.log_size)} in the write-ahead log"
    if found.free:
        size += f"; {_bytes(found.free)} free within"
    yield "size", size
    yield "jobs", f"{found.jobs}, of which {found.unfinished} wait or run"


def _unknown(to: str, known: dict[str, Any]) -> str:
    return f"{to!r} is not a revision; there are {', '.join(known)}"


def _bytes(number: int) -> str:
    value = float(number)
    for unit in ("bytes", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


@contextmanager
def _progress(what: str) -> Iterator[Progress]:
    """Show how far a copy is, to a person."""
    console = Console(stderr=True)
    with ProgressBar(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
