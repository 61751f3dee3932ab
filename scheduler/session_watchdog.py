"""Ends sessions that nobody uses any more: a lost release would otherwise hold one for ever."""

from __future__ import annotations

import asyncio
import logging
import time

from sqlalchemy import Connection, select

from . import sessions
from .errors import UnavailableError
from .ledger import OWN_JOB
from .session_lifecycle import SessionLifecycle
from .sessions import Session
from .tables import UNFINISHED, jobs, ledger_jobs

_logger = logging.getLogger(__name__)

_LONGEST_PAUSE_SECONDS = 30.0
_SHORTEST_PAUSE_SECONDS = 0.05


class SessionWatchdog:
    """Ends sessions as expired after ``idle_timeout`` seconds without work, or ``max_age`` seconds after their
    begin; None is no limit. What they queued still runs.
    """

    def __init__(self, lifecycle: SessionLifecycle, idle_timeout: float | None, max_age: float | None) -> None:
        self._lifecycle = lifecycle
        self._idle_timeout = idle_timeout
        self._max_age = max_age

    async def run(self) -> None:
        """Watch until cancelled; returns at once if there is nothing to watch."""
        limits = [limit for limit in (self._idle_timeout, self._max_age) if limit is not None]
        if not limits:
            return
        pause = min(max(min(limits) / 10, _SHORTEST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
        while True:
            await asyncio.sleep(pause)
            try:
                await self.sweep(time.time())
            except UnavailableError as error:
                _logger.warning("sessions were not looked at: %s", error)

    async def sweep(self, now: float) -> list[Session]:
        """End what has expired by ``now`` (Unix seconds), and return it."""
        return await self._lifecycle.expire(lambda connection: self._expired(connection, now))

    def _expired(self, connection: Connection, now: float) -> list[Session]:
        held = sessions.held(connection)
        old = [item for item in held if self._max_age is not None and item.created_at <= now - self._max_age]
        if self._idle_timeout is None:
            return old
        since = now - self._idle_timeout
        perhaps = [item for item in held if item.created_at <= since and item not in old]
        if not perhaps:
            return old
        used = _used_since(connection, since)
        return old + [item for item in perhaps if item.id not in used]


def _used_since(connection: Connection, since: float) -> set[int]:
    """Return the sessions with a job that has not ended, or has ended after ``since``."""
    unfinished = connection.execute(select(jobs.c.session_id).where(UNFINISHED).distinct()).scalars()
    ended = connection.execute(
        select(ledger_jobs.c.session).where(OWN_JOB, ledger_jobs.c.ended_at > since).distinct()
    ).scalars()
    return {*unfinished, *(int(number) for number in ended)}
