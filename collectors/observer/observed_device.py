"""One observed device: its sources, the picture that they give, and its wall time partitioned by it."""

from __future__ import annotations

import time

from sqlalchemy import Connection

from ...scheduler import activity, device_record
from ...scheduler.accounts import Accounts
from ...scheduler.activity import ActivityClock, Change
from ...scheduler.errors import UnavailableError
from ...scheduler.store import Store
from ...telemetry import job_metrics
from ...telemetry.instruments import Instruments
from .device_picture import DEVICE_SOURCES, Picture, picture_of
from .finished_jobs import Extent, FinishedJobs
from .peer_accounting import PeerAccounting
from .peer_api import PeerAccessible, PeerSlots, PeerStatus
from .peer_client import PeerClient
from .peer_database import PeerDatabase
from .peer_jobs import PeerJobs
from .qpu_api import QpuApi
from .qrmi_status import QrmiStatus
from .settings import ObservedDeviceSettings
from .sighting import Sighting
from .source import Source, WatchedSource

_STORE_SECONDS = 5.0
_MOST_CHANGES = 1000


class ObservedDevice:
    """Reads its sources and keeps what they tell."""

    def __init__(
        self, settings: ObservedDeviceSettings, store: Store, instruments: Instruments, accounts: Accounts
    ) -> None:
        self.settings = settings
        self.clock = ActivityClock()
        self.stored_seconds = self.clock.seconds()
        self.picture = Picture()
        self.state_changed_at = time.time()
        self.sources: list[WatchedSource] = []
        self._store = store
        self._instruments = instruments
        self._rows = PeerJobs(settings, accounts)
        self._finished = FinishedJobs(settings, store, instruments)
        self._changes: list[tuple[str, str, float]] = []
        self._works = False

    @property
    def name(self) -> str:
        """The resource's name."""
        return self.settings.name

    @property
    def up(self) -> bool | None:
        """Whether the device, or where it is not asked itself its scheduler, answered last; None before."""
        told = [
            watched.up
            for watched in self.sources
            if watched.up is not None and (watched.source.name in DEVICE_SOURCES or not self._device_is_asked)
        ]
        return any(told) if told else None

    async def load(self) -> None:
        """Read what the store remembers, and open the sources.

        Raises:
            ConfigurationError: a source cannot be opened as it is configured.
        """
        name, now = self.name, time.time()
        await self._store.write(lambda connection: device_record.load_or_create(connection, name))
        seconds = await self._store.write(
            lambda connection: activity.resume(connection, name, now, "no observer ran")
        )
        self.clock = ActivityClock(seconds)
        self.stored_seconds = self.clock.seconds()
        extent = await self._finished.load()
        self.sources = [WatchedSource(source, name, self._take) for source in self._open(extent, now)]
        for source in self.sources:
            if source.source.name == "peer_database":
                self._instruments.add(job_metrics.SUBMITTED, 0, qpu_id=name, job_class=self.settings.job_class)

    async def review(self) -> None:
        """Look at what the sources tell now, and attribute the time from now on to it."""
        told = {
            watched.source.name: sighting for watched in self.sources if (sighting := watched.fresh) is not None
        }
        before = self.picture
        self.picture = picture_of(told, device_is_asked=self._device_is_asked)
        if self.picture.state != before.state:
            self.state_changed_at = time.time()
        await self._turn_to(self.picture.activity, self.picture.reason)

    async def save_time(self, *, timeout: float | None = None) -> None:
        """Write the time partition to the store; only then ``stored_seconds``, which is told on, has it.

        Raises:
            UnavailableError: the store could not serve within ``timeout`` seconds.
        """
        seconds, now = self.clock.seconds(), time.time()
        await self._store.write_together(
            activity.save, activity.Partition(self.name, seconds, now), timeout=timeout
        )
        self.stored_seconds = seconds

    async def end(self) -> None:
        """Let go of what the sources hold; from now on the device's time is unknown."""
        for watched in self.sources:
            await watched.source.close()
        await self._turn_to("unknown", "the observer stopped")
        await self.save_time()

    @property
    def _device_is_asked(self) -> bool:
        return self.settings.qpu_api is not None or self.settings.qrmi is not None

    async def _turn_to(self, new_activity: str, reason: str) -> None:
        if self.clock.turn_to(new_activity):
            works = new_activity in activity.WORKING
            # Those two follow each other and are in the jobs' own rows: only the first is a row here.
            if not (works and self._works):
                self._changes.append((new_activity, reason, time.time()))
            self._works = works
        if not self._changes:
            return
        changes, self._changes = self._changes, []

        def work(connection: Connection) -> None:
            rows = [Change(self.name, what, why, since) for what, why, since in changes]
            activity.record_changes(connection, rows)

        try:
            await self._store.write(work, timeout=_STORE_SECONDS)
        except UnavailableError:
            # Later, with the next change or the next look.
            self._changes = [*changes, *self._changes][-_MOST_CHANGES:]

    async def _take(self, sighting: Sighting) -> None:
        await self._finished.take(sighting.finished)
        where = {"qpu_id": self.name}
        if sighting.submitted:
            self._instruments.add(
                job_metrics.SUBMITTED, sighting.submitted, **where, job_class=self.settings.job_class
            )
        for session in sighting.ended_sessions:
            how = where | {"outcome": session.outcome}
            self._instruments.add(job_metrics.SESSIONS, **how)
            self._instruments.observe(job_metrics.SESSION_DURATION, session.seconds, **how)
        await self.review()

    def _open(self, extent: Extent, now: float) -> list[Source]:
        settings = self.settings
        first = (now if extent.begun is None else extent.begun) - settings.history
        found: list[Source] = []
        if settings.peer_database is not None:
            found.append(PeerDatabase(settings.peer_database, self._rows, first))
        if settings.peer_api is not None:
            client, routes = PeerClient(settings.peer_api), settings.peer_api.read
            slow = settings.peer_api.accounting_interval
            # The database tells the same, and more exactly: the API is then for when it is silent.
            present = settings.peer_api.interval if settings.peer_database is None else slow
            if "accessible" in routes:
                found.append(PeerAccessible(client, present))
            if "status" in routes:
                found.append(PeerStatus(client, present))
            if "qpu_slots" in routes:
                found.append(PeerSlots(client, slow))
            if "accounting" in routes and settings.peer_database is None:
                found.append(PeerAccounting(client, self._rows, extent.newest or first))
        if settings.qpu_api is not None:
            found.append(QpuApi(settings.qpu_api, self.name, self._running_uid))
        if settings.qrmi is not None:
            found.append(QrmiStatus(settings.qrmi, self.name))
        return found

    def _running_uid(self) -> str | None:
        told = (watched.fresh for watched in self.sources if watched.source.name not in DEVICE_SOURCES)
        running = (sighting.running for sighting in told if sighting is not None and sighting.running)
        return next((job.device_uid for job in running if job.device_uid is not None), None)
