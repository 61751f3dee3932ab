"""The second-level scheduler: sessions, the queue, and one dispatcher a device."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from typing import Any

from opentelemetry import trace
from sqlalchemy import Connection

from ..telemetry import own_metrics
from ..telemetry.instruments import Instruments
from ..telemetry.trace_context import parse_traceparent
from . import job_telemetry, jobs, schema
from .accounts import Accounts
from .administration import Administration
from .cancellation import Cancellation
from .corrections import Corrections
from .device import Device
from .devices.adapter import DeviceAdapter
from .devices.open_adapter import open_adapter
from .dispatcher import Dispatcher
from .errors import (
    ConfigurationError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from .first_fetches import FirstFetches
from .job_access import owned
from .job_log import JobLog
from .job_payload import accepted_payload
from .jobs import Job, JobState, NewJob
from .ledger_comparison import LedgerComparison
from .policies.policy import policy_named
from .privacy.persons import Persons
from .run_time_settings import RunTimeSettings
from .session_idle import SessionIdle
from .session_lifecycle import SessionLifecycle
from .session_watchdog import SessionWatchdog
from .settings import ApiSettings, DeviceSettings, SchedulerSettings, StoreSettings
from .store import Store
from .stored_time import store_time
from .submissions import Submission, queue_all
from .trace_emission import TraceEmitter
from .validation import check_job

_logger = logging.getLogger(__name__)

_SAVE_SECONDS = 15.0
_STOP_SECONDS = 3.0


class Scheduler:
    """Everything behind the job API."""

    def __init__(
        self,
        api: ApiSettings,
        store: StoreSettings,
        devices: list[DeviceSettings],
        settings: SchedulerSettings,
        instruments: Instruments,
        adapter: Callable[[DeviceSettings], DeviceAdapter] = open_adapter,
    ) -> None:
        if not devices:
            raise ConfigurationError("devices: name at least one")
        names = [device.name for device in devices]
        if len(set(names)) != len(names):
            raise ConfigurationError("devices: two have the same name")
        defaults = [device.name for device in devices if device.default]
        if len(defaults) > 1:
            raise ConfigurationError(f"devices: {' and '.join(defaults)} cannot all be the default")
        self.api = api
        self.instruments = instruments
        self.store = Store(store.url, instruments)
        self.accounts = Accounts(api.accounts_file)
        self.schema_revision = schema.upgrade(self.store.engine)
        self.devices = {item.name: Device(item, adapter(item), self.store) for item in devices}
        self.default_device = self.devices[defaults[0] if defaults else names[0]]
        self.first_fetches = FirstFetches(self.store)
        self.run_time = RunTimeSettings(api)
        self._emitter = TraceEmitter(self.store, trace.get_tracer("qwatch.scheduler"), settings.trace_grace)
        self._job_log = JobLog()
        self.dispatchers = {
            device.name: Dispatcher(
                device,
                self.store,
                policy_named(settings.policy),
                instruments,
                self._job_log.started,
                self._job_finished,
            )
            for device in self.devices.values()
        }
        self._cancellation = Cancellation(
            self.store, self.devices, self.dispatchers, self._job_finished, api.store_timeout
        )
        self.lifecycle = SessionLifecycle(self.store, self.accounts, instruments, api.store_timeout)
        self.administration = Administration(
            self.store, self.devices, self.run_time, self._cancellation, self.lifecycle, api.store_timeout
        )
        self.corrections = Corrections(self.store, api.store_timeout)
        self.persons = Persons(self.store)
        self._watchdog = SessionWatchdog(self.lifecycle, api.session_idle_timeout, api.session_max_age)
        self.session_idle = SessionIdle()
        self.ledger_comparison = LedgerComparison(self.store, self.devices)
        self._tasks: list[asyncio.Task[None]] = []
        self._background: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        job_telemetry.initialise(instruments, self.devices, settings.policy)
        self._policy = settings.policy
        self.job_listeners: list[Callable[[Job], None]] = []
        """Called in the event loop with each job that ended, after that is durable; they must not block."""

    async def start(self) -> None:
        """Open the store, read what it remembers, and begin to dispatch."""
        self.store.start()
        self._loop = asyncio.get_running_loop()
        for device in self.devices.values():
            await device.load()
        await self.ledger_comparison.begin()
        now = time.time()
        await self.store.read(lambda connection: self.session_idle.begin(connection, now))
        await self.administration.refresh()
        await self._emitter.emit_left_over()
        self._tasks = [asyncio.create_task(dispatcher.run()) for dispatcher in self.dispatchers.values()]
        self._background = [
            asyncio.create_task(work)
            for work in (self._save_forever(), self.administration.refresh_forever(), self._watchdog.run())
        ]

    async def stop(self) -> None:
        """Stop dispatching, send what spans wait, and close the store; slices on devices go on there."""
        for dispatcher in self.dispatchers.values():
            dispatcher.stop()
        for task in self._background:
            task.cancel()
        if self._tasks:
            # A device may take long to answer; what was asked of it is found again at the next start.
            _, late = await asyncio.wait(self._tasks, timeout=_STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._emitter.drain()
        self._job_log.write()
        self.first_fetches.save()
        for device in self.devices.values():
            await device.turn_to("unknown", "the daemon stopped")
            await device.save_time()
            await device.adapter.close()
        await self.store.stop()

    def save_time(self, seconds: float) -> None:
        """Write every device's time partition to the store, from another thread than the event loop's."""
        store_time(self._loop, self.devices.values(), seconds)

    def device(self, name: str | None) -> Device:
        """Return a device by name, the default one for None; NotFoundError if there is none."""
        if name is None:
            return self.default_device
        if name not in self.devices:
            raise NotFoundError(f"there is no device {name!r}; there is {', '.join(self.devices)}")
        return self.devices[name]

    async def create_session(
        self,
        device: Device,
        uid: int,
        slurm_job_id: str | None,
        created_by: int,
        job_class: str | None = None,
    ) -> str:
        """Create a session and return its token; UnavailableError while the device is closed to users."""
        self._check_open(device, uid, job_class)
        return await self.lifecycle.create(device, uid, slurm_job_id, created_by)

    async def submit(
        self,
        device: Device,
        token: str,
        uid: int,
        sequence: str | dict[str, Any],
        shots: int,
        *,
        job_class: str | None = None,
        traceparent: str | None = None,
        received_at: float | None = None,
    ) -> Job:
        """Queue a job and return it after it is durable.

        Raises:
            InvalidRequestError: the payload or the shots are wrong.
            PermissionDeniedError: the session is unknown, ended, somebody else's or for another device.
            UnavailableError: the device is closed to users, or the store does not serve.
        """
        now = time.time()
        job_class = job_class or self.run_time.default_job_class
        try:
            self._check_open(device, uid, job_class)
        except UnavailableError:
            self._rejected(device, "window")
            raise
        try:
            payload = await accepted_payload(sequence, device.record.specs)
            check_job(payload.sequence, shots, device.limits, self.api.max_shots)
        except InvalidRequestError:
            self._rejected(device, "invalid")
            raise
        context = parse_traceparent(traceparent)
        new = NewJob(
            job_class=job_class,
            resource_type=device.adapter.resource_type,
            sequence=payload.sequence,
            shots=shots,
            sdk=payload.sdk,
            note=payload.note,
            received_at=received_at or now,
            created_at=now,
            traceparent=None if context is None else traceparent,
            trace_id=None if context is None else trace.format_trace_id(context.trace_id),
        )

        submission = Submission(token, uid, device.name, new)
        try:
            job = await self.store.write_together(queue_all, submission, timeout=self.api.store_timeout)
        except PermissionDeniedError:
            self._rejected(device, "unauthorized")
            raise
        device.backlog.came(job.shots_requested)
        self.dispatchers[device.name].wake()
        job_telemetry.job_accepted(self.instruments, job)
        self._job_log.accepted(job)
        return job

    async def job(self, job_id: int, uid: int, sees_all: bool = False) -> tuple[Job, str | None]:
        """Return a job and its results; NotFoundError for unknown and for somebody else's."""

        def work(connection: Connection) -> tuple[Job, str | None]:
            job = owned(connection, job_id, uid, sees_all)
            return job, jobs.results(connection, job_id) if job.state is JobState.DONE else None

        return await self.store.read(work, timeout=self.api.store_timeout)

    async def jobs_of(self, uid: int, device: str | None, limit: int, before: int | None) -> list[Job]:
        """Return a user's jobs, newest first, at most ``limit``, with numbers below ``before``."""
        before = None if before is None else min(before, jobs.LARGEST_ID + 1)
        found = await self.store.read(
            lambda connection: jobs.of_user(connection, uid, device, limit, before),
            timeout=self.api.store_timeout,
        )
        return list(found)

    async def log_of(self, job_id: int, uid: int, sees_all: bool = False) -> list[tuple[float, str]]:
        """Return the lines of a job's log as (Unix seconds, line)."""

        def work(connection: Connection) -> list[tuple[float, str]]:
            owned(connection, job_id, uid, sees_all)
            return jobs.log_lines(connection, job_id)

        return await self.store.read(work, timeout=self.api.store_timeout)

    async def cancel(self, job_id: int, uid: int) -> Job:
        """Cancel a job: at once if it waits, by the device if it runs; AlreadyFinishedError if it ended."""
        return await self._cancellation.cancel(job_id, uid)

    async def tell_trace(self, job_id: int, uid: int, traceparent: str, sdk: str | None) -> None:
        """Join a job to the trace of the program that submitted it; InvalidRequestError for a malformed one."""
        context = parse_traceparent(traceparent)
        if context is None:
            raise InvalidRequestError("traceparent: is not a W3C trace context")
        trace_id = trace.format_trace_id(context.trace_id)

        def work(connection: Connection) -> None:
            owned(connection, job_id, uid, False)
            jobs.tell_trace(connection, job_id, traceparent, trace_id, sdk)

        await self.store.write(work, timeout=self.api.store_timeout)

    def _check_open(self, device: Device, uid: int, job_class: str | None) -> None:
        """Refuse users while a window is open, but not the site's own quality jobs if it lets them run."""
        open_now = device.windows
        of_the_site = job_class == "qa" and uid in (*self.api.admin_users, os.getuid())
        if open_now.windows and not (of_the_site and open_now.allow_qa):
            raise UnavailableError(device.message, retry_after=open_now.retry_after(time.time()))

    def _rejected(self, device: Device, reason: str) -> None:
        self.instruments.add(
            own_metrics.DECISIONS, qpu_id=device.name, policy=self._policy, decision="reject", reason=reason
        )

    def _job_finished(self, job: Job) -> None:
        job_telemetry.job_ended(self.instruments, job)
        self._job_log.ended(job)
        for listener in self.job_listeners:
            listener(job)
        self._emitter.job_finished(job.id, job.traceparent is not None)

    async def _save_forever(self) -> None:
        while True:
            await asyncio.sleep(_SAVE_SECONDS)
            self.first_fetches.save()
            # Together, so that they share a commit.
            await asyncio.gather(*(device.save_time() for device in self.devices.values()))
            try:
                await self.ledger_comparison.update()
            except UnavailableError as error:
                _logger.warning("the time partition was not compared with the ledger: %s", error)
