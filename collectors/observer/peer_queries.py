"""What is asked of the peer's database, every time by primary key or over a bounded range of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, null, or_, select

from .peer_jobs import FINAL
from .peer_schema import PeerSchema, stamp

MOST_ROWS = 1000
"""Jobs that one question answers."""

_KEYS_AT_ONCE = 500
_JOB = ("id", "session", "status", "shots", "created", "started", "ended", "canceled", "device_job")


@dataclass(frozen=True, slots=True)
class PeerQueries:
    """Questions to the peer's database over one connection."""

    connection: Connection
    schema: PeerSchema

    def ids(self) -> tuple[int, int]:
        """Return the lowest and the highest id of a job; (1, 0) if there is none."""
        key = self.schema.jobs.columns["id"]
        # Two questions: SQLite answers both from the key's index, but scans the table for both in one.
        lowest = self.connection.execute(select(func.min(key))).scalar()
        highest = self.connection.execute(select(func.max(key))).scalar()
        return (1, 0) if lowest is None or highest is None else (int(lowest), int(highest))

    def jobs_after(self, last: int) -> list[Row[Any]]:
        """Return the jobs with higher ids than ``last``, at most ``MOST_ROWS`` of them."""
        return self._jobs(self.schema.jobs.columns["id"] > last)

    def jobs(self, ids: Iterable[int]) -> Iterator[Row[Any]]:
        """Return the jobs with these ids; those that are gone are left out."""
        for keys in _pieces(sorted(ids)):
            yield from self._jobs(self.schema.jobs.columns["id"].in_(keys))

    def past(self, after: int, until: int, since: float) -> list[Row[Any]]:
        """Return the jobs with ids above ``after`` that have not ended, or ended since (Unix seconds).

        At most ``MOST_ROWS`` ids further on, and none above ``until``.
        """
        columns = self.schema.jobs.columns
        ends = [columns[name] for name in ("ended", "canceled") if name in columns]
        ended = func.coalesce(*ends, null(), null())
        return self._jobs(
            columns["id"] > after,
            columns["id"] <= min(until, after + MOST_ROWS),
            or_(columns["status"].not_in(list(FINAL)), ended >= stamp(self.connection, since)),
        )

    def accessible(self) -> tuple[bool | None, str | None]:
        """Return whether the peer is open to users, and what it tells them; None where it does not tell."""
        table = self.schema.accessibility
        if table is None:
            return None, None
        newest = self.connection.execute(
            select(table.column("accessible"), table.column("message"))
            .order_by(table.columns["id"].desc())
            .limit(1)
        ).first()
        if newest is None:
            return None, None
        return bool(newest.accessible), None if newest.message is None else str(newest.message)

    def open_sessions(self) -> frozenset[object]:
        """Return the ids of the sessions that are held, as the database has them."""
        sessions = self.schema.sessions.columns
        query = select(sessions["id"]).where(sessions["revoked"].is_(None))
        return frozenset(self.connection.execute(query).scalars())

    def sessions(self, ids: Iterable[object]) -> Iterator[Row[Any, Any, Any]]:
        """Return begin, end and reason of sessions."""
        sessions = self.schema.sessions
        query = select(sessions.column("created"), sessions.column("revoked"), sessions.column("reason"))
        for keys in _pieces(sorted(ids, key=str)):
            yield from self.connection.execute(query.where(sessions.columns["id"].in_(keys)))

    def _jobs(self, *conditions: ColumnElement[bool]) -> list[Row[Any]]:
        jobs, sessions = self.schema.jobs, self.schema.sessions
        query = (
            select(
                *(jobs.column(meaning) for meaning in _JOB),
                sessions.column("user"),
                sessions.column("slurm_job"),
            )
            .select_from(
                jobs.table.outerjoin(sessions.table, jobs.columns["session"] == sessions.columns["id"])
            )
            .where(*conditions)
            .order_by(jobs.columns["id"])
            .limit(MOST_ROWS)
        )
        return list(self.connection.execute(query))


def _pieces(keys: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        yield keys[start : start + _KEYS_AT_ONCE]
