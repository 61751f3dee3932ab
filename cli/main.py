"""The ``qwatch`` command: its verbs together, and what becomes of an error."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated, Any

import typer

from . import admin_ledger, operator_verbs, user_verbs
from .admin import application as administration
from .config import application as configuration
from .ledger import application as ledger
from .store import application as store

application = typer.Typer(
    name="qwatch",
    help="Observability-first middleware for QPUs in HPC centres.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

application.add_typer(operator_verbs.application)
application.add_typer(user_verbs.application)
administration.add_typer(admin_ledger.corrections)
administration.add_typer(admin_ledger.person, name="person")
application.add_typer(administration, name="admin")
application.add_typer(ledger, name="ledger")
application.add_typer(configuration, name="config")
application.add_typer(store, name="store")


@application.callback(invoke_without_command=True)
def root(
    show_version: Annotated[bool, typer.Option("--version", help="print the version")] = False,
) -> None:
    """Observability-first middleware for QPUs in HPC centres."""
    if show_version:
        typer.echo(f"qwatch {version('qwatch')}")
        raise typer.Exit


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


if __name__ == "__main__":
    main()
