"""The snapshots of all who watch, computed once a second at most, and only while someone does."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version

from ...scheduler.errors import UnavailableError
from .snapshot import DeviceView, Snapshot, Totals
from .source import Audience, Parts, Source

_logger = logging.getLogger(__name__)

PERIOD = 1.0
"""Seconds between two snapshots."""
_KEPT_SECONDS = 60.0
"""What nobody watches any more is kept for so long, for those who ask without watching."""
_MOST_KEPT = 512


@dataclass(slots=True)
class Edition:
    """The newest snapshot of one audience; ``number`` grows with each change."""

    snapshot: Snapshot
    number: int
    read_at: float
    asked_at: float
    forms: dict[str, bytes] = field(default_factory=dict)

    def json(self) -> bytes:
        """Return it as JSON, made once for all who read it."""
        return self.form("json", lambda snapshot: snapshot.model_dump_json().encode())

    def form(self, name: str, make: Callable[[Snapshot], bytes]) -> bytes:
        """Return it in a form, made once for all who read it so."""
        if name not in self.forms:
            self.forms[name] = make(self.snapshot)
        return self.forms[name]


class LiveFeed:
    """Reads the source for all audiences together, and wakes those who watch when theirs has changed."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._started_at = datetime.now(UTC)
        self._version = version("qwatch")
        self._editions: dict[Audience, Edition] = {}
        self._watchers: dict[Audience, int] = {}
        self._lock = asyncio.Lock()
        self._read_at = float("-inf")
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._number = int(time.time())
        self.failing = False
        """Whether what viewers have is older than it should be: the store does not answer."""
        self.stopped = asyncio.Event()
        self.reads = 0
        """How often the source was read, for benchmarks and tests."""

    async def newest(self, audience: Audience) -> Edition:
        """Return the snapshot of an audience, not older than a second or two.

        Raises:
            UnavailableError: the store does not answer.
        """
        async with self._lock:
            now = time.monotonic()
            edition = self._editions.get(audience)
            if edition is None or now - edition.read_at >= PERIOD:
                await self._read({audience, *self._watchers})
            edition = self._editions[audience]
            edition.asked_at = now
            return edition

    async def newer(self, audience: Audience, number: int, patience: float) -> Edition | None:
        """Wait for a snapshot with a higher number; None if there is none within ``patience`` seconds.

        The caller watches (:meth:`watch`), or nothing is computed.
        """
        deadline = time.monotonic() + patience
        while not self.stopped.is_set():
            edition = self._editions.get(audience)
            if edition is not None and edition.number > number:
                return edition
            changed, left = self._changed, deadline - time.monotonic()
            if left <= 0:
                return None
            try:
                async with asyncio.timeout(left):
                    await changed.wait()
            except TimeoutError:
                return None
        return None

    def watch(self, audience: Audience) -> None:
        """Begin to watch as one of an audience; :meth:`leave` ends it."""
        self._watchers[audience] = self._watchers.get(audience, 0) + 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    def leave(self, audience: Audience) -> None:
        """End to watch."""
        self._watchers[audience] -= 1
        if not self._watchers[audience]:
            del self._watchers[audience]

    def stop(self) -> None:
        """End all streams: the daemon stops."""
        self.stopped.set()
        self._wake()
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while self._watchers and not self.stopped.is_set():
            await asyncio.sleep(max(PERIOD - (time.monotonic() - self._read_at), 0.0))
            async with self._lock:
                # Somebody who asked once may have had it read meanwhile.
                if time.monotonic() - self._read_at < PERIOD or not self._watchers:
                    continue
                await self._try_to_read()

    async def _try_to_read(self) -> None:
        try:
            await self._read(set(self._watchers))
        except UnavailableError as error:
            # Those who watch keep what they have; it says from when it is.
            self._read_at = time.monotonic()
            if not self.failing:
                _logger.warning("the live views do not change: %s", error)
            self.failing = True
        except Exception:
            self._read_at = time.monotonic()
            if not self.failing:
                _logger.exception("the live views do not change")
            self.failing = True
        else:
            self.failing = False

    async def _read(self, audiences: set[Audience]) -> None:
        """Read the source, with the lock held."""
        parts = await self.source.read(audiences)
        self.reads += 1
        self._read_at = now = time.monotonic()
        at = datetime.now(UTC)
        changed = False
        for audience, found in parts.items():
            before = self._editions.get(audience)
            if before is not None and _same(before.snapshot, found):
                # It holds now too: who comes later reads the time off it.
                before.snapshot = before.snapshot.model_copy(update={"at": _to_milliseconds(at)})
                before.forms.clear()
                before.read_at = now
                continue
            self._number += 1
            changed = True
            self._editions[audience] = Edition(self._snapshot(found, at), self._number, now, now)
        if changed:
            self._forget(now)
            self._wake()

    def _snapshot(self, parts: Parts, at: datetime) -> Snapshot:
        return Snapshot(
            at=_to_milliseconds(at),
            version=self._version,
            role=self.source.role,
            started_at=self._started_at.replace(microsecond=0),
            totals=_totals(parts.devices),
            devices=parts.devices,
            own=parts.own,
            administration=parts.administration,
        )

    def _forget(self, now: float) -> None:
        idle = [
            audience
            for audience, edition in self._editions.items()
            if audience not in self._watchers and now - edition.asked_at > _KEPT_SECONDS
        ]
        over = len(self._editions) - len(idle) - _MOST_KEPT
        if over > 0:
            idle += [a for a in self._editions if a not in self._watchers and a not in idle][:over]
        for audience in idle:
            del self._editions[audience]

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _to_milliseconds(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _same(snapshot: Snapshot, parts: Parts) -> bool:
    return (
        snapshot.devices == parts.devices
        and snapshot.own == parts.own
        and snapshot.administration == parts.administration
    )


def _totals(devices: list[DeviceView]) -> Totals:
    waiting = [device.waiting for device in devices if device.waiting is not None]
    return Totals(
        devices=len(devices),
        online=sum(device.state == "online" for device in devices),
        executing=sum(device.activity == "execute" for device in devices),
        waiting=sum(waiting) if waiting else None,
        running=sum(device.running is not None for device in devices) if waiting else None,
    )
