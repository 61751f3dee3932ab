"""Opens a QPU by name, wherever the program runs: laptop, login node, batch job.

    from qwatch.qrmi.open_resource import open_resource
    from qrmi.pulser import PulserQRMIConnection

    connection = PulserQRMIConnection(open_resource(sdk="pulser"))

Which QPU it is, is chosen outside the program: by the job (``QRMI_JOB_QPU_RESOURCES``), by ``QWATCH_QPU``, or
by ``qwatch run --qpu NAME``. ``QWATCH_QPU=emulator`` is the emulator in the program's own process.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import qrmi

from .handover import DaemonAddress
from .in_process import InProcessEmulator
from .instrument import InstrumentedResource, instrument
from .interface import Resource
from .local_auth import TokenFileError, munge_authentication
from .local_client import LocalDaemonResource
from .location import JOB_ENVIRONMENT, Location, ResourceNotAvailableError, locate
from .resource_types import EMULATOR, PASQAL_LOCAL, SESSION_KEY, TYPES
from .wheel import QuantumResource

__all__ = ["ResourceNotAvailableError", "open_location", "open_resource"]


def open_resource(
    name: str | None = None, *, sdk: str | None = None, config: str | os.PathLike[str] | None = None
) -> InstrumentedResource:
    """Return the resource ``name``, instrumented.

    Args:
        name: the QPU; without it ``QWATCH_QPU`` names one, or it is the only one that is available.
        sdk: what the program writes its sequences with (``pulser``), for the accounting of its jobs.
        config: a ``qrmi_config.json`` that alone is searched.

    Raises:
        ResourceNotAvailableError: it cannot be opened; one line says what, where and what to do.
    """
    location = locate(name, config=None if config is None else Path(config))
    return open_location(location, sdk=sdk)


def open_location(
    location: Location, *, sdk: str | None = None, environment: Mapping[str, str] | None = None
) -> InstrumentedResource:
    """Return the resource at ``location``, instrumented.

    ``environment`` tells for which user and job it is used (``QRMI_JOB_UID``, ``QRMI_JOB_ID``), by default
    this process's environment.

    Raises:
        ResourceNotAvailableError: as ``open_resource``.
    """
    environment = os.environ if environment is None else environment
    try:
        resource = bare_resource(location, environment)
    except (qrmi.QrmiError, TokenFileError) as error:
        raise ResourceNotAvailableError(
            f"QPU {location.name!r} ({location.source}) cannot be opened: {error}"
        ) from error
    daemon = None
    if isinstance(resource, QuantumResource) and location.url and location.type_word == PASQAL_LOCAL:
        daemon = DaemonAddress(location.url, munge_authentication())
    return instrument(resource, sdk=sdk, daemon=daemon)


def bare_resource(location: Location, environment: Mapping[str, str]) -> Resource:
    """Return the resource at ``location`` without instrumentation; errors are those of QRMI."""
    if location.type_word == EMULATOR:
        return InProcessEmulator(location.name)
    if location.token_file is not None and location.url is not None:
        return LocalDaemonResource(
            location.name,
            location.url,
            token_file=location.token_file,
            user_id=user_id(environment),
            job_id=job_id(environment),
        )
    if location.source == JOB_ENVIRONMENT and environment is os.environ:
        return QuantumResource(location.name, TYPES[location.type_word])
    # Without the session's token, which is then read from the environment when a task starts.
    settings = {key: value for key, value in location.settings.items() if key != SESSION_KEY}
    if location.type_word == PASQAL_LOCAL:
        settings = {"QRMI_JOB_UID": user_id(environment), "QRMI_JOB_ID": job_id(environment), **settings}
    return QuantumResource.from_config(location.name, TYPES[location.type_word], settings)


def user_id(environment: Mapping[str, str]) -> str:
    """Return for which user sessions are opened: ``QRMI_JOB_UID``, else the one who runs this process."""
    return environment.get("QRMI_JOB_UID") or str(os.getuid())


def job_id(environment: Mapping[str, str]) -> str:
    """Return for which job sessions are opened: that of QRMI, of Slurm, else this process's number."""
    return environment.get("QRMI_JOB_ID") or environment.get("SLURM_JOB_ID") or str(os.getpid())
