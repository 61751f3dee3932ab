"""Reads another program's SQLite file without a lock, a write, or a new file beside it.

A reader's lock would keep the owner from committing. So without WAL the file is read with no lock at all, and
what was read counts only if the file did not change meanwhile. With WAL readers never hold up the owner; the
file is then read through the owner's shared memory, which is opened read-only too.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from .source import SourceError

T = TypeVar("T")

_ATTEMPTS = 25
_PAUSE_SECONDS = 0.02
_HEADER = 100
_WAL = 2
_THROUGH_SHARED_MEMORY = "mode=ro&readonly_shm=1"


class _Changed(Exception):
    """The owner wrote while the file was read."""


def read(path: Path, work: Callable[[Connection], T]) -> T:
    """Return what ``work`` reads from the file at ``path``; it may run more than once.

    Raises:
        SourceError: the file cannot be read, or its owner wrote throughout every attempt.
    """
    for _ in range(_ATTEMPTS):
        try:
            return _attempt(path, work)
        except _Changed:
            time.sleep(_PAUSE_SECONDS)
    raise SourceError(f"{path}: was written to during each of {_ATTEMPTS} attempts to read it")


def _attempt(path: Path, work: Callable[[Connection], T]) -> T:
    before = _version(path)
    mode = _mode(path, before)
    uri = f"file:{quote(str(path.absolute()))}?{mode}"
    try:
        with _engine(uri).connect() as connection:
            found = work(connection)
    except Exception as error:
        # What is half old and half new may look like anything.
        if _version(path) != before or _journal(path):
            raise _Changed from error
        if isinstance(error, DatabaseError):
            raise SourceError(f"{path}: {error.orig}") from error
        raise
    if mode != _THROUGH_SHARED_MEMORY and (_version(path) != before or _journal(path)):
        raise _Changed
    return found


@lru_cache(maxsize=64)
def _engine(uri: str) -> Engine:
    """Return what opens the file anew for each reading, and keeps nothing open."""
    return create_engine("sqlite://", creator=lambda: _connect(uri), poolclass=NullPool)


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)
    connection.execute("PRAGMA query_only=ON")
    return connection


def _mode(path: Path, version: tuple[int, bytes, int, int]) -> str:
    if version[0] != _WAL:
        return "mode=ro&nolock=1"
    # Without its memory beside it nobody has the file open, and SQLite would make that memory.
    if Path(f"{path}-wal").exists() and Path(f"{path}-shm").exists():
        return _THROUGH_SHARED_MEMORY
    return "mode=ro&immutable=1"


def _version(path: Path) -> tuple[int, bytes, int, int]:
    """Return what differs after every commit: whether it uses WAL, the change counter, time and size."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER)
        status = path.stat()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
    if not header.startswith(b"SQLite format 3\0"):
        raise SourceError(f"{path}: is not an SQLite database")
    return header[18], header[24:28], status.st_mtime_ns, status.st_size


def _journal(path: Path) -> bool:
    """Tell whether a transaction is being written: its journal begins with other bytes than zeros."""
    try:
        with Path(f"{path}-journal").open("rb") as file:
            return any(file.read(8))
    except OSError:
        return False
