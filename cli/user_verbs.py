"""The verbs of ``qwatch`` that users need; each calls one function of a room."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .parts_installed import needs as _needs
from .shared_options import JsonOption, QpuOption

if TYPE_CHECKING:
    from .periods import Period

application = typer.Typer()

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


def _period(month: str | None, begin: str | None, end: str | None) -> Period:
    from .periods import PeriodError, period

    try:
        return period(month, begin, end)
    except PeriodError as error:
        raise typer.BadParameter(str(error), param_hint="--month, --from, --to") from None
