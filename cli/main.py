"""The ``qwatch`` command: each verb calls one function of a room and prints what it returns."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import admin_ledger
from .admin import application as administration
from .config import application as configuration
from .ledger import application as ledger
from .parts_installed import needs as _needs
from .store import application as store

if TYPE_CHECKING:
    from .periods import Period

application = typer.Typer(
    name="qwatch",
    help="Observability-first middleware for QPUs in HPC centres.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

administration.add_typer(admin_ledger.corrections)
administration.add_typer(admin_ledger.person, name="person")
application.add_typer(administration, name="admin")
application.add_typer(ledger, name="ledger")
application.add_typer(configuration, name="config")
application.add_typer(store, name="store")

QpuOption = Annotated[
    str | None, typer.Option("--qpu", metavar="NAME", help="the QPU; 'emulator' is one in this process")
]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON, for scripts")]
HtmlOption = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="write the timeline as a page of its own")
]
MonthOption = Annotated[
    str | None, typer.Option("--month", metavar="YYYY-MM", help="a month, in the zone of this machine")
]
FromOption = Annotated[
    str | None,
    typer.Option("--from", metavar="WHEN", help="moment, or time back from now (7d); default: 30 days"),
]
ToOption = Annotated[str | None, typer.Option("--to", metavar="WHEN", help="the same; default: now")]
UserOption = Annotated[
    str | None, typer.Option("--user", metavar="NAME", help="of this user, for administrators")
]


@application.callback(invoke_without_command=True)
def root(
    show_version: Annotated[bool, typer.Option("--version", help="print the version")] = False,
) -> None:
    """Observability-first middleware for QPUs in HPC centres."""
    if show_version:
        typer.echo(f"qwatch {version('qwatch')}")
        raise typer.Exit


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


@application.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def run(
    command: Annotated[list[str] | None, typer.Argument(metavar="-- PROGRAM [ARGUMENT]...")] = None,
    qpu: QpuOption = None,
    job_class: Annotated[
        str | None, typer.Option("--class", metavar="CLASS", help="production, test, development or qa")
    ] = None,
    list_them: Annotated[
        bool, typer.Option("--list", help="show where a program can run now: state, queue, expected wait")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="with --list: print JSON, for scripts")] = False,
) -> None:
    """Run a hybrid program on a QPU, with its session and its tracing taken care of."""
    if list_them:
        from .environments import list_environments

        list_environments(as_json)
        return
    if as_json:
        raise typer.BadParameter("it goes with --list", param_hint="--json")
    if not command:
        raise typer.BadParameter("Missing the program: qwatch run [OPTIONS] -- PROGRAM [ARGUMENT]…")
    from ..qrmi.program import run_program

    raise typer.Exit(run_program(command, qpu=qpu, job_class=job_class))


@application.command()
def submit(
    sequence: Annotated[
        Path, typer.Argument(metavar="FILE", help="Pulser's abstract representation of a sequence, JSON")
    ],
    shots: Annotated[int, typer.Option("--shots", help="number of shots")],
    qpu: QpuOption = None,
    job_class: Annotated[
        str | None, typer.Option("--class", metavar="CLASS", help="production, test, development or qa")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="wait for the job's end and print its results")] = False,
    as_json: JsonOption = False,
) -> None:
    """Submit a job."""
    from .jobs import submit_job

    raise typer.Exit(submit_job(sequence, shots, qpu=qpu, job_class=job_class, wait=wait, as_json=as_json))


@application.command()
def jobs(
    qpu: QpuOption = None,
    limit: Annotated[int, typer.Option("--limit", help="how many, newest first", min=1, max=1000)] = 20,
    as_json: JsonOption = False,
) -> None:
    """List your jobs."""
    from .jobs import list_jobs

    list_jobs(qpu, limit, as_json)


@application.command()
def job(
    number: Annotated[int, typer.Argument(metavar="ID")],
    qpu: QpuOption = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="show the job's part of its trace, where spans are in files")
    ] = False,
    session: Annotated[
        bool,
        typer.Option("--session", help="show where the time of the job's whole session went, and its trace"),
    ] = False,
    html: HtmlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a job: state, where its time went, results, log and trace."""
    if html is not None:
        _needs("reports", "jinja2")
    from .jobs import show_job

    show_job(number, qpu, trace, session, as_json, html)


@application.command()
def usage(
    month: MonthOption = None,
    begin: FromOption = None,
    end: ToOption = None,
    by: Annotated[
        str | None, typer.Option("--by", help="device, class, session, day, sdk or slurm-job")
    ] = None,
    qpu: QpuOption = None,
    user: UserOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what you used: jobs, shots, time on the device, waits, and how well sessions were used."""
    from .usage import KEYS, show_usage

    if by is not None and by not in KEYS:
        raise typer.BadParameter(f"{by!r} is not one of {', '.join(KEYS)}", param_hint="--by")
    show_usage(_period(month, begin, end), by, qpu, user, as_json)


@application.command()
def sessions(
    month: MonthOption = None,
    begin: FromOption = None,
    end: ToOption = None,
    limit: Annotated[int, typer.Option("--limit", help="how many, newest first", min=1, max=1000)] = 20,
    qpu: QpuOption = None,
    user: UserOption = None,
    as_json: JsonOption = False,
) -> None:
    """List your sessions: those that began in a period, and those that are held."""
    from .sessions import list_sessions

    list_sessions(_period(month, begin, end), qpu, user, limit, as_json)


@application.command()
def session(
    number: Annotated[int | None, typer.Argument(metavar="ID", help="as 'qwatch sessions' lists it")] = None,
    slurm_job: Annotated[
        str | None, typer.Option("--slurm-job", metavar="N", help="every session of this Slurm job")
    ] = None,
    html: HtmlOption = None,
    qpu: QpuOption = None,
    user: UserOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a session: where its time went, and when which of its jobs did what."""
    if (number is None) == (slurm_job is None):
        raise typer.BadParameter("give either the session's number or --slurm-job N", param_hint="ID")
    if html is not None:
        _needs("reports", "jinja2")
    from .sessions import show_session

    show_session(number, slurm_job, qpu, user, html=html, as_json=as_json)


@application.command()
def cancel(number: Annotated[int, typer.Argument(metavar="ID")], qpu: QpuOption = None) -> None:
    """Cancel a job that waits or runs."""
    from .jobs import cancel_job

    cancel_job(number, qpu)


@application.command(name="open")
def open_status_page(
    qpu: QpuOption = None,
    print_only: Annotated[
        bool, typer.Option("--print", help="print the link instead of opening a browser, for ssh")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Open the status page in a browser, logged in as you, by a link that works once."""
    from .open_page import open_page

    open_page(qpu, print_only, as_json)


@application.command()
def top(
    qpu: QpuOption = None,
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="URL", help="the daemon, where no QPU leads to it: an observer"),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="print one picture and end")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one snapshot as JSON, for scripts")] = False,
    interval: Annotated[
        float, typer.Option("--interval", metavar="SECONDS", help="between two pictures", min=0.1, max=3600)
    ] = 1.0,
    ascii_only: Annotated[
        bool, typer.Option("--ascii", help="draw with ASCII; by itself where the locale is not UTF-8")
    ] = False,
) -> None:
    """Watch devices, queue and jobs live in the terminal; ? shows the keys."""
    from .top.command import run_top

    run_top(qpu, url, once=once, as_json=as_json, interval=interval, ascii_only=ascii_only)


@application.command()
def push(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE|DIR]...", help="default: QWATCH_TRACE_DIRECTORY")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="URL", help="the receiver; default: OTEL_EXPORTER_OTLP_ENDPOINT"),
    ] = None,
    protocol: Annotated[str | None, typer.Option("--protocol", help="http/protobuf (default) or grpc")] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", metavar="NAME=VALUE", help="for tenant and authentication")
    ] = None,
    patience: Annotated[
        float,
        typer.Option("--patience", metavar="SECONDS", help="how long to ask again a receiver that is down"),
    ] = 30.0,
    again: Annotated[bool, typer.Option("--again", help="send also what was sent before")] = False,
    as_json: JsonOption = False,
) -> None:
    """Send telemetry that was written to files (QWATCH_TRACE_DIRECTORY) to an OTLP receiver, each once."""
    from .push import push_files

    raise typer.Exit(push_files(paths or [], to, protocol, header or [], patience, again, as_json))


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


def main() -> None:
    """Run the command line: exit code 0, 1 (failed) or 2 (usage), errors as one line."""
    from ..daemon.local_stack.die_with_parent import die_with_parent

    die_with_parent()
    try:
        application(prog_name="qwatch")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if not _is_users(error):
            raise
        from ..telemetry.redaction import redact

        text = str(error)
        if isinstance(error, OSError) and error.filename is not None:
            text = f"{error.filename}: {error.strerror}"
        for line in text.splitlines():
            typer.echo(f"qwatch: {redact(line)}", err=True)
        sys.exit(1)


def _is_users(error: Exception) -> bool:
    """Whether an error is one that its reader can do something about, told in its message."""
    import qrmi

    from ..qrmi.local_auth import TokenFileError
    from ..qrmi.location import ResourceNotAvailableError
    from ..qrmi.program import ProgramNotStartedError
    from .failure import CommandFailedError

    known: list[type[Exception]] = [
        CommandFailedError,
        ProgramNotStartedError,
        ResourceNotAvailableError,
        TokenFileError,
        qrmi.QrmiError,
        OSError,
    ]
    scheduler_errors: Any = sys.modules.get("qwatch.scheduler.errors")
    if scheduler_errors is not None:
        known.append(scheduler_errors.SchedulerError)
    return isinstance(error, tuple(known))


def _period(month: str | None, begin: str | None, end: str | None) -> Period:
    from .periods import PeriodError, period

    try:
        return period(month, begin, end)
    except PeriodError as error:
        raise typer.BadParameter(str(error), param_hint="--month, --from, --to") from None


if __name__ == "__main__":
    main()
