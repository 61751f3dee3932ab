"""A store's own file, for who works on it besides the daemon: found, opened, copied while it is written."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from .errors import ConfigurationError

_PAGES = 4096
"""Copied in one step, after which progress is told."""

Progress = Callable[[int, int], None]
"""Is told how many pages were copied, and of how many."""


def parsed(url: str) -> URL:
    """Return a store's URL, taken apart; a plain path is a SQLite file.

    Raises:
        ConfigurationError: it is not one.
    """
    if ":" not in url.partition("/")[0]:
        url = f"sqlite:///{url}"
    try:
        return make_url(url)
    except ArgumentError as error:
        # Without the URL, which may hold a password.
        raise ConfigurationError("store.url: is not a database URL such as sqlite:///qwatch.db") from error


def is_file(url: str) -> bool:
    """Whether the store is a SQLite file, and not on a server."""
    return parsed(url).get_backend_name() == "sqlite"


def path_of(url: str) -> Path:
    """Return where a SQLite store is.

    Raises:
        ConfigurationError: it is on a server, whose own tools copy it, or in memory.
    """
    found = parsed(url)
    if found.get_backend_name() != "sqlite":
        raise ConfigurationError(
            f"store {found.render_as_string()}: a store on a server is copied by the server's own tools: "
            f"pg_dump --format=custom --file=FILE {found.database}, "
            f"and pg_restore --clean --if-exists --dbname={found.database} FILE while no daemon runs"
        )
    if found.database in (None, "", ":memory:"):
        raise ConfigurationError("store.url: a store in memory is not durable; name a file")
    return Path(str(found.database)).absolute()


def existing(url: str) -> Path:
    """Return where a SQLite store is.

    Raises:
        ConfigurationError: there is none, or it is on a server.
    """
    path = path_of(url)
    if not path.is_file():
        hint = (
            "; a relative store.url means the daemon's working directory: run this there (cd /var/lib/qwatch)"
            if not Path(str(parsed(url).database)).is_absolute()
            else ""
        )
        raise ConfigurationError(f"store {path}: there is none{hint}")
    return path


def opened(path: Path) -> sqlite3.Connection:
    """Open a SQLite file that is there for reading.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=5)


def copy(source: Path, target: Path, progress: Progress | None = None) -> None:
    """Copy a store as it is at one moment, by SQLite's backup API, into a new file that only its owner reads.

    Who writes to ``source`` is not held up: the copy is of the snapshot that one read transaction sees. When
    this returns the copy is on disk, whole in one file.

    Raises:
        FileExistsError: ``target`` is there.
        sqlite3.Error: ``source`` is not a database, or there is no space for the copy.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    reader, writer = opened(source), sqlite3.connect(target, isolation_level=None)
    try:
        # Without it each commit of the daemon between two steps would begin the copy anew.
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        told = None if progress is None else lambda _, left, pages: progress(pages - left, pages)
        reader.backup(writer, pages=_PAGES, progress=told)
        reader.execute("COMMIT")
        writer.execute("PRAGMA journal_mode=DELETE")
    finally:
        writer.close()
        reader.close()
    to_disk(target)


def to_disk(path: Path) -> None:
    """Have a file, or the names in a folder, on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
