"""Opens a store for reading only: a running daemon is not disturbed, and nothing can be changed.

SQLite is opened with ``mode=ro``, which lets temporary tables be made beside it; with its write-ahead log
readers hold up nobody. PostgreSQL's own transactions are read-only and see one moment.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool, QueuePool

from ..scheduler import schema
from ..scheduler.errors import ConfigurationError
from .percentiles import register

T = TypeVar("T")

_AT_ONCE = 2
_BUSY_SECONDS = 5.0
_CACHE_KIB = 32 * 1024


class ReadOnlyStore:
    """A store's ledger, read by two connections at once."""

    def __init__(self, engine: Engine, where: str) -> None:
        self._engine = engine
        self._where = where
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="qwatch-report")

    def read(self, work: Callable[[Connection], T]) -> T:
        """Return what ``work`` reads.

        Raises:
            ConfigurationError: the database does not serve.
        """
        try:
            with self._engine.connect() as connection:
                return work(connection)
        except DBAPIError as error:
            raise ConfigurationError(f"store {self._where}: {_reason(error)}") from error

    def begin(self, work: Callable[[Connection], T]) -> Future[T]:
        """Read beside what else is read; the future raises what :meth:`read` does."""
        return self._threads.submit(self.read, work)

    def close(self) -> None:
        """Wait for what is read, and close."""
        self._threads.shutdown(cancel_futures=True)
        self._engine.dispose()


@contextmanager
def open_store(url: str) -> Iterator[ReadOnlyStore]:
    """Open the store at ``url`` for reading.

    Raises:
        ConfigurationError: it cannot be opened, is no store, or has not the schema that this version reads.
    """
    engine, where = _engine(url)
    store = ReadOnlyStore(engine, where)
    try:
        _check_revision(store, where)
        yield store
    finally:
        store.close()


def _check_revision(store: ReadOnlyStore, where: str) -> None:
    def revision(connection: Connection) -> str | None:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()

    found, known = store.read(revision), schema.head()
    if found is None:
        raise ConfigurationError(f"store {where}: is not a store of qwatch")
    if found != known:
        raise ConfigurationError(
            f"store {where}: has the schema {found}, and this qwatch reads {known}: "
            f"use the version that the daemon has, or start a daemon of this version, which upgrades the store"
        )


def _engine(url: str) -> tuple[Engine, str]:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _sqlite(parsed)
        return _server(parsed), parsed.render_as_string(hide_password=True)
    except (ArgumentError, NoSuchModuleError) as error:
        raise ConfigurationError(f"store {url!r} is not a database URL such as sqlite:///qwatch.db") from error
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"store: {error.name} is not installed, which the database needs: pip install 'qwatch[postgresql]'"
        ) from error


def _sqlite(url: URL) -> tuple[Engine, str]:
    if url.database in (None, "", ":memory:"):
        raise ConfigurationError("store: name the file of the database, for example sqlite:///qwatch.db")
    path = Path(str(url.database))
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise ConfigurationError(f"store {path}: {error.strerror}") from error
    place = quote(str(path.absolute()))

    def connect() -> sqlite3.Connection:
        try:
            return _open(f"file:{place}?mode=ro")
        except sqlite3.OperationalError:
            # In a folder that may not be written to, SQLite cannot make its shared memory. Without a log beside
            # the file nobody has it open.
            if Path(f"{path}-wal").exists():
                raise
            return _open(f"file:{place}?mode=ro&immutable=1")

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine, str(path)


def _open(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    for pragma in (
        # What is sorted goes to a file that nobody else sees, so that memory stays bounded.
        "temp_store=FILE",
        f"cache_size=-{_CACHE_KIB}",
    ):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    register(connection)
    return connection


def _server(url: URL) -> Engine:
    options: dict[str, Any] = {}
    if url.get_backend_name() == "postgresql":
        options = {"options": "-c default_transaction_read_only=on", "application_name": "qwatch report"}
    return create_engine(
        url,
        poolclass=QueuePool,
        pool_size=_AT_ONCE + 1,
        isolation_level="REPEATABLE READ",
        connect_args=options,
    )


def _reason(error: DBAPIError) -> str:
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else type(error.orig).__name__
