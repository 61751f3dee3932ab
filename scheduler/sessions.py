"""Sessions: what QRMI calls an acquisition, from ``acquire`` to ``release``."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, or_, select, update

from ..telemetry.redaction import SESSION_PREFIX
from .tables import OPEN_SESSION, UNFINISHED, jobs, sessions

# Made once, for it is executed with each submission.
_BY_TOKEN = select(sessions).where(sessions.c.token_sha256 == bindparam("token_sha256"))

_LARGEST_NUMBER = 2**31 - 1
_MOST_BOUND = 500
"""Parameters of one statement, well below what any database takes."""


@dataclass(frozen=True, slots=True)
class Session:
    """One session; times in Unix seconds."""

    id: int
    uid: int
    user_name: str
    account: str
    slurm_job_id: str | None
    qpu_id: str
    created_by: int
    created_at: float
    ended_at: float | None
    outcome: str | None
    hash: str
    """The form in which telemetry may name it."""


@dataclass(frozen=True, slots=True)
class NewSession:
    """What a session is created from."""

    uid: int
    user_name: str
    account: str
    slurm_job_id: str | None
    qpu_id: str
    created_by: int
    created_at: float


def new_token() -> str:
    """Return a fresh acquisition token: 256 random bits in a form that redaction recognises."""
    return SESSION_PREFIX + secrets.token_urlsafe(32)


def token_sha256(token: str) -> str:
    """Return the form in which a token is stored."""
    return hashlib.sha256(token.encode()).hexdigest()


def create(connection: Connection, new: NewSession, token: str) -> int:
    """Write a session and return its number."""
    result = connection.execute(
        insert(sessions).values(
            token_sha256=token_sha256(token),
            uid=new.uid,
            user_name=new.user_name,
            account=new.account,
            slurm_job_id=new.slurm_job_id,
            qpu_id=new.qpu_id,
            created_by=new.created_by,
            created_at=new.created_at,
        )
    )
    number = result.inserted_primary_key
    assert number is not None
    return int(number[0])


def find(connection: Connection, token: str) -> Session | None:
    """Return the session that ``token`` opens, ended or not."""
    row = connection.execute(_BY_TOKEN, {"token_sha256": token_sha256(token)}).first()
    return None if row is None else _session(row)


def by_id(connection: Connection, session_id: int) -> Session:
    """Return the session with this number."""
    return _session(connection.execute(select(sessions).where(sessions.c.id == session_id)).one())


def by_id_or_none(connection: Connection, number: int) -> Session | None:
    """Return the session with this number, or None."""
    if not 0 < number <= _LARGEST_NUMBER:
        return None
    row = connection.execute(select(sessions).where(sessions.c.id == number)).first()
    return None if row is None else _session(row)


def of_user_begun(
    connection: Connection,
    uid: int,
    begin: float,
    end: float,
    before: int | None = None,
    limit: int | None = None,
    qpu_id: str | None = None,
) -> list[Session]:
    """Return a user's sessions that began from ``begin`` to before ``end`` (Unix seconds), newest first.

    At most ``limit`` of them, with numbers below ``before``; of one device, if one is named.
    """
    query = (
        select(sessions)
        .where(sessions.c.uid == uid, sessions.c.created_at >= begin, sessions.c.created_at < end)
        .order_by(sessions.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(sessions.c.id < before)
    if qpu_id is not None:
        query = query.where(sessions.c.qpu_id == qpu_id)
    return [_session(row) for row in connection.execute(query)]


def of_user_held(connection: Connection, uid: int, begin: float, end: float) -> list[Session]:
    """Return a user's sessions that were held for some time from ``begin`` to before ``end`` (Unix seconds)."""
    held_since = or_(sessions.c.ended_at.is_(None), sessions.c.ended_at >= begin)
    query = select(sessions).where(sessions.c.uid == uid, sessions.c.created_at < end, held_since)
    return [_session(row) for row in connection.execute(query)]


def of_user_in_slurm_job(connection: Connection, uid: int, slurm_job_id: str) -> list[Session]:
    """Return a user's sessions of a Slurm job."""
    query = select(sessions).where(sessions.c.uid == uid, sessions.c.slurm_job_id == slurm_job_id)
    return [_session(row) for row in connection.execute(query)]


def with_numbers(connection: Connection, numbers: Collection[int]) -> list[Session]:
    """Return the sessions with these numbers, in no order; what there is not is left out."""
    wanted = sorted(numbers)
    found: list[Session] = []
    for first in range(0, len(wanted), _MOST_BOUND):
        some = sessions.c.id.in_(wanted[first : first + _MOST_BOUND])
        found += [_session(row) for row in connection.execute(select(sessions).where(some))]
    return found


def end(connection: Connection, session_id: int, at: float, outcome: str) -> bool:
    """End a session, ``outcome`` being released, expired or revoked; return False if it had ended before."""
    result = connection.execute(
        update(sessions)
        .where(sessions.c.id == session_id, sessions.c.ended_at.is_(None))
        .values(ended_at=at, outcome=outcome)
    )
    return result.rowcount == 1


def held(connection: Connection, qpu_id: str | None = None) -> list[Session]:
    """Return the sessions that have not ended, oldest first, of one device or of all."""
    query = select(sessions).where(OPEN_SESSION)
    if qpu_id is not None:
        query = query.where(sessions.c.qpu_id == qpu_id)
    # Sorted here: asked for an order, SQLite reads all that there ever were instead of the index of open ones.
    found = [_session(row) for row in connection.execute(query)]
    return sorted(found, key=lambda session: session.id)


def unfinished_jobs(connection: Connection) -> dict[int, int]:
    """Return how many jobs of a session have not ended; sessions without any are left out."""
    rows = connection.execute(
        select(jobs.c.session_id, func.count()).where(UNFINISHED).group_by(jobs.c.session_id)
    )
    return {row[0]: row[1] for row in rows}


def newest(connection: Connection) -> int:
    """Return the largest number of a session, 0 if there is none."""
    return connection.execute(select(func.max(sessions.c.id))).scalar_one() or 0


def newer_than(connection: Connection, number: int) -> list[Session]:
    """Return the sessions with larger numbers, ended or not."""
    return [_session(row) for row in connection.execute(select(sessions).where(sessions.c.id > number))]


def active(connection: Connection) -> dict[str, int]:
    """Return the number of open sessions by device."""
    rows = connection.execute(
        select(sessions.c.qpu_id, func.count()).where(sessions.c.ended_at.is_(None)).group_by(sessions.c.qpu_id)
    )
    return {row[0]: row[1] for row in rows}


def _session(row: Row[Any]) -> Session:
    return Session(
        id=row.id,
        uid=row.uid,
        user_name=row.user_name,
        account=row.account,
        slurm_job_id=row.slurm_job_id,
        qpu_id=row.qpu_id,
        created_by=row.created_by,
        created_at=row.created_at,
        ended_at=row.ended_at,
        outcome=row.outcome,
        # What ``hashed`` makes of the token.
        hash=row.token_sha256[:16],
    )
