"""Runs a user's program with a QPU: QRMI's environment, a session, and traces, without an edit of the program.

The session belongs to this process, so that it is released even if the program is killed; the session's span
lives here too, and the program's spans are placed below it.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from ..telemetry.identity import identity_attributes, program_attributes
from ..telemetry.redaction import redact
from ..telemetry.trace_context import TRACEPARENT, format_traceparent
from ..telemetry.tracing import TRACE_DIRECTORY, Tracing, configure_tracing
from .guard import Guard
from .instrumented_resource import InstrumentedResource
from .job_attributes import JOB_CLASS_VARIABLE
from .location import (
    QPU_VARIABLE,
    TOKEN_FILE_VARIABLE,
    Location,
    ResourceNotAvailableError,
    locate,
)
from .open_resource import job_id, open_location, user_id
from .program_tracing import SWITCH, has_destination
from .resource_types import EMULATOR, URL_KEYS
from .session import session_variable
from .session_spans import SESSION_TRACEPARENT_VARIABLE, SessionSpan
from .signals import ForwardedSignals

SERVICE_NAME = "qwatch-run"
SITE_HOOK = Path(__file__).parent / "site_hook"

_log = logging.getLogger(__name__)
_GUARD = Guard("set-up of tracing")


class ProgramNotStartedError(RuntimeError):
    """The program cannot be started; the message is one line: what, and why."""


def run_program(
    command: Sequence[str],
    *,
    qpu: str | None = None,
    job_class: str | None = None,
    environment: Mapping[str, str] | None = None,
    config: Path | None = None,
) -> int:
    """Run ``command`` with the QPU ``qpu`` and return its exit code, 128 + n if the signal n ended it.

    A session that the environment holds is used and kept; otherwise one is acquired and released at the end.
    Signals that end or inform a program (INT, TERM, HUP, USR1, USR2) are passed on to it.

    Args:
        command: the program and its arguments.
        qpu: name of the QPU, ``emulator`` for the one in the program's own process; by default ``QWATCH_QPU``
            or the only one there is.
        job_class: class of the program's jobs at the daemon (``development``), by default the daemon's choice.
        environment: the program's environment, by default this process's.
        config: a ``qrmi_config.json`` that alone is searched for the QPU.

    Raises:
        ResourceNotAvailableError: there is no such QPU, or it gives no session.
        ProgramNotStartedError: the program is not found or may not be executed.
    """
    environment = os.environ if environment is None else environment
    executable = _executable(command, environment)
    location = _in_class(locate(qpu, config=config, environment=environment), job_class)
    directory = environment.get(TRACE_DIRECTORY) or location.trace_directory
    tracing = Tracing()
    if directory or has_destination(environment):
        with _GUARD:
            tracing = configure_tracing(
                SERVICE_NAME,
                resource_attributes=identity_attributes() | program_attributes(),
                trace_directory=Path(directory) if directory else None,
            )
    try:
        with (
            ForwardedSignals() as signals,
            _session(location, environment) as (token, session),
        ):
            if signals.first is not None:
                return 128 + signals.first
            settings = _program_environment(location, environment, token, session)
            settings |= {JOB_CLASS_VARIABLE: job_class} if job_class else {}
            settings |= {TRACE_DIRECTORY: directory} if directory else {}
            try:
                program = subprocess.Popen([executable, *command[1:]], env=settings)
            except OSError as error:
                raise ProgramNotStartedError(f"{command[0]} cannot be started: {error.strerror}") from error
            signals.forward_to(program)
            code = program.wait()
            return code if code >= 0 else 128 - code
    finally:
        tracing.shutdown()


def _executable(command: Sequence[str], environment: Mapping[str, str]) -> str:
    if not command:
        raise ProgramNotStartedError("no program is given: qwatch run [OPTIONS] -- PROGRAM [ARGUMENT]…")
    found = shutil.which(command[0], path=environment.get("PATH", os.defpath))
    if found is None:
        reason = "is not executable" if Path(command[0]).is_file() else "is not found"
        raise ProgramNotStartedError(f"{command[0]} {reason}")
    return found


def _in_class(location: Location, job_class: str | None) -> Location:
    """Return the location with the base URL of a job class."""
    if job_class is None or location.type_word == EMULATOR:
        return location
    if location.url is None:
        raise ResourceNotAvailableError(
            f"QPU {location.name!r} ({location.source}) has no daemon, so that its jobs have no class: "
            "leave the job class out"
        )
    parts = urlsplit(location.url)
    path = parts.path.partition("/classes/")[0].rstrip("/")
    if "/devices/" not in path:
        path = f"{path}/devices/{quote(location.name, safe='')}"
    path = f"{path}/classes/{quote(job_class, safe='')}"
    url = urlunsplit(parts._replace(path=path))
    settings = {key: value for key, value in location.settings.items() if key not in URL_KEYS}
    return dataclasses.replace(location, settings={**settings, URL_KEYS[0]: url})


@contextmanager
def _session(location: Location, environment: Mapping[str, str]) -> Iterator[tuple[str, SessionSpan | None]]:
    """Hold a session, or use the one that the job holds; yield its token and its span."""
    held = environment.get(session_variable(location.name))
    resource = open_location(location, environment=environment)
    try:
        if held:
            yield held, resource.session_of(held)
            return
        try:
            token = resource.acquire()
        except RuntimeError as error:
            raise ResourceNotAvailableError(
                f"QPU {location.name!r} ({location.source}) gives no session: {redact(str(error))}"
            ) from error
        try:
            yield token, resource.session_of(token)
        finally:
            _release(resource, token)
    finally:
        resource.close()


def _release(resource: InstrumentedResource, token: str) -> None:
    try:
        resource.release(token)
    except RuntimeError as error:
        # The program's own exit code tells more than this; the daemon ends idle sessions.
        _log.warning("the session of %s could not be released: %s", resource.resource_id(), redact(str(error)))


def _program_environment(
    location: Location, environment: Mapping[str, str], token: str, session: SessionSpan | None
) -> dict[str, str]:
    settings = dict(environment)
    settings[QPU_VARIABLE] = location.name
    settings[session_variable(location.name)] = token
    settings[SWITCH] = "1"
    settings["PYTHONPATH"] = os.pathsep.join([str(SITE_HOOK), *filter(None, [environment.get("PYTHONPATH")])])
    if location.type_word != EMULATOR:
        settings |= {f"{location.name}_{key}": value for key, value in location.settings.items()}
        settings["QRMI_JOB_UID"] = user_id(environment)
        settings["QRMI_JOB_ID"] = job_id(environment)
        settings["QRMI_JOB_QPU_RESOURCES"] = location.name
        settings["QRMI_JOB_QPU_TYPES"] = location.type_word
    if location.token_file is not None:
        settings[TOKEN_FILE_VARIABLE] = str(location.token_file)
    if session is not None and session.context.is_valid:
        traceparent = format_traceparent(session.context)
        settings[TRACEPARENT] = settings[SESSION_TRACEPARENT_VARIABLE] = traceparent
    return settings
