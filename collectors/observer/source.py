"""One source of an observer, polled for ever: with a time-out, with back-off, and failing alone."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from ...scheduler.errors import UnavailableError
from ...telemetry import log_fields
from ...telemetry.redaction import redact
from .sighting import Sighting

_logger = logging.getLogger(__name__)

_LONGEST_BACKOFF = 60.0
_MISSED_POLLS = 3
"""After so many polls without an answer, what a source told last is no longer believed."""


class SourceError(Exception):
    """A source did not tell what it was asked; the message is one clear line."""


class Source(Protocol):
    """Something that an observer reads, and only reads."""

    name: str
    interval: float
    timeout: float

    async def poll(self) -> Sighting:
        """Ask once; SourceError, or any other exception, if there is no answer."""

    def accepted(self) -> None:
        """What the last poll told is on record: the next one may go on from there."""

    async def close(self) -> None:
        """Let go of connections."""


Take = Callable[[Sighting], Awaitable[None]]


class WatchedSource:
    """Polls one source and remembers what it told last."""

    def __init__(self, source: Source, qpu_id: str, take: Take) -> None:
        self.source = source
        self.up: bool | None = None
        self.last_success: float | None = None
        self.error: str | None = None
        self._qpu_id = qpu_id
        self._take = take
        self._last: Sighting | None = None
        self._answered_at = 0.0
        self._failures = 0

    @property
    def fresh(self) -> Sighting | None:
        """What the source told last, if that was not too long ago to be believed."""
        longest = _MISSED_POLLS * self.source.interval + self.source.timeout
        if self._last is None or time.monotonic() - self._answered_at > longest:
            return None
        return self._last

    async def run(self) -> None:
        """Poll until cancelled; after failures less and less often, at most a minute apart."""
        while True:
            await self.poll()
            delay = self.source.interval
            if self._failures:
                delay = max(delay, min(delay * 2 ** min(self._failures, 16), _LONGEST_BACKOFF))
            await asyncio.sleep(delay)

    async def poll(self) -> None:
        """Ask once and hand on what is told; a failure is remembered, not raised."""
        try:
            async with asyncio.timeout(self.source.timeout):
                sighting = await self.source.poll()
        except TimeoutError:
            self._failed(f"no answer within {self.source.timeout:g} s")
            return
        except SourceError as error:
            self._failed(str(error))
            return
        except Exception as error:
            self._failed(f"{type(error).__name__}: {error}")
            return
        self._answered(sighting)
        try:
            await self._take(sighting)
        except UnavailableError as error:
            # Not accepted, so that the source tells it again.
            _logger.warning("what %s told was not stored: %s", self.source.name, error, extra=self._fields())
            return
        except Exception as error:
            self._failed(f"what it told cannot be stored: {type(error).__name__}: {error}")
            return
        self.source.accepted()

    def _answered(self, sighting: Sighting) -> None:
        self._last = sighting
        self._answered_at = time.monotonic()
        self.last_success = time.time()
        if self._failures:
            _logger.info(
                "%s of %s answers again after %d failures",
                self.source.name,
                self._qpu_id,
                self._failures,
                extra=self._fields(),
            )
        self.up, self.error, self._failures = True, None, 0

    def _failed(self, reason: str) -> None:
        self.error = redact(" ".join(reason.split()))[:500]
        self.up = False
        self._failures += 1
        if self._failures == 1:
            _logger.warning(
                "%s of %s does not tell: %s", self.source.name, self._qpu_id, self.error, extra=self._fields()
            )

    def _fields(self) -> dict[str, object]:
        return {log_fields.QPU_ID: self._qpu_id}
