"""The peer scheduler's database: exact times of every job, by primary key, however long its history is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Row
from sqlalchemy.engine import make_url

from ...scheduler.ledger import LedgerJob
from . import lock_free_sqlite, peer_schema
from .own_thread import OwnThread
from .peer_jobs import FINAL, PeerJobs
from .peer_queries import MOST_ROWS, PeerQueries
from .peer_schema import PeerSchema, unix
from .read_only_postgresql import ReadOnlyPostgresql
from .settings import PeerDatabaseSettings
from .sighting import EndedSession, RunningJob, Sighting

T = TypeVar("T")

_MARGIN_SECONDS = 60.0
_PAST_SECONDS = 0.5
_MOST_OF_THE_PAST = 2000
_OUTCOMES = {
    "idle_timeout": "expired",
    "max_lifetime_expired": "expired",
    "released": "released",
    "revoked": "revoked",
}


@dataclass(frozen=True, slots=True)
class _Place:
    """How far the database was read.

    Attributes:
        last_job: the newest job that was seen.
        open_jobs: jobs that had not ended.
        open_sessions: sessions that were held.
        behind: up to which job the past was read.
        past_until: the newest job at the start: the last one of the past.
    """

    last_job: int
    open_jobs: frozenset[int]
    open_sessions: frozenset[object]
    behind: int
    past_until: int

    @property
    def whole(self) -> bool:
        """Whether the past was read, so that every job that has not ended is known."""
        return self.behind >= self.past_until


class PeerDatabase:
    """Reads the database at each poll: new jobs, the open ones again, and a piece of the past.

    A poll reads at most a thousand new jobs, and of the past for about half a second, so that nothing grows
    with the history. The past is read after each start, with what ended from ``since`` (Unix seconds) on: jobs
    do not end in the order of their ids, so that the newest in the ledger does not tell which are missing.
    Until it is read, it is not known how many jobs wait.
    """

    name = "peer_database"

    def __init__(
        self,
        settings: PeerDatabaseSettings,
        rows: PeerJobs,
        since: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._rows = rows
        self._since = since - _MARGIN_SECONDS
        self._now = now
        self._place: _Place | None = None
        self._next: _Place | None = None
        self._schema: PeerSchema | None = None
        self._thread = OwnThread(self.name)
        self.interval = settings.interval
        self.timeout = settings.timeout
        url = make_url(settings.url)
        self._file: Path | None = None
        self._server: ReadOnlyPostgresql | None = None
        if url.get_backend_name() == "sqlite":
            self._file = Path(str(url.database))
        else:
            self._server = ReadOnlyPostgresql(settings.url, settings.password_file, settings.timeout)

    async def poll(self) -> Sighting:
        """Read once, in a thread."""
        try:
            sighting, self._next = await self._thread.call(self._look)
        except Exception:
            # It may have been upgraded: its tables are looked at again.
            self._schema = None
            raise
        return sighting

    def accepted(self) -> None:
        """Go on from where the last poll came to."""
        if self._next is not None:
            self._place = self._next

    async def close(self) -> None:
        """Close the connection, if one is kept."""
        if self._server is not None:
            self._server.close()

    def _look(self) -> tuple[Sighting, _Place]:
        sighting, place = self._read(self._present)
        finished = list(sighting.finished)
        give_up = time.monotonic() + _PAST_SECONDS
        while not place.whole and len(finished) < _MOST_OF_THE_PAST and time.monotonic() < give_up:
            ended, place = self._read(partial(self._past, place=place))
            finished += ended
        return replace(sighting, finished=tuple(finished)), place

    def _read(self, ask: Callable[[PeerQueries], T]) -> T:
        def work(connection: Connection) -> T:
            if self._schema is None:
                self._schema = peer_schema.find(connection, self._settings)
            return ask(PeerQueries(connection, self._schema))

        if self._file is not None:
            return lock_free_sqlite.read(self._file, work)
        assert self._server is not None
        return self._server.read(work)

    def _present(self, peer: PeerQueries) -> tuple[Sighting, _Place]:
        lowest, newest = peer.ids()
        place = self._place
        if place is None or newest < place.last_job:
            # The first poll, or the peer began anew with an empty database.
            place = _Place(newest, frozenset(), peer.open_sessions(), lowest - 1, newest)
        new = peer.jobs_after(place.last_job)
        seen = [*peer.jobs(place.open_jobs), *new]
        unfinished = [row for row in seen if row.status not in FINAL]
        sessions = peer.open_sessions()
        known = place.whole and len(new) < MOST_ROWS
        running = [row for row in unfinished if row.status == "RUNNING"]
        waiting = [row for row in unfinished if row.status == "PENDING"]
        accessible, message = peer.accessible()
        sighting = Sighting(
            accessible=accessible,
            message=message,
            runs=bool(running) if known or running else None,
            running=_running(running[0]) if running else None,
            pending=len(waiting) if known else None,
            oldest_pending_at=min((at for row in waiting if (at := unix(row.created))), default=None)
            if known
            else None,
            sessions=len(sessions),
            finished=tuple(self._ended(row) for row in seen if row.status in FINAL),
            submitted=len(new),
            ended_sessions=tuple(_ended_sessions(peer, place.open_sessions - sessions)),
        )
        return sighting, replace(
            place,
            last_job=max((row.id for row in new), default=place.last_job),
            open_jobs=frozenset(row.id for row in unfinished),
            open_sessions=sessions,
        )

    def _past(self, peer: PeerQueries, place: _Place) -> tuple[list[LedgerJob], _Place]:
        rows = peer.past(place.behind, place.past_until, self._since)
        unfinished = {row.id for row in rows if row.status not in FINAL}
        # A job that ended without the peer saying when ended before it was observed.
        ended = [self._ended(row) for row in rows if row.id not in unfinished]
        return ended, replace(
            place,
            open_jobs=place.open_jobs | unfinished,
            behind=min(place.behind + MOST_ROWS, place.past_until),
        )

    def _ended(self, row: Row[Any]) -> LedgerJob:
        created, started = unix(row.created), unix(row.started)
        # A job that was cancelled while it waited has no end of its own in older versions.
        ended = unix(row.ended) or unix(row.canceled) or self._now()
        return self._rows.row(
            job=str(row.id),
            session=str(row.session),
            user="unknown" if row.user is None else str(row.user),
            slurm_job=None if row.slurm_job is None else str(row.slurm_job),
            status=str(row.status),
            shots=row.shots,
            created_at=ended if created is None else created,
            started_at=started,
            ended_at=ended,
        )


def _running(row: Row[Any]) -> RunningJob:
    uid = None if row.device_job is None else str(row.device_job)
    return RunningJob(str(row.id), unix(row.started), uid)


def _ended_sessions(peer: PeerQueries, gone: frozenset[object]) -> Iterator[EndedSession]:
    for row in peer.sessions(gone):
        began, revoked = unix(row.created), unix(row.revoked)
        if began is not None and revoked is not None:
            yield EndedSession(_OUTCOMES.get(str(row.reason), "other"), max(revoked - began, 0.0))
