"""One device as the daemon knows it: configuration, adapter, present state, and the time partition."""

from __future__ import annotations

import asyncio
import logging
import time

from ..telemetry import log_fields
from . import activity, backlog, device_record
from .activity import ActivityClock
from .backlog import Backlog, RunningSlice
from .device_record import DeviceRecord
from .devices.adapter import DeviceAdapter, OperationalStatus, ResourceReport
from .devices.polling import DurationModel
from .settings import DeviceSettings
from .store import Store
from .validation import DeviceLimits

_logger = logging.getLogger(__name__)


class Device:
    """The state of one device, read by the API and the collectors, changed by its dispatcher."""

    def __init__(self, settings: DeviceSettings, adapter: DeviceAdapter, store: Store) -> None:
        self.settings = settings
        self.adapter = adapter
        self._store = store
        self.clock = ActivityClock()
        self.stored_seconds = self.clock.seconds()
        self.durations = DurationModel()
        if settings.shot_rate is not None:
            self.durations.seconds_per_shot = 1.0 / settings.shot_rate
        self.record = DeviceRecord(accessible=True, message="", specs=None)
        self.limits = DeviceLimits.from_specs(None)
        self.status: OperationalStatus | None = None
        self._answered: bool | None = None
        self._specs_are_fresh = False
        self.report: ResourceReport | None = None
        self.running: RunningSlice | None = None
        self.clock_offset: float | None = None
        self.backlog = Backlog()
        self.state_changed_at = time.time()
        self._last_state = "unknown"
        self.wake = asyncio.Event()

    @property
    def name(self) -> str:
        """The resource's name."""
        return self.settings.name

    @property
    def reachable(self) -> bool:
        """Whether the device answered when it was last asked."""
        return self._answered is True

    @property
    def state(self) -> str:
        """One of online, paused, offline, and unknown before the device was asked."""
        if self._answered is None:
            return "unknown"
        if not self._answered or self.status is None or not self.status.operational:
            return "offline"
        return "online" if self.record.accessible else "paused"

    @property
    def takes_work(self) -> bool:
        """Whether a slice may be sent now."""
        return self.state == "online"

    @property
    def running_since(self) -> float | None:
        """Since when a slice runs, in Unix seconds; None if none does."""
        return None if self.running is None else self.running.since

    @property
    def expected_wait(self) -> float | None:
        """For how many seconds a job that is queued now would wait; None if that cannot be told."""
        if not self.takes_work:
            return None
        return backlog.expected_wait(self.backlog, self.running, self.durations, time.time())

    @property
    def message(self) -> str:
        """The public line about the device's state."""
        if self.record.message and not self.record.accessible:
            return self.record.message
        if self.state == "offline":
            word = "" if self.status is None or self.status.operational else f" ({self.status.word})"
            return f"{self.name} is offline{word}"
        return f"{self.name} is {self.state}"

    async def load(self) -> None:
        """Read what the store remembers of the device."""
        self.record = await self._store.write(
            lambda connection: device_record.load_or_create(connection, self.name)
        )
        self.limits = DeviceLimits.from_specs(self.record.specs)
        seconds = await self._store.read(lambda connection: activity.load(connection, self.name, time.time()))
        self.clock = ActivityClock(seconds)
        self.stored_seconds = self.clock.seconds()
        self.backlog = await self._store.read(lambda connection: backlog.load(connection, self.name))

    async def look(self) -> None:
        """Ask the device for its operational status, and for its specs each time it comes back."""
        status = await self.adapter.operational_status()
        self.seen(status)
        self.report = await self.adapter.report()
        if not status.operational:
            self._specs_are_fresh = False
        elif not self._specs_are_fresh:
            await self._read_specs()

    async def _read_specs(self) -> None:
        specs = await self.adapter.specs()
        self._specs_are_fresh = True
        if specs == self.record.specs:
            return
        if self.record.specs is not None:
            _logger.info("the specs of %s have changed", self.name, extra={log_fields.QPU_ID: self.name})
        self.limits = DeviceLimits.from_specs(specs)
        self.record = DeviceRecord(self.record.accessible, self.record.message, specs)
        await self._store.write(lambda connection: device_record.set_specs(connection, self.name, specs))

    def seen(self, status: OperationalStatus | None = None) -> None:
        """The device answered, with ``status`` if it was asked for it."""
        self._answered = True
        if status is not None:
            self.status = status
        self._note_state()

    def lost(self, reason: str) -> None:
        """The device did not answer."""
        if self._answered is not False:
            _logger.warning("%s", reason, extra={log_fields.QPU_ID: self.name})
        self._answered = False
        self._specs_are_fresh = False
        self._note_state()

    async def set_accessible(self, accessible: bool, message: str) -> None:
        """Open the device to users, or close it with a message; what runs may finish."""
        await self._store.write(
            lambda connection: device_record.set_accessible(connection, self.name, accessible, message)
        )
        self.record = DeviceRecord(accessible, message, self.record.specs)
        self._note_state()
        self.wake.set()

    async def turn_to(self, new_activity: str, reason: str = "") -> None:
        """Change the activity and write a change that lasts to the ledger.

        ``dispatch`` and ``execute`` follow each other many times a second and are in the slices' own rows.
        """
        if not self.clock.turn_to(new_activity):
            return
        if new_activity in ("dispatch", "execute"):
            return
        now = time.time()
        await self._store.write(
            lambda connection: activity.record_change(connection, self.name, new_activity, reason, now)
        )

    async def save_time(self, *, timeout: float | None = None) -> None:
        """Write the time partition to the store; only then ``stored_seconds``, which is told on, has it.

        Raises:
            UnavailableError: the store could not serve within ``timeout`` seconds.
        """
        seconds = self.clock.seconds()
        now = time.time()
        await self._store.write(
            lambda connection: activity.save(connection, self.name, seconds, now), timeout=timeout
        )
        self.stored_seconds = seconds

    def _note_state(self) -> None:
        state = self.state
        if state == self._last_state:
            return
        _logger.info(
            "%s is %s (was %s)", self.name, state, self._last_state, extra={log_fields.QPU_ID: self.name}
        )
        self._last_state = state
        self.state_changed_at = time.time()
