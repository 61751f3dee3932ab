"""One device as the daemon knows it: configuration, adapter, present state, and the time partition."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

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
from .windows import OpenWindows

_logger = logging.getLogger(__name__)


class Device:
    """The state of one device, read by the API and the collectors, changed by its dispatcher."""

    def __init__(
        self,
        settings: DeviceSettings,
        adapter: DeviceAdapter,
        store: Store,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.adapter = adapter
        self._store = store
        self._now = now
        self._monotonic = monotonic
        self.clock = ActivityClock(monotonic=monotonic)
        self.stored_seconds = self.clock.seconds()
        self.stored_at = self.loaded_at = now()
        self.loaded_seconds = self.stored_seconds
        self.durations = DurationModel()
        if settings.shot_rate is not None:
            self.durations.seconds_per_shot = 1.0 / settings.shot_rate
        self.record = DeviceRecord(specs=None)
        self.windows = OpenWindows()
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
        self._resting: tuple[str, str] | None = None
        self._works = False
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
        return "paused" if self.windows.windows else "online"

    @property
    def takes_work(self) -> bool:
        """Whether users' slices may be sent now."""
        return self.state == "online"

    @property
    def dispatches(self) -> bool:
        """Whether any slice may be sent now: a user's, or one of the site's own quality jobs."""
        return self.takes_work or (self.state == "paused" and self.windows.allow_qa)

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
        if (window := self.windows.foremost) is not None:
            return window.public_line
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
        now = self._now()
        seconds = await self._store.write(lambda connection: activity.resume(connection, self.name, now))
        self.clock = ActivityClock(seconds, self._monotonic)
        self.stored_seconds = self.loaded_seconds = self.clock.seconds()
        self.stored_at = self.loaded_at = now
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
        self.record = DeviceRecord(specs)
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

    async def set_windows(self, windows: OpenWindows) -> None:
        """Take over which windows are open; what runs may finish."""
        if windows == self.windows:
            return
        self.windows = windows
        self._note_state()
        self.wake.set()
        if self._resting is not None:
            await self.rest_in(*self._resting)

    async def rest_in(self, new_activity: str, reason: str = "") -> None:
        """Say what the device does while nothing executes; what a window says of its time goes first."""
        self._resting = (new_activity, reason)
        if (window := self.windows.planned) is not None:
            new_activity, reason = window.kind.value, window.message or window.note
        await self._turn_to(new_activity, reason)

    async def turn_to(self, new_activity: str, reason: str = "") -> None:
        """Change the activity, whatever a window says, and write a change that lasts to the ledger."""
        self._resting = None
        await self._turn_to(new_activity, reason)

    async def _turn_to(self, new_activity: str, reason: str) -> None:
        if not self.clock.turn_to(new_activity):
            return
        now = self._now()
        change = activity.Change(self.name, new_activity, reason, now)
        if new_activity in activity.WORKING:
            # They follow each other many times a second and are in the slices' own rows: only the first is a
            # row here, which the slice does not wait for.
            if not self._works:
                self._works = True
                self._store.write_later(activity.record_changes, change)
            return
        self._works = False
        await self._store.write(lambda connection: activity.record_changes(connection, [change]))

    async def save_time(self, *, timeout: float | None = None) -> None:
        """Write the time partition to the store; only then ``stored_seconds``, which is told on, has it.

        Raises:
            UnavailableError: the store could not serve within ``timeout`` seconds.
        """
        seconds = self.clock.seconds()
        now = self._now()
        await self._store.write_together(
            activity.save, activity.Partition(self.name, seconds, now), timeout=timeout
        )
        self.stored_seconds, self.stored_at = seconds, now

    def _note_state(self) -> None:
        state = self.state
        if state == self._last_state:
            return
        _logger.info(
            "%s is %s (was %s)", self.name, state, self._last_state, extra={log_fields.QPU_ID: self.name}
        )
        self._last_state = state
        self.state_changed_at = time.time()
