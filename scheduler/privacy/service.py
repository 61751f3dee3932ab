"""Keeps what the configuration says of privacy: deletes old rows and gives up old names, in the background."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from functools import partial
from typing import Any

from sqlalchemy import Connection

from ...telemetry import labels, own_metrics
from ...telemetry.instruments import Instruments
from ..store import Store
from . import pseudonymisation, retention
from .pseudonyms import of_store
from .settings import PrivacySettings, RetentionSettings
from .steps import Found, Step

_logger = logging.getLogger(__name__)

_DAY_SECONDS = 86_400.0
_PAUSE_SECONDS = 0.05
_STORE_SECONDS = 60.0

assert set(RetentionSettings.model_fields) == set(labels.RETENTION_KIND.values or ())


class PrivacyService:
    """Sweeps at the start and then daily; a sweep is made of small transactions with pauses between them."""

    def __init__(
        self, store: Store, settings: PrivacySettings, instruments: Instruments, pause: float = _PAUSE_SECONDS
    ) -> None:
        self._store = store
        self._settings = settings
        self._instruments = instruments
        self._pause = pause
        self._task: asyncio.Task[None] | None = None
        for kind in labels.RETENTION_KIND.values or ():
            for action in labels.RETENTION_ACTION.values or ():
                instruments.add(own_metrics.RETENTION_ROWS, 0, kind=kind, action=action)

    def start(self) -> None:
        """Begin to sweep; the store must have started."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Sweep no more; what was committed stays."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def sweep(self, now: float) -> dict[tuple[str, str], int]:
        """Do what is due at ``now`` (Unix seconds), and return how many rows, by kind and action.

        Raises:
            UnavailableError: the store does not serve; what was done stays done.
        """
        done: Counter[tuple[str, str]] = Counter()
        try:
            for step in retention.STEPS:
                days = getattr(self._settings.retention, step.kind)
                if days is not None:
                    await self._do(step, now - days * _DAY_SECONDS, done)
            if (days := self._settings.pseudonymise_after) is not None:
                await self._pseudonymise(now - days * _DAY_SECONDS, done)
        finally:
            if done:
                said = ", ".join(f"{action} {count} rows of {kind}" for (kind, action), count in done.items())
                _logger.info("privacy: %s", said)
        return dict(done)

    async def _pseudonymise(self, cutoff: float, done: Counter[tuple[str, str]]) -> None:
        pseudonyms = await of_store(self._store)
        accounts: set[str] = set()
        for step in pseudonymisation.steps(pseudonyms, accounts):
            await self._do(step, cutoff, done)
            if not accounts:
                # Those of the jobs, which were the first step.
                accounts |= await self._store.read(pseudonymisation.accounts_of_persons, timeout=_STORE_SECONDS)

    async def _do(self, step: Step, cutoff: float, done: Counter[tuple[str, str]]) -> None:
        after: Any = None
        while True:
            found = await self._store.read(partial(_find, step, cutoff, after), timeout=_STORE_SECONDS)
            if found.rows:
                count = await self._store.write(partial(_change, step, found))
                if count:
                    done[step.kind, step.action] += count
                    self._instruments.add(own_metrics.RETENTION_ROWS, count, kind=step.kind, action=step.action)
                await asyncio.sleep(self._pause)
            after = found.after
            if after is None:
                return

    async def _run(self) -> None:
        while True:
            try:
                await self.sweep(time.time())
            except Exception as error:
                _logger.error("privacy: old rows were not all looked at: %s", error)
            await asyncio.sleep(_DAY_SECONDS)


def _find(step: Step, cutoff: float, after: Any, connection: Connection) -> Found:
    return step.find(connection, cutoff, after, step.at_once)


def _change(step: Step, found: Found, connection: Connection) -> int:
    return step.change(connection, found.rows)
