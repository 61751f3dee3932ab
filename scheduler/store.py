"""The durable store: one writer with group commit, and readers beside it.

Every write is a function of a connection. Writes that wait together share one transaction and one fsync;
each caller goes on only after the commit. Those of one kind can share statements, too. On SQLite: WAL,
``synchronous=FULL``.
"""

from __future__ import annotations

import asyncio
import logging
import math
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool

from ..telemetry import own_metrics
from ..telemetry.instruments import Instruments
from .errors import ConfigurationError, UnavailableError

I = TypeVar("I")  # noqa: E741
T = TypeVar("T")
_logger = logging.getLogger(__name__)

_BATCH = 256
_LOCK_WAIT_MILLISECONDS = 1000
_RETRY_SECONDS = 0.1
_STOP_SECONDS = 2.0
_COMPANY_SECONDS = 0.01
_READERS = 4
_OLDEST_SQLITE = (3, 35)
"""The first with RETURNING and DROP COLUMN."""

Together = Callable[[Connection, Sequence[I]], Sequence[T | Exception]]
"""Writes items and returns for each its value, or why it was refused (and nothing was written of it)."""


@dataclass(slots=True, eq=False)
class _Write(Generic[I, T]):
    together: Together[I, T]
    item: I
    future: asyncio.Future[T] | None
    deadline: float | None
    outcome: T | Exception | None = field(default=None)


class Store:
    """The database behind the queue and the ledger."""

    def __init__(self, url: str, instruments: Instruments) -> None:
        self._instruments = instruments
        self.engine = _engine(url)
        self._writes: queue.SimpleQueue[_Write[Any, Any] | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="qwatch-store-read")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_at: float | None = None

    def start(self) -> None:
        """Start the writer; must be called from the event loop that will await the writes."""
        self._loop = asyncio.get_running_loop()
        self._writer = threading.Thread(target=self._write_forever, name="qwatch-store-write", daemon=True)
        self._writer.start()

    async def stop(self) -> None:
        """Finish the writes that were asked for, as far as the database lets them, and close."""
        self._writes.put(None)
        if self._writer is not None:
            await asyncio.to_thread(self._writer.join)
        self._readers.shutdown()
        self.engine.dispose()

    async def write(self, work: Callable[[Connection], T], *, timeout: float | None = None) -> T:
        """Run ``work`` in a transaction and return its value after the commit.

        ``work`` may run more than once (a transaction that failed is repeated), so it only talks to the
        connection. With ``timeout`` (seconds) a write that has not begun by then never happens.

        Raises:
            UnavailableError: the store could not serve within ``timeout``; nothing was written.
        """
        return await self.write_together(_each, work, timeout=timeout)

    async def write_together(self, together: Together[I, T], item: I, *, timeout: float | None = None) -> T:
        """Like :meth:`write`, but items of one function that wait together are given to it in one call.

        Raises:
            UnavailableError: the store could not serve within ``timeout``; nothing was written.
            Exception: the one that ``together`` returned for this item.
        """
        if self._loop is None:
            raise RuntimeError("the store was not started")
        deadline = None if timeout is None else time.monotonic() + timeout
        future: asyncio.Future[T] = self._loop.create_future()
        started = time.perf_counter()
        self._writes.put(_Write(together, item, future, deadline))
        try:
            # A client that goes away cancels its future, not the commit, which others share.
            return await future
        finally:
            self._instruments.observe(
                own_metrics.STORE_DURATION, time.perf_counter() - started, operation="write"
            )

    def write_later(self, together: Together[I, None], item: I) -> None:
        """Write ``item`` in the next transaction without waiting for it; a failure is logged."""
        self._writes.put(_Write(together, item, None, None))

    async def read(self, work: Callable[[Connection], T], *, timeout: float = 5.0) -> T:
        """Run ``work`` on a read connection and return its value.

        Raises:
            UnavailableError: the store could not serve within ``timeout`` seconds.
        """
        started = time.perf_counter()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, work, timeout)
        finally:
            self._instruments.observe(
                own_metrics.STORE_DURATION, time.perf_counter() - started, operation="read"
            )

    def read_now(self, work: Callable[[Connection], T], timeout: float = 5.0) -> T:
        """Like :meth:`read`, for callers in a thread of their own."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                with self.engine.connect() as connection:
                    return work(connection)
            except OperationalError as error:
                if time.monotonic() > deadline:
                    raise UnavailableError(f"the store does not answer: {_reason(error)}") from error
                time.sleep(_RETRY_SECONDS)

    def _write_forever(self) -> None:
        while self._stop_at is None:
            if batch := self._queued(_BATCH, wait=True):
                self._commit(batch)

    def _queued(self, most: float, *, wait: bool = False) -> list[_Write[Any, Any]]:
        """Take at most ``most`` writes off the queue, with ``wait`` at least one unless the store stops.

        What nobody waits for precedes a write that somebody does: it waits a moment for that one's commit.
        """
        taken: list[_Write[Any, Any]] = []
        while len(taken) < most and self._stop_at is None:
            try:
                entry = self._writes.get(block=wait, timeout=_COMPANY_SECONDS if taken else None)
            except queue.Empty:
                break
            if entry is None:
                self._stop_at = time.monotonic() + _STOP_SECONDS
            else:
                taken.append(entry)
                wait = wait and entry.future is None
        return taken

    def _commit(self, batch: list[_Write[Any, Any]], *, alone: bool = False) -> None:
        """Commit ``batch`` together; if one of it fails, each by itself, so that it fails alone."""
        waiting = batch
        while waiting := self._expire(waiting):
            try:
                with self.engine.begin() as connection:
                    _do(connection, waiting)
                self._resolve(waiting)
                return
            except OperationalError as error:
                _logger.warning("store is busy, %d writes wait: %s", len(waiting), _reason(error))
                time.sleep(_RETRY_SECONDS)
                if not alone:
                    # What was asked for meanwhile waits here too, so that its deadline holds.
                    waiting = waiting + self._queued(math.inf)
            except Exception as error:
                if len(waiting) == 1:
                    waiting[0].outcome = error
                    self._resolve(waiting)
                    return
                for entry in waiting:
                    self._commit([entry], alone=True)
                return

    def _expire(self, entries: list[_Write[Any, Any]]) -> list[_Write[Any, Any]]:
        now = time.monotonic()
        stopped = self._stop_at is not None and now > self._stop_at
        expired = [
            entry for entry in entries if stopped or (entry.deadline is not None and entry.deadline < now)
        ]
        for entry in expired:
            entry.outcome = UnavailableError("the store is busy and nothing was written; try again")
        if expired:
            self._resolve(expired)
        return [entry for entry in entries if entry not in expired] if expired else entries

    def _resolve(self, entries: list[_Write[Any, Any]]) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(_set_outcomes, list(entries))
        except RuntimeError:
            _logger.warning("%d writes were committed after the daemon had stopped", len(entries))


def _each(connection: Connection, works: Sequence[Callable[[Connection], T]]) -> list[T]:
    return [work(connection) for work in works]


def _do(connection: Connection, entries: list[_Write[Any, Any]]) -> None:
    kinds: dict[Together[Any, Any], list[_Write[Any, Any]]] = {}
    for entry in entries:
        kinds.setdefault(entry.together, []).append(entry)
    for together, members in kinds.items():
        outcomes = together(connection, [member.item for member in members])
        for member, outcome in zip(members, outcomes, strict=True):
            member.outcome = outcome


def _set_outcomes(entries: list[_Write[Any, Any]]) -> None:
    for entry in entries:
        outcome = entry.outcome
        if entry.future is None:
            if isinstance(outcome, Exception):
                _logger.error("a write failed: %s", outcome)
        elif entry.future.done():
            continue
        elif isinstance(outcome, Exception):
            entry.future.set_exception(outcome)
        else:
            entry.future.set_result(outcome)


def _reason(error: DBAPIError) -> str:
    return str(error.orig).splitlines()[0] if error.orig is not None else str(error)


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        # Without the URL, which may hold a password.
        raise ConfigurationError("store.url: is not a database URL such as sqlite:///qwatch.db") from error
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_size=_READERS + 1, pool_pre_ping=True)
    if parsed.database in (None, "", ":memory:"):
        raise ConfigurationError("store.url: a store in memory is not durable; name a file")
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise ConfigurationError(
            f"store.url: Python's SQLite is {sqlite3.sqlite_version}, and qwatch needs 3.35 or newer; "
            "install it with a Python that brings one (docs/machine-room.md), or keep the store on PostgreSQL"
        )
    engine = create_engine(
        parsed,
        poolclass=QueuePool,
        pool_size=_READERS + 1,
        max_overflow=_READERS,
        connect_args={"check_same_thread": False, "timeout": _LOCK_WAIT_MILLISECONDS / 1000},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # SQLAlchemy's own BEGIN below is the only one.
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA busy_timeout={_LOCK_WAIT_MILLISECONDS}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine
