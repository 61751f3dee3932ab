"""Backup of a store while a daemon works on it, and its restore."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import URL, create_engine
from sqlalchemy.pool import NullPool

from . import schema
from .errors import ConfigurationError, ConflictError
from .store_alone import taken, taken_unread
from .store_check import Condition, check_file
from .store_file import Progress, copy, existing, path_of, to_disk


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made."""

    file: str
    taken_at: float
    """Unix seconds: every job acknowledged before is in it."""
    condition: Condition


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored."""

    store: str
    kept_aside: str | None
    """Where the store that was there is now."""
    numbers_go_on: bool
    """Whether no number of a job, session or slice of the store that was there is given again."""
    revision_of_backup: str
    condition: Condition


def backup(url: str, file: Path, *, force: bool = False, progress: Progress | None = None) -> Backup:
    """Write a copy of a SQLite store, as it is at one moment, whole and checked, which only its owner reads.

    Raises:
        ConflictError: ``file`` is there, and not ``force``; or it is the store.
        ConfigurationError: there is no such store, it is damaged, or it is on a server.
    """
    store = existing(url)
    if file.exists() and file.samefile(store):
        raise ConflictError(f"{file}: is the store itself; name another file")
    if file.exists() and not force:
        raise ConflictError(f"{file}: is there already; --force overwrites it")
    with _partial(file) as partial:
        taken_at = time.time()
        condition = _copied(store, partial, progress)
        if force:
            partial.replace(file)
        else:
            try:
                os.link(partial, file)
            except FileExistsError as error:
                raise ConflictError(f"{file}: is there already; --force overwrites it") from error
            partial.unlink()
        to_disk(file.absolute().parent)
    return Backup(str(file), taken_at, condition)


def restore(url: str, file: Path, *, progress: Progress | None = None) -> Restored:
    """Put a backup in a SQLite store's place, migrated to the newest revision; the old store is kept aside.

    Until the last step, which is one renaming, the store is as it was.

    Raises:
        ConflictError: a daemon has the store open.
        ConfigurationError: ``file`` is no backup, is damaged, or is newer than this qwatch.
    """
    store = path_of(url)
    if not file.is_file():
        raise ConfigurationError(f"{file}: there is no such file")
    if store.exists() and file.samefile(store):
        raise ConfigurationError(f"{file}: is the store itself; name a backup of it")
    if not store.parent.is_dir():
        raise ConfigurationError(f"store {store}: there is no folder {store.parent}")
    # Beside the store, so that the last step is a renaming.
    with _held(store) as old, _partial(store) as partial:
        of_backup = _copied(file, partial, progress)
        schema.upgrade(create_engine(URL.create("sqlite", database=str(partial)), poolclass=NullPool))
        numbers_go_on = old is not None and _continue_numbers(partial, old)
        if store.exists():
            shutil.copymode(store, partial)
        if os.geteuid() == 0:
            # A store that root restores is still the daemon's.
            owner = (store if store.exists() else store.parent).stat()
            os.chown(partial, owner.st_uid, owner.st_gid)
        to_disk(partial)
        condition = replace(check_file(partial), store=str(store))
        aside = _keep_aside(store, old) if store.exists() else None
        partial.replace(store)
        to_disk(store.parent)
    return Restored(
        str(store),
        None if aside is None else str(aside),
        aside is None or numbers_go_on,
        of_backup.revision or "",
        condition,
    )


def _copied(source: Path, target: Path, progress: Progress | None) -> Condition:
    """Copy a store, and return what the copy is: sound, and of a revision that is known here."""
    try:
        copy(source, target, progress)
    except sqlite3.Error as error:
        raise ConfigurationError(f"{source}: cannot be copied: {error}") from error
    condition = check_file(target)
    if condition.revision is None:
        raise ConfigurationError(f"{source}: is not a store of qwatch")
    if not condition.known:
        raise ConfigurationError(
            f"{source}: was written by a newer qwatch (revision {condition.revision}, "
            f"here {condition.newest}); use that version"
        )
    if condition.problems:
        raise ConfigurationError(f"{source}: is damaged: {condition.problems[0]}")
    return condition


@contextmanager
def _partial(file: Path) -> Iterator[Path]:
    """Give the name of a file beside ``file`` to be written and then renamed; what is left of it is removed."""
    partial = file.absolute().with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        yield partial
    finally:
        for ending in ("", "-wal", "-shm", "-journal"):
            partial.with_name(partial.name + ending).unlink(missing_ok=True)


@contextmanager
def _held(store: Path) -> Iterator[sqlite3.Connection | None]:
    """Keep others from opening the store; gives the connection that does, unless it is damaged or not there."""
    if not store.exists():
        yield None
        return
    try:
        connection = taken(store)
    except sqlite3.OperationalError as error:
        raise ConfigurationError(f"store {store}: cannot be opened: {error}") from error
    except sqlite3.DatabaseError:
        with taken_unread(store):
            yield None
        return
    with closing(connection):
        yield connection


def _continue_numbers(partial: Path, old: sqlite3.Connection) -> bool:
    """Let no number be given again that the old store gave: users, traces and logs know jobs by it."""
    try:
        given = old.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
    except sqlite3.Error:
        return False
    with closing(sqlite3.connect(partial, isolation_level=None)) as writer:
        tables = {row[0] for row in writer.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        writer.execute("BEGIN")
        for name, number in given:
            if name not in tables:
                continue
            # A table that nothing was ever written to has no row there.
            writer.execute(
                "INSERT INTO sqlite_sequence (name, seq) SELECT ?, 0 "
                "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?)",
                (name, name),
            )
            writer.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (number, name))
        writer.execute("COMMIT")
    return True


def _keep_aside(store: Path, old: sqlite3.Connection | None) -> Path:
    """Give the store another name as well, with nothing of it left in files beside it."""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = store.with_name(f"{store.name}.before-restore-{moment}")
    if old is not None:
        with contextlib.suppress(sqlite3.DatabaseError):
            # What is in the write-ahead log gets into the file, which is then whole by itself.
            old.execute("PRAGMA journal_mode=DELETE")
    for ending in ("-wal", "-shm"):
        beside = store.with_name(store.name + ending)
        if beside.exists():
            beside.rename(aside.with_name(aside.name + ending))
    os.link(store, aside)
    return aside
