"""A file that tells what really ran on the emulated QPU, for proofs that nothing ran twice."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from .job import Job

LOGGER = logging.getLogger(__name__)


class ExecutionsLog:
    """Appends a JSON line when an execution starts and one when it ends; the file outlives restarts.

    A line holds ``event`` (``start`` or ``end``), ``uid``, ``shots``, ``context``, ``started`` and ``ended``
    (Unix time, null if not yet), ``status``, and ``server_pid``, since uids begin anew at a restart.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def started(self, job: Job) -> None:
        """Note that the device began to execute ``job``."""
        self._append("start", job)

    def ended(self, job: Job) -> None:
        """Note that the device stopped executing ``job``."""
        self._append("end", job)

    def _append(self, event: str, job: Job) -> None:
        if self._path is None:
            return
        line: dict[str, Any] = {
            "event": event,
            "uid": job.uid,
            "shots": job.shots,
            "context": job.context,
            "started": job.started,
            "ended": job.ended,
            "status": job.status.value,
            "server_pid": os.getpid(),
        }
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            LOGGER.error("executions log %s cannot be written: %s", self._path, error)
