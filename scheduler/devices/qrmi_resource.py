"""Any resource of the real QRMI library as a device: its blocking calls run in one thread of their own."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import qrmi

from ...telemetry.redaction import REDACTOR
from ..errors import ConfigurationError
from ..jobs import JobState
from ..settings import DeviceSettings
from .adapter import (
    DeviceForgotError,
    DeviceJob,
    DeviceRefusedError,
    DeviceUnreachableError,
    NotSearchableError,
    OperationalStatus,
    ResourceReport,
    SliceRequest,
)

T = TypeVar("T")

_TYPES = {
    "pasqal-local": qrmi.ResourceType.PasqalLocal,
    "pasqal-cloud": qrmi.ResourceType.PasqalCloud,
}
_STATES = {
    "Queued": JobState.PENDING,
    "Running": JobState.RUNNING,
    "Completed": JobState.DONE,
    "Cancelled": JobState.CANCELED,
    "Failed": JobState.ERROR,
}


class QrmiResourceAdapter:
    """A QRMI resource that takes Pulser sequences, held by one session of the daemon's own."""

    def __init__(self, settings: DeviceSettings) -> None:
        kind = _TYPES.get(settings.resource_type)
        if kind is None:
            raise ConfigurationError(
                f"device {settings.name}: resource_type {settings.resource_type!r} is not one that takes "
                f"Pulser sequences ({', '.join(_TYPES)})"
            )
        self.resource_type = settings.resource_type
        self._name = settings.name
        self._kind = kind
        self._environment = dict(settings.environment)
        self._resource = self._open()
        # One thread: concurrent calls on one object raise "Already borrowed".
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"qwatch-qrmi-{settings.name}")
        self._session: str | None = None

    async def operational_status(self) -> OperationalStatus:
        """Return QRMI's own word; only ``online`` is operational."""
        status = await self._call(self._resource.status)
        word = str(status.status).rpartition(".")[2]
        return OperationalStatus(word == "Online", status.status_reason or word)

    async def specs(self) -> str:
        """Return the specs of the first device that ``target()`` lists."""
        value = (await self._call(self._resource.target)).value
        try:
            listed = json.loads(value)
            return str(listed[0]["specs"])
        except (ValueError, LookupError, TypeError):
            return str(value)

    async def report(self) -> ResourceReport | None:
        """Return what ``status()`` tells."""
        status = await self._call(self._resource.status)
        capacity = status.capacity
        return ResourceReport(
            healthy=status.healthy,
            pending_jobs=status.pending_job_count,
            max_slots=None if capacity is None else capacity.max_slots,
            available_slots=None if capacity is None else capacity.available_slots,
        )

    async def post(self, request: SliceRequest) -> str:
        """Start a task, acquiring the resource first if it is not held."""
        if self._session is None:
            session = await self._call(self._resource.acquire)
            REDACTOR.keep_secret(session)
            self._session = session
            # The library reads the token of an acquisition from its configuration, when it starts a task.
            self._environment["QRMI_JOB_ACQUISITION_TOKEN"] = session
            self._resource = self._open()
        payload = qrmi.Payload.PasqalCloud(request.sequence, request.shots)
        try:
            return await self._call(lambda: self._resource.task_start(payload))
        except DeviceUnreachableError as error:
            if "Status: 4" in str(error):
                raise DeviceRefusedError(str(error), user_error="422" in str(error)) from error
            raise DeviceUnreachableError(str(error), maybe_taken=True) from error

    async def search(self, request: SliceRequest) -> str | None:
        """Raise NotSearchableError: QRMI cannot list tasks."""
        raise NotSearchableError(f"{self._name}: QRMI does not list tasks")

    async def fetch(self, uid: str) -> DeviceJob:
        """Return the task's state, with its results once it is completed."""
        status = await self._call(lambda: self._resource.task_status(uid))
        state = _STATES[str(status).rpartition(".")[2]]
        results = error = None
        if state is JobState.DONE:
            results = (await self._call(lambda: self._resource.task_result(uid))).value
        elif state is JobState.ERROR:
            error = await self._call(lambda: self._resource.task_logs(uid))
        return DeviceJob(uid=uid, state=state, results=results, error=error)

    async def cancel(self, uid: str) -> DeviceJob:
        """Stop the task and return what became of it."""
        try:
            await self._call(lambda: self._resource.task_stop(uid))
        except DeviceUnreachableError:
            return await self.fetch(uid)
        return await self.fetch(uid)

    async def close(self) -> None:
        """Release the resource if it is held."""
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(DeviceUnreachableError):
                await self._call(lambda: self._resource.release(session))
        self._thread.shutdown(wait=False)

    def _open(self) -> qrmi.QuantumResource:
        try:
            return qrmi.QuantumResource.from_config(self._name, self._kind, self._environment)
        except qrmi.QrmiError as error:
            raise ConfigurationError(f"device {self._name}: {error}") from error

    async def _call(self, call: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, call)
        except qrmi.TaskNotFoundError as error:
            raise DeviceForgotError(f"{self._name}: {error}") from error
        except RuntimeError as error:
            if "Status: 404" in str(error):
                raise DeviceForgotError(f"{self._name}: {error}") from error
            raise DeviceUnreachableError(f"{self._name}: {error}") from error
