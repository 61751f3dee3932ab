"""What the on-premises QPU's HTTP API tells: whether it operates, and the job that runs, if its uid is told."""

from __future__ import annotations

import json
from collections.abc import Callable

from ...scheduler.devices.adapter import DeviceError, DeviceForgotError
from ...scheduler.devices.qpu_http import QpuHttpAdapter
from ...scheduler.jobs import JobState
from ...scheduler.settings import DeviceSettings
from .read_only_transport import ReadOnlyTransport
from .settings import QpuApiSettings
from .sighting import RunningJob, Sighting
from .source import SourceError


class QpuApi:
    """Reads the QPU with GET requests; ``running_uid`` returns the uid that the peer tells, if it tells one."""

    name = "qpu_api"

    def __init__(self, settings: QpuApiSettings, qpu_id: str, running_uid: Callable[[], str | None]) -> None:
        self.interval = settings.interval
        self.timeout = settings.timeout
        self._running_uid = running_uid
        auth = settings.auth
        token_url = None if auth is None else f"{auth.url}/realms/{auth.realm}/protocol/openid-connect/token"
        self._adapter = QpuHttpAdapter(
            DeviceSettings(name=qpu_id, url=settings.url, auth=auth, timezone=settings.timezone),
            ReadOnlyTransport(token_url=token_url),
        )
        self._model: str | None = None
        self._specs_are_fresh = False

    async def poll(self) -> Sighting:
        """Ask for the operational status, the running job, and after each absence for the specs."""
        try:
            status = await self._adapter.operational_status()
            if not status.operational:
                self._specs_are_fresh = False
            elif not self._specs_are_fresh:
                self._model = _name_in(await self._adapter.specs())
                self._specs_are_fresh = True
            runs, running = await self._job()
        except DeviceError as error:
            self._specs_are_fresh = False
            raise SourceError(str(error)) from error
        return Sighting(
            operational=status.operational, word=status.word, model=self._model, runs=runs, running=running
        )

    def accepted(self) -> None:
        """Nothing is read onward."""

    async def close(self) -> None:
        """Close the connections."""
        await self._adapter.close()

    async def _job(self) -> tuple[bool | None, RunningJob | None]:
        uid = self._running_uid()
        if uid is None:
            return None, None
        try:
            job = await self._adapter.fetch(uid)
        except DeviceForgotError:
            return None, None
        return job.state is JobState.RUNNING, RunningJob(None, job.started_at, uid)


def _name_in(specs: str) -> str | None:
    try:
        found = json.loads(specs)
    except ValueError:
        return None
    name = found.get("name") if isinstance(found, dict) else None
    return name if isinstance(name, str) else None
