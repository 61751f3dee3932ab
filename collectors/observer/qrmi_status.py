"""What QRMI ``status()`` tells of any vendor's resource. Nothing is acquired and no task is started."""

from __future__ import annotations

import os

import qrmi

from ...qrmi.resource_types import PASQAL_LOCAL, TYPES
from ...scheduler.errors import ConfigurationError
from ...telemetry.redaction import REDACTOR
from .own_thread import OwnThread
from .settings import QrmiSettings
from .sighting import Sighting
from .source import SourceError


class QrmiStatus:
    """Calls ``status()`` of one resource.

    Raises:
        ConfigurationError: QRMI cannot make the resource, or the file of a secret cannot be read.
    """

    name = "qrmi"

    def __init__(self, settings: QrmiSettings, qpu_id: str) -> None:
        self.interval = settings.interval
        self.timeout = settings.timeout
        environment = dict(settings.environment)
        for key, file in settings.secret_files.items():
            try:
                environment[key] = file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigurationError(f"observer: qrmi.secret_files {key} {file}: {error}") from error
            REDACTOR.keep_secret(environment[key])
        if settings.resource_type == PASQAL_LOCAL:
            # The library wants them for an acquisition, which never comes; ``status()`` sends neither.
            environment.setdefault("QRMI_JOB_UID", str(os.getuid()))
            environment.setdefault("QRMI_JOB_ID", "observer")
        try:
            self._resource = qrmi.QuantumResource.from_config(
                qpu_id, TYPES[settings.resource_type], environment
            )
        except RuntimeError as error:
            raise ConfigurationError(f"observer: device {qpu_id}: qrmi: {error}") from error
        self._thread = OwnThread(self.name)

    async def poll(self) -> Sighting:
        """Ask once."""
        try:
            status = await self._thread.call(self._resource.status)
        except RuntimeError as error:
            raise SourceError(f"QRMI: {error}") from error
        word = str(status.status).rpartition(".")[2]
        capacity = status.capacity
        return Sighting(
            operational=word != "Offline",
            paused=word == "Paused",
            word=status.status_reason or word,
            runs=status.busy,
            healthy=status.healthy,
            resource_pending=status.pending_job_count,
            max_slots=None if capacity is None else capacity.max_slots,
            available_slots=None if capacity is None else capacity.available_slots,
        )

    def accepted(self) -> None:
        """Nothing is read onward."""

    async def close(self) -> None:
        """Hold nothing: the resource was never acquired."""
