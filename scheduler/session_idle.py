"""For how long sessions were held while nothing of theirs was queued or running.

Computed from the store, so that it holds whichever process took the jobs. Seconds are counted from the start of
this process: of the time in which no daemon ran nothing is said.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from sqlalchemy import Connection, Double, String, case, cast, func, literal, select, union_all

from . import sessions
from .ledger import OWN_JOB
from .sessions import Session
from .tables import UNFINISHED, jobs, ledger_jobs


@dataclass(frozen=True, slots=True)
class _Work:
    """The jobs of one session in an interval: first begin, last end, and the gaps between them in seconds."""

    begin: float
    end: float
    gaps: float


class SessionIdle:
    """Adds up, for each device, the seconds of its sessions in which they asked nothing of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = float("inf")
        self._open: set[int] = set()
        self._newest = 0
        self._seconds: dict[str, float] = {}

    def begin(self, connection: Connection, now: float) -> None:
        """Count from ``now`` on (Unix seconds)."""
        with self._lock:
            self._until = now
            self._newest = sessions.newest(connection)
            self._open = {session.id for session in sessions.held(connection)}

    def seconds(self, connection: Connection, now: float) -> dict[str, float]:
        """Return the seconds of each device until ``now`` (Unix seconds); they never fall."""
        with self._lock:
            if now > self._until:
                self._count(connection, now)
                self._until = now
            return dict(self._seconds)

    def _count(self, connection: Connection, now: float) -> None:
        held = sessions.held(connection)
        came = sessions.newer_than(connection, self._newest)
        by_id = {session.id: session for session in (*held, *came)}
        for number in self._open - by_id.keys():
            by_id[number] = sessions.by_id(connection, number)
        work = _work(connection, self._until, now) if by_id else {}
        for session in by_id.values():
            idle = self._idle(session, work.get(session.id), now)
            self._seconds[session.qpu_id] = self._seconds.get(session.qpu_id, 0.0) + idle
        self._open = {session.id for session in by_id.values() if session.ended_at is None}
        self._newest = max((self._newest, *by_id))

    def _idle(self, session: Session, work: _Work | None, now: float) -> float:
        begin = max(self._until, session.created_at)
        end = now if session.ended_at is None else min(session.ended_at, now)
        if end <= begin:
            return 0.0
        if work is None:
            return end - begin
        return max(work.begin - begin, 0.0) + work.gaps + max(end - work.end, 0.0)


def _work(connection: Connection, since: float, now: float) -> dict[int, _Work]:
    """Return what the jobs that had not ended at ``since`` were to their sessions until ``now``."""
    spans = union_all(
        select(
            cast(jobs.c.session_id, String(255)).label("session"),
            jobs.c.created_at.label("begin"),
            literal(now, Double).label("end"),
        ).where(UNFINISHED),
        select(ledger_jobs.c.session, ledger_jobs.c.created_at, ledger_jobs.c.ended_at).where(
            OWN_JOB, ledger_jobs.c.ended_at > since
        ),
    ).subquery()
    before = func.max(spans.c.end).over(
        partition_by=spans.c.session, order_by=(spans.c.begin, spans.c.end), rows=(None, -1)
    )
    ordered = select(spans.c.session, spans.c.begin, spans.c.end, before.label("before")).subquery()
    gap = case((ordered.c.begin > ordered.c.before, ordered.c.begin - ordered.c.before), else_=0.0)
    rows = connection.execute(
        select(ordered.c.session, func.min(ordered.c.begin), func.max(ordered.c.end), func.sum(gap)).group_by(
            ordered.c.session
        )
    )
    return {int(row[0]): _Work(row[1], row[2], row[3]) for row in rows}
