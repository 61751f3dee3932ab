"""What a store is: its revision, whether it is sound, how large, how much is in it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, func, inspect, select, text
from sqlalchemy.exc import DatabaseError

from . import schema
from .errors import ConfigurationError
from .store_file import opened
from .tables import UNFINISHED, jobs

_MOST_LINES = 20


@dataclass(frozen=True, slots=True)
class Condition:
    """What was found; sizes in bytes, None where the database does not tell."""

    store: str
    revision: str | None
    newest: str
    """The newest revision that this qwatch knows."""
    problems: tuple[str, ...]
    """Of its integrity; nothing where it is sound."""
    size: int
    log_size: int | None
    """Of the write-ahead log beside it."""
    free: int | None
    """Of ``size``, what is free within."""
    jobs: int
    unfinished: int

    @property
    def known(self) -> bool:
        """Whether this qwatch can work with it, at once or after an upgrade."""
        return self.revision in schema.revisions()

    @property
    def good(self) -> bool:
        """Whether it is sound and of a known revision."""
        return self.known and not self.problems


def check_file(path: Path) -> Condition:
    """Look at a SQLite store, also while a daemon works on it; reads all of it.

    Raises:
        ConfigurationError: it cannot be read, or is not a database.
    """
    try:
        connection = opened(path)
        try:
            return _condition(connection, path)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise ConfigurationError(f"store {path}: cannot be read: {error}") from error


def check_server(engine: Engine) -> Condition:
    """Look at a store on a server, which sees to its integrity itself.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        with engine.connect() as connection:
            there = inspect(connection).has_table("jobs")
            total = connection.execute(select(func.count()).select_from(jobs)).scalar_one() if there else 0
            waiting = select(func.count()).select_from(jobs).where(UNFINISHED)
            return Condition(
                store=engine.url.render_as_string(),
                revision=schema.revision_of(connection),
                newest=schema.head(),
                problems=(),
                size=int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()),
                log_size=None,
                free=None,
                jobs=int(total),
                unfinished=int(connection.execute(waiting).scalar_one()) if there else 0,
            )
    except DatabaseError as error:
        reason = str(error.orig).splitlines()[0]
        raise ConfigurationError(f"store {engine.url}: cannot be read: {reason}") from error


def _condition(connection: sqlite3.Connection, path: Path) -> Condition:
    def value(query: str) -> int:
        return int(connection.execute(query).fetchone()[0])

    lines = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({_MOST_LINES})")]
    problems = [] if lines == ["ok"] else lines
    for row in connection.execute("PRAGMA foreign_key_check").fetchmany(_MOST_LINES - len(problems)):
        problems.append(f"row {row[1]} of {row[0]} refers to a row of {row[2]} that is not there")
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    revision = None
    if "alembic_version" in names:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        revision = None if row is None else str(row[0])
    log = path.with_name(f"{path.name}-wal")
    return Condition(
        store=str(path),
        revision=revision,
        newest=schema.head(),
        problems=tuple(problems),
        size=path.stat().st_size,
        log_size=log.stat().st_size if log.exists() else 0,
        free=value("PRAGMA freelist_count") * value("PRAGMA page_size"),
        jobs=value("SELECT count(*) FROM jobs") if "jobs" in names else 0,
        unfinished=value(f"SELECT count(*) FROM jobs WHERE {UNFINISHED}") if "jobs" in names else 0,
    )
