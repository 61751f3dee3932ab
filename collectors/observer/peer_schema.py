"""The peer's tables as this version of it has them: columns that it lacks are read as unknown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, MetaData, Table, inspect, null, text
from sqlalchemy.exc import NoSuchTableError

from .settings import PeerDatabaseSettings
from .source import SourceError

_SLURM_JOB = ("slurm_job_id", "scheduler_job_id")


@dataclass(frozen=True, slots=True)
class PeerTable:
    """A table and its columns by what they mean; those that it lacks are not in ``columns``."""

    table: Table
    columns: dict[str, Column[Any]]

    def column(self, meaning: str) -> ColumnElement[Any]:
        """Return the column, or NULL if this version of the peer has none."""
        found: ColumnElement[Any] = self.columns.get(meaning, null())
        return found.label(meaning)


@dataclass(frozen=True, slots=True)
class PeerSchema:
    """The peer's tables; ``accessibility`` is None where it has none."""

    jobs: PeerTable
    sessions: PeerTable
    accessibility: PeerTable | None


def find(connection: Connection, settings: PeerDatabaseSettings) -> PeerSchema:
    """Look which of the configured tables and columns there are.

    Raises:
        SourceError: a table or column is missing without which nothing can be read, or must not be read.
    """
    jobs = settings.jobs
    found_jobs = _table(
        connection,
        jobs.table,
        "jobs",
        {"id": jobs.id, "session": jobs.session, "status": jobs.status, "created": jobs.created},
        {
            "shots": jobs.shots,
            "started": jobs.started,
            "ended": jobs.ended,
            "canceled": jobs.canceled,
            "device_job": jobs.device_job,
        },
    )
    sessions = settings.sessions
    optional = {"reason": sessions.reason}
    names = _column_names(connection, sessions.table) or set()
    candidates = _SLURM_JOB if sessions.slurm_job is None else (sessions.slurm_job,)
    if found := next((name for name in candidates if name in names), None):
        optional["slurm_job"] = found
    found_sessions = _table(
        connection,
        sessions.table,
        "sessions",
        {"id": sessions.id, "user": sessions.user, "created": sessions.created, "revoked": sessions.revoked},
        optional,
    )
    access = settings.accessibility
    try:
        found_access = _table(
            connection,
            access.table,
            "accessibility",
            {"id": access.id, "accessible": access.accessible},
            {"message": access.message},
        )
    except SourceError:
        return PeerSchema(found_jobs, found_sessions, None)
    return PeerSchema(found_jobs, found_sessions, found_access)


def unix(value: object) -> float | None:
    """Return a time stamp of either database as Unix seconds; the peer stores UTC, SQLite without saying so."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return None


def stamp(connection: Connection, seconds: float) -> object:
    """Return Unix seconds as the database compares them with its own time stamps."""
    moment = datetime.fromtimestamp(seconds, UTC)
    if connection.dialect.name == "sqlite":
        return moment.replace(tzinfo=None).isoformat(" ", "microseconds")
    return moment


def _table(
    connection: Connection, name: str, key: str, needed: dict[str, str], optional: dict[str, str]
) -> PeerTable:
    names = _column_names(connection, name)
    if names is None:
        raise SourceError(f"there is no table {name}; name it in peer_database.{key}.table")
    for meaning, column in needed.items():
        if column not in names:
            raise SourceError(
                f"table {name} has no column {column} that may be read; name it in "
                f"peer_database.{key}.{meaning}, or grant SELECT on it"
            )
    wanted = needed | {meaning: column for meaning, column in optional.items() if column in names}
    distinct: dict[str, Column[Any]] = {column: Column(column) for column in wanted.values()}
    table = Table(name, MetaData(), *distinct.values())
    return PeerTable(table, {meaning: distinct[column] for meaning, column in wanted.items()})


def _column_names(connection: Connection, table: str) -> set[str] | None:
    if connection.dialect.name == "postgresql":
        # Only what the observer's role may read, so that it can be granted single columns.
        rows = connection.execute(
            text(
                "SELECT column_name FROM information_schema.columns WHERE table_name = :table "
                "AND table_schema = ANY (current_schemas(false)) "
                "AND has_column_privilege(quote_ident(table_schema) || '.' || quote_ident(table_name), "
                "column_name, 'SELECT')"
            ),
            {"table": table},
        )
        return {str(row[0]) for row in rows} or None
    try:
        return {str(column["name"]) for column in inspect(connection).get_columns(table)}
    except NoSuchTableError:
        return None
