"""Runs one of Slurm's commands as the configuration says."""

from __future__ import annotations

import os
import shutil
import threading

from .command import CommandError, output_of
from .settings import SlurmSettings

_MOST_BYTES = 32 * 2**20
_KEPT_VARIABLES = ("PATH", "HOME", "SLURM_CONF", "SLURM_JWT")


def run_slurm(settings: SlurmSettings, stopping: threading.Event, name: str, *arguments: str) -> str:
    """Return what a command of Slurm's prints; CommandError if it cannot be run, fails, or takes too long."""
    folder = settings.commands
    path = shutil.which(name, path=None if folder is None else str(folder))
    if path is None:
        where = "PATH" if folder is None else str(folder)
        raise CommandError(f"{name} is not in {where}; set slurm.commands to the folder of Slurm's commands")
    return output_of(
        [path, *arguments],
        timeout=settings.timeout,
        most_bytes=_MOST_BYTES,
        # Without SQUEUE_FORMAT and the like, which change what is printed.
        environment={key: os.environ[key] for key in _KEPT_VARIABLES if key in os.environ},
        stopping=stopping,
    )
