"""Having a store to oneself: it is changed as a whole only while no daemon, and nobody else, has it open."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool

from .errors import ConfigurationError, ConflictError
from .store_file import existing, is_file, parsed

_LOCK_BYTES = (0x40000000, 512)
"""Where SQLite's locks lie in a database file, by its file format: first byte and how many."""
_PATIENCE_MILLISECONDS = 500


@contextmanager
def alone(url: str) -> Iterator[Engine]:
    """Give an engine of one connection, while which nobody else has the store open.

    Raises:
        ConflictError: a daemon or another program has it open.
        ConfigurationError: there is no such store, or it cannot be opened.
    """
    if not is_file(url):
        with _alone_on_server(url) as engine:
            yield engine
        return
    path = existing(url)
    try:
        connection = taken(path)
    except sqlite3.Error as error:
        raise ConfigurationError(f"store {path}: cannot be opened: {error}") from error
    with closing(connection):
        connection.execute("PRAGMA foreign_keys=ON")
        engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)

        @event.listens_for(engine, "begin")
        def _begin(begun: Connection) -> None:
            begun.exec_driver_sql("BEGIN")

        yield engine


def taken(path: Path) -> sqlite3.Connection:
    """Open a SQLite store that nobody else has open; nobody else can until it is closed.

    Raises:
        ConflictError: somebody else has it open.
        sqlite3.Error: it is not a database.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout={_PATIENCE_MILLISECONDS}")
        connection.execute("PRAGMA synchronous=FULL")
        # Before the first look into it: then every other connection to a WAL, however idle, shuts this one out.
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise _in_use(path) from error
        raise
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextmanager
def taken_unread(path: Path) -> Iterator[None]:
    """Lock the file of a store that is too damaged to be opened, as SQLite does.

    Raises:
        ConflictError: somebody else has it open.
    """
    descriptor = os.open(path, os.O_RDWR)
    try:
        try:
            first, number = _LOCK_BYTES
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, number, first)
        except OSError as error:
            raise _in_use(path) from error
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _alone_on_server(url: str) -> Iterator[Engine]:
    engine: Any = create_engine(parsed(url), pool_size=1, max_overflow=0)
    others = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    try:
        try:
            with engine.connect() as connection:
                number = connection.execute(others).scalar_one()
        except OperationalError as error:
            reason = str(error.orig).splitlines()[0]
            raise ConfigurationError(f"store {engine.url}: cannot be opened: {reason}") from error
        if number:
            raise ConflictError(
                f"store {engine.url}: is in use by {number} connections; stop the daemons, "
                "and end the other sessions on this database"
            )
        yield engine
    finally:
        engine.dispose()


def _in_use(path: Path) -> ConflictError:
    return ConflictError(
        f"store {path}: is in use; stop the daemon (systemctl stop qwatch-daemon), "
        "and whatever else has it open"
    )
