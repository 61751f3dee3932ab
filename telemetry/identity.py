"""Who sends telemetry: resource attributes by OpenTelemetry's semantic conventions."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from . import attributes as names

SERVICE_NAME = "service.name"
SERVICE_VERSION = "service.version"
SERVICE_INSTANCE = "service.instance.id"
HOST_NAME = "host.name"


def identity_attributes(instance: str | None = None) -> dict[str, str]:
    """Return version and host of one of qwatch's own processes; ``instance`` tells its services apart."""
    found = {SERVICE_VERSION: qwatch_version(), HOST_NAME: socket.gethostname()}
    return found | ({SERVICE_INSTANCE: instance} if instance else {})


def program_attributes() -> dict[str, str]:
    """Return the host of a user's program and, inside a Slurm job, the job's id and its cluster."""
    found = {HOST_NAME: socket.gethostname()}
    for variable, name in (("SLURM_JOB_ID", names.SLURM_JOB_ID), ("SLURM_CLUSTER_NAME", names.SLURM_CLUSTER)):
        if value := os.environ.get(variable):
            found[name] = value[:256]
    return found


def as_log_fields(attributes: Mapping[str, str]) -> dict[str, str]:
    """Return attributes under the names that Loki gives them: ``host.name`` is ``host_name``."""
    return {name.replace(".", "_"): value for name, value in attributes.items()}


def qwatch_version() -> str:
    """Return the version of this package, ``unknown`` where it is not installed."""
    try:
        return version("qwatch")
    except PackageNotFoundError:
        return "unknown"
