"""``qwatch admin correct``, ``corrections`` and ``person``: the ledger's corrections, and one person's data."""

from __future__ import annotations

import json
import math
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from .admin_request import call, moment_of, show
from .parts_installed import needs
from .whole_file import whole_file

corrections = typer.Typer(rich_markup_mode=None)
person = typer.Typer(
    help="Export or erase what is stored about one person.", no_args_is_help=True, rich_markup_mode=None
)

AsJson = Annotated[bool, typer.Option("--json", help="print JSON, for scripts")]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="in the store of this configuration: an observer's, which has no API"
    ),
]
Who = Annotated[str, typer.Argument(metavar="USER|UID", help="login name, or uid")]


@corrections.command("correct")
def correct(
    context: typer.Context,
    account: Annotated[
        str | None, typer.Option("--account", metavar="ACCOUNT", help="default: that of the job")
    ] = None,
    busy_seconds: Annotated[
        float, typer.Option("--busy-seconds", metavar="SECONDS", help="busy time to add; negative gives back")
    ] = 0.0,
    cost: Annotated[
        float, typer.Option("--cost", metavar="AMOUNT", help="amount to add; negative gives back")
    ] = 0.0,
    applies_at: Annotated[
        str | None,
        typer.Option(
            "--applies-at",
            metavar="WHEN",
            help="the moment whose period it belongs to; default: the job's end, or now",
        ),
    ] = None,
    job: Annotated[int | None, typer.Option("--job", metavar="N", help="the job that it is about")] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="WHY", help="printed on the statement")] = "",
    as_json: AsJson = False,
) -> None:
    """Correct what an account used or owes: a row of its own, with a reason; nothing is edited."""
    if not reason.strip():
        raise typer.BadParameter(
            "a correction needs one: it is printed on the statement", param_hint="--reason"
        )
    if not (math.isfinite(busy_seconds) and math.isfinite(cost)):
        raise typer.BadParameter("--busy-seconds and --cost are finite numbers")
    if busy_seconds == 0 and cost == 0:
        raise typer.BadParameter("give --busy-seconds or --cost; both are 0, which corrects nothing")
    if account is None and job is None:
        raise typer.BadParameter("give --account, or --job whose account it is")
    body: dict[str, Any] = {"busy_seconds": busy_seconds, "cost": cost, "reason": reason}
    body |= {"account": account, "job": None if job is None else str(job)}
    if applies_at is not None:
        body["applies_at"] = moment_of(applies_at, "--applies-at", past=True)
    show(call(context, "POST", "/admin/corrections", json=body), as_json, _correction)


@corrections.command("corrections")
def list_corrections(
    context: typer.Context,
    account: Annotated[str | None, typer.Option("--account", metavar="ACCOUNT", help="of one account")] = None,
    limit: Annotated[int, typer.Option("--limit", help="how many, newest first", min=1, max=1000)] = 100,
    as_json: AsJson = False,
) -> None:
    """List the corrections of the ledger, newest first."""
    parameters: dict[str, Any] = {"limit": limit} | ({} if account is None else {"account": account})
    show(call(context, "GET", "/admin/corrections", params=parameters), as_json, _corrections)


@person.command("export")
def export_person(
    context: typer.Context,
    who: Who,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="JSON Lines; - is standard output")],
    config: Config = None,
) -> None:
    """Write all that is stored about a person: a row of a table a line."""
    rows = 0
    page = _ask(context, config, "export", _person(who))
    with whole_file(out) as file:
        while True:
            for row in page["rows"]:
                file.write(json.dumps(row) + "\n")
            rows += len(page["rows"])
            if page["table"] is None:
                break
            place = {"table": page["table"], "after": page["after"]}
            page = _ask(context, config, "export", _person(who) | place)
    typer.echo(f"{rows} rows about {who} in {out}", err=True)


@person.command("erase")
def erase_person(
    context: typer.Context,
    who: Who,
    reason: Annotated[
        str, typer.Option("--reason", metavar="WHY", help="for the audit log; may not name the person")
    ],
    rewrite: Annotated[
        bool | None,
        typer.Option(
            "--rewrite/--no-rewrite",
            help="write an SQLite file anew, while submissions wait; default: if it is small",
        ),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Give up a person's name for ever, and delete their programs, results and logs."""
    body = _person(who) | {"reason": reason, "rewrite": rewrite}
    show(_ask(context, config, "erase", body), as_json, _erased)


def _ask(context: typer.Context, config: Path | None, verb: str, body: dict[str, Any]) -> dict[str, Any]:
    if config is None:
        return call(context, "POST", f"/admin/person/{verb}", json=body)
    needs("daemon", "pydantic_settings", "sqlalchemy", "alembic")
    from . import person_in_store

    work = person_in_store.export_page if verb == "export" else person_in_store.erase
    return work(config, body)


def _person(who: str) -> dict[str, Any]:
    return {"uid": int(who)} if who.isascii() and who.isdigit() else {"user": who}


def _correction(found: dict[str, Any]) -> None:
    typer.echo(_line(found))


def _corrections(found: dict[str, Any]) -> None:
    for item in found["corrections"]:
        typer.echo(_line(item))
    if not found["corrections"]:
        typer.echo("nothing was corrected")


def _line(item: dict[str, Any]) -> str:
    added = []
    if item["busy_seconds"]:
        added.append(f"{item['busy_seconds']:+g} s")
    if item["cost"]:
        added.append(f"{item['cost']:+.2f}")
    about = "" if item["job"] is None else f" for job {item['job']}"
    applies = datetime.fromisoformat(item["applies_at"]).astimezone()
    return (
        f"correction {item['id']}: {item['account']} {', '.join(added)}{about}, applies at "
        f"{applies:%Y-%m-%d %H:%M %z}, by {item['made_by']}: {item['reason']}"
    )


def _erased(found: dict[str, Any]) -> None:
    if found["pseudonym"] is None:
        typer.echo("nothing of this person is stored")
    else:
        rows = ", ".join(f"{count} in {table}" for table, count in found["rows"].items())
        typer.echo(f"erased, now {found['pseudonym']}: {rows} rows")
    for line in found["remains"]:
        typer.echo(f"still there: {line}")
    typer.echo("not in the store: backups, exports, the log and trace stores, the site's own lists of users")
