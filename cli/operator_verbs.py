"""The verbs of ``qwatch`` that run and judge a machine; each calls one function of a room."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .parts_installed import needs as _needs
from .shared_options import JsonOption, QpuOption

application = typer.Typer()


@application.command()
def up(
    seconds: Annotated[
        float | None,
        typer.Option("--for", metavar="SECONDS", help="stop by itself; exit 0 only if a job became DONE"),
    ] = None,
    no_demo: Annotated[bool, typer.Option("--no-demo", help="leave the workload out")] = False,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", metavar="DIR", help="keep state here between runs")
    ] = None,
    shot_rate: Annotated[
        float, typer.Option("--shot-rate", metavar="HERTZ", help="shots a second of the emulated QPU", min=0.01)
    ] = 200.0,
    auth: Annotated[str, typer.Option("--auth", help="auto, munge or local")] = "auto",
    api_port: Annotated[int, typer.Option("--api-port", help="wanted port of the job API", max=65535)] = 8006,
    metrics_port: Annotated[
        int, typer.Option("--metrics-port", help="wanted port of the metrics", max=65535)
    ] = 8007,
    qpu_port: Annotated[
        int, typer.Option("--qpu-port", help="wanted port of the emulated QPU", max=65535)
    ] = 8005,
    bin_dir: Annotated[
        Path | None,
        typer.Option(
            "--bin-dir",
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="where Prometheus, Grafana, … are looked for first, before PATH",
        ),
    ] = None,
    no_engines: Annotated[
        bool, typer.Option("--no-engines", help="leave Prometheus, Grafana, … out, installed or not")
    ] = False,
) -> None:
    """Start everything on this machine: an emulated QPU, the daemon, a workload, and the engines found."""
    if auth not in ("auto", "munge", "local"):
        raise typer.BadParameter(f"{auth!r} is not auto, munge or local", param_hint="--auth")
    _needs("up", "alembic", "fastapi", "pulser_simulation")
    from ..daemon.local_stack.stack import StackOptions
    from .up import run_up

    options = StackOptions(
        data_dir,
        not no_demo,
        shot_rate,
        qpu_port,
        api_port,
        metrics_port,
        auth,
        engines=not no_engines,
        engine_folder=bin_dir,
    )
    raise typer.Exit(run_up(options, seconds))


@application.command()
def serve(
    config: Annotated[Path, typer.Option("--config", metavar="FILE", help="the configuration, YAML")],
    role: Annotated[
        str, typer.Option("--role", help="all, or observer: only look at another scheduler or a resource")
    ] = "all",
) -> None:
    """Run the daemon: the job API, the dispatcher, /metrics; or, as an observer, /metrics alone."""
    if role in ("api", "dispatcher"):
        raise typer.BadParameter(
            f"{role!r} is not built yet; there are 'all' and 'observer'", param_hint="--role"
        )
    if role not in ("all", "observer"):
        raise typer.BadParameter(f"{role!r} is not a role; there are 'all' and 'observer'", param_hint="--role")
    _needs("daemon", "alembic", "fastapi", "pydantic_settings")
    from ..daemon.configuration import load_configuration

    if role == "observer":
        from ..daemon.observer_service import serve_observer

        serve_observer(load_configuration(config))
        return
    from ..daemon.service import serve as serve_daemon

    serve_daemon(load_configuration(config))


@application.command()
def emulate(
    host: Annotated[str, typer.Option("--host", help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="port to listen on", max=65535)] = 8005,
    name: Annotated[str, typer.Option("--name", help="name of the device in its specs")] = "EMU",
    shot_rate: Annotated[
        float, typer.Option("--shot-rate", metavar="HERTZ", help="shots a second", min=0.01)
    ] = 100.0,
    settings: Annotated[
        Path | None,
        typer.Option("--settings", metavar="FILE", help="noise, faults and the rest, as JSON or YAML"),
    ] = None,
) -> None:
    """Run an emulated neutral-atom QPU behind the on-premises QPU's API."""
    _needs("emulator", "fastapi", "pulser_simulation")
    from .emulate import run_emulator

    run_emulator(settings, host=host, port=port, name=name, shot_rate=shot_rate)


@application.command()
def report(
    month: Annotated[str | None, typer.Option("--month", metavar="2026-11", help="a calendar month")] = None,
    week: Annotated[str | None, typer.Option("--week", metavar="2026-W47", help="a week of ISO 8601")] = None,
    year: Annotated[str | None, typer.Option("--year", metavar="2026", help="a calendar year")] = None,
    begin: Annotated[
        str | None, typer.Option("--from", metavar="WHEN", help="a date, or a moment in ISO 8601")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="WHEN", help="the moment before which it ends; default: now")
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            help="user, account, class, partition, sdk, session, device or slurm-job: what to break down by",
        ),
    ] = "class",
    device: Annotated[
        list[str] | None, typer.Option("--device", metavar="NAME", help="only this one; may be repeated")
    ] = None,
    how: Annotated[
        str | None,
        typer.Option("--format", help="html, md, csv or json; default: what --out is named, else md"),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option("--table", metavar="NAME", help="csv: only this table, with columns of its own"),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="write it there")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="the daemon's configuration")
    ] = None,
    store: Annotated[
        str | None, typer.Option("--store", metavar="URL", help="the store: a database's URL or a file")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option("--timezone", metavar="ZONE", help="zone of days and months: Europe/Paris")
    ] = None,
    top: Annotated[
        int | None, typer.Option("--top", help="how many users and accounts are listed", min=1, max=1000)
    ] = None,
    no_names: Annotated[
        bool, typer.Option("--anonymous", help="aliases for users, accounts, sessions and Slurm jobs")
    ] = False,
) -> None:
    """Report how the devices were used in a period (default: the month so far), from the ledger."""
    _needs("reports", "alembic", "jinja2", "numpy", "pydantic_settings", "sqlalchemy")
    from ..reports.breakdown import BY
    from ..reports.period import Asked
    from .report import ReportOptions, run_report

    if by not in BY:
        raise typer.BadParameter(f"{by!r} is not one of {', '.join(BY)}", param_hint="--by")
    asked = Asked(month=month, week=week, year=year, begin=begin, end=end)
    run_report(
        ReportOptions(
            asked=asked,
            by=by,
            devices=device or (),
            how=how,
            table=table,
            out=out,
            config=config,
            store=store,
            timezone=timezone,
            top=top,
            anonymous=no_names,
        )
    )


@application.command()
def doctor(
    qpu: QpuOption = None,
    prometheus: Annotated[
        str | None, typer.Option("--prometheus", metavar="URL", help="the Prometheus that scrapes the daemon")
    ] = None,
    loki: Annotated[
        str | None, typer.Option("--loki", metavar="URL", help="the Loki that the daemon sends to")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell of each part whether it works, and what to do if not."""
    from .doctor import run_doctor

    raise typer.Exit(run_doctor(qpu, prometheus, loki, as_json))
