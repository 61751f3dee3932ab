"""``qwatch config``: write, check and show the daemon's configuration."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer
from rich.console import Console

from .failure import CommandFailedError

if TYPE_CHECKING:
    from ..daemon.configuration_file.finding import Finding

application = typer.Typer(
    help="Write, check and show the daemon's configuration.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_PLACES = (Path("qwatch.yaml"), Path("/etc/qwatch/qwatch.yaml"))
_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}
_MODE = 0o640
"""Of a new file: it is where passwords will be written."""

Role = Literal["all", "observer"]
FileArgument = Annotated[
    Path | None,
    typer.Argument(metavar="FILE", help="default: qwatch.yaml here, else /etc/qwatch/qwatch.yaml"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON, for scripts")]


@application.command()
def init(
    role: Annotated[str, typer.Option("--role", help="all or observer")] = "all",
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="where to write it; - is standard output")
    ] = _PLACES[0],
    full: Annotated[bool, typer.Option("--full", help="every key, not only the essential ones")] = False,
    force: Annotated[bool, typer.Option("--force", help="overwrite a file that is there")] = False,
) -> None:
    """Write a configuration with a comment for each key; what is default is commented out."""
    from ..daemon.configuration import Configuration
    from ..daemon.configuration_file.template import template

    text = template(Configuration, _role(role), full=full)
    if str(out) == "-":
        typer.echo(text, nl=False)
        return
    if force:
        out.unlink(missing_ok=True)
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    except FileExistsError as error:
        raise CommandFailedError(f"{out} is there already; --force overwrites it") from error
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    typer.echo(f"wrote {out}; next: name a device in it, then run: qwatch config check {out}")


@application.command()
def check(
    file: FileArgument = None,
    role: Annotated[
        str | None, typer.Option("--role", help="all or observer; default: seen from the devices")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="ask no address and try no port")] = False,
    as_json: JsonOption = False,
) -> None:
    """Tell what is wrong with a configuration: exit code 0 (nothing), 1 (something) or 2 (no such file)."""
    from ..daemon.configuration_file.check import check as check_file

    path = existing(file)
    findings = check_file(path, None if role is None else _role(role), offline=offline)
    errors = sum(item.level == "error" for item in findings)
    if as_json:
        typer.echo(json.dumps([asdict(item) for item in findings], ensure_ascii=False))
    else:
        _print(findings)
        typer.echo(f"{path}: {_count(errors, 'error')}, {_count(_warnings(findings), 'warning')}")
    if errors:
        raise typer.Exit(1)


@application.command()
def show(
    file: FileArgument = None,
    changed: Annotated[bool, typer.Option("--changed", help="leave out what is default")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show each value and where it comes from: default, file and line, or variable; secrets are masked."""
    from ..daemon.configuration import configuration_of
    from ..daemon.configuration_file.document import read_document
    from ..daemon.configuration_file.origins import entries

    document = read_document(existing(file))
    found = [
        entry
        for entry in entries(configuration_of(document), document, os.environ)
        if entry.is_changed or not changed
    ]
    if as_json:
        rows = [
            {"key": entry.key, "value": entry.value, "origin": entry.origin, "variable": entry.variable}
            for entry in found
        ]
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    cells = [(entry.key, json.dumps(entry.value, ensure_ascii=False), entry.origin) for entry in found]
    widths = [min(60, max((len(row[column]) for row in cells), default=0)) for column in (0, 1)]
    for key, value, origin in cells:
        typer.echo(f"{key:<{widths[0]}}  {value:<{widths[1]}}  {origin}")


def _role(word: str) -> Role:
    for role in get_args(Role):
        if word == role:
            return role  # type: ignore[no-any-return]
    raise typer.BadParameter(f"{word!r} is not a role; there are 'all' and 'observer'", param_hint="--role")


def existing(file: Path | None) -> Path:
    """Return the configuration that is meant: ``file``, or the one in a usual place.

    Raises:
        typer.BadParameter: it is not there.
    """
    if file is not None:
        if not file.exists():
            raise typer.BadParameter(f"{file} does not exist; write one with: qwatch config init --out {file}")
        return file
    for place in _PLACES:
        if place.exists():
            return place
    raise typer.BadParameter("there is no qwatch.yaml here and none in /etc/qwatch; name the FILE")


def _print(findings: list[Finding]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for item in findings:
        console.print(f"[{_COLOURS[item.level]}]{item.level:<7}[/]  ", end="")
        console.print(": ".join(part for part in (item.place, item.key, item.line) if part), markup=False)


def _warnings(findings: list[Finding]) -> int:
    return sum(item.level == "warning" for item in findings)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
