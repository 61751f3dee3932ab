"""Ended jobs and sessions from the peer's /accounting, which pages and tells durations, but no job's end.

When a job ended is found from outside: it lies in the period that was asked for. Where the job was seen
running its start is known, and so its end; otherwise the period is halved until it is short.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ...scheduler.ledger import LedgerJob
from .peer_answers import AccountedJob, AccountedSession, JobsPage, SessionsPage, text_of, unix
from .peer_client import PeerClient
from .peer_jobs import FINAL, PeerJobs, session_hash
from .sighting import EndedSession, Sighting
from .source import SourceError

OVERLAP_SECONDS = 60.0
"""What is read again at each poll: the peer writes an end down later than it was."""

RESOLUTION_SECONDS = 5.0
"""Within which the end of a job is told that was not seen running."""

_PAGE = 100
_MOST_REQUESTS = 100
_REMEMBERED = 20_000


@dataclass(slots=True)
class _Reading:
    """One poll's work: requests left, and what is known from it if it is accepted."""

    requests: int = _MOST_REQUESTS
    jobs: list[LedgerJob] = field(default_factory=list)
    job_ids: list[str] = field(default_factory=list)
    session_ids: list[str] = field(default_factory=list)
    until: float = 0.0
    sessions_until: float = 0.0


class PeerAccounting:
    """Reads the peer's accounting onward from ``since`` (Unix seconds); of a long absence a part each poll."""

    name = "peer_accounting"

    def __init__(
        self, client: PeerClient, rows: PeerJobs, since: float, now: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._rows = rows
        self._now = now
        self._since = since
        self._begun = now()
        self._sessions_since = self._begun
        self._known_jobs: OrderedDict[str, None] = OrderedDict()
        self._known_sessions: OrderedDict[str, None] = OrderedDict()
        self._reading: _Reading | None = None
        self.interval = client.settings.accounting_interval
        # A poll may send many requests, each of which has the client's own time-out.
        self.timeout = max(10 * client.settings.timeout, 60.0)

    async def poll(self) -> Sighting:
        """Ask ``GET /accounting/jobs`` and ``GET /accounting/sessions`` for what ended since."""
        reading = self._reading = _Reading()
        now = self._now()
        reading.until = await self._read(reading, min(self._since, now) - OVERLAP_SECONDS, now)
        ended = await self._ended_sessions(reading, now)
        return Sighting(finished=tuple(reading.jobs), ended_sessions=tuple(ended))

    def accepted(self) -> None:
        """Go on from where the last poll came to."""
        reading, self._reading = self._reading, None
        if reading is None:
            return
        self._since = max(self._since, reading.until)
        self._sessions_since = max(self._sessions_since, reading.sessions_until)
        _remember(self._known_jobs, reading.job_ids)
        _remember(self._known_sessions, reading.session_ids)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _read(self, reading: _Reading, start: float, end: float) -> float:
        """Read what ended within the period; return until when that was done before requests ran out."""
        page = await self._page(reading, start, end, 0)
        if page is None:
            return start
        whole = page.pagination.total <= len(page.data)
        if whole and all(self._is_known(job) for job in page.data):
            self._keep(reading, page.data, start, end)
            return end
        if end - start > RESOLUTION_SECONDS:
            middle = (start + end) / 2
            done = await self._read(reading, start, middle)
            return done if done < middle else await self._read(reading, middle, end)
        found = list(page.data)
        while len(found) < page.pagination.total:
            more = await self._page(reading, start, end, len(found))
            if more is None:
                return start
            if not more.data:
                break
            found += more.data
        self._keep(reading, found, start, end)
        return end

    async def _page(self, reading: _Reading, start: float, end: float, offset: int) -> JobsPage | None:
        if reading.requests == 0:
            return None
        reading.requests -= 1
        period = {"ended_after": text_of(start), "ended_before": text_of(end)}
        return await self._client.get("/accounting/jobs", JobsPage, period | {"limit": _PAGE, "offset": offset})

    def _is_known(self, job: AccountedJob) -> bool:
        return job.id in self._known_jobs or (job.id in self._client.starts and job.execution_time > 0)

    def _keep(self, reading: _Reading, found: Sequence[AccountedJob], start: float, end: float) -> None:
        for job in found:
            if job.id in self._known_jobs:
                continue
            reading.job_ids.append(job.id)
            if job.status in FINAL:
                reading.jobs.append(self._row(job, start, end))

    def _row(self, job: AccountedJob, start: float, end: float) -> LedgerJob:
        ran = job.status == "DONE" or job.execution_time > 0
        ended_at = end
        seen = self._client.starts.get(job.id)
        if ran and seen is not None:
            ended_at = min(max(seen + job.execution_time, start), end)
        started_at = ended_at - job.execution_time if ran else None
        return self._rows.row(
            job=job.id,
            session=job.session_id,
            user=job.user_id,
            slurm_job=job.slurm_job_id,
            status=job.status,
            shots=job.shots,
            created_at=(ended_at if started_at is None else started_at) - job.wait_time,
            started_at=started_at,
            ended_at=ended_at,
        )

    async def _ended_sessions(self, reading: _Reading, now: float) -> list[EndedSession]:
        start = self._sessions_since - OVERLAP_SECONDS
        period = {"ended_after": text_of(start), "ended_before": text_of(now)}
        found: list[AccountedSession] = []
        while True:
            if len(found) >= _PAGE * _MOST_REQUESTS:
                raise SourceError(f"more than {len(found)} sessions ended within {now - start:.0f} s")
            page = await self._client.get(
                "/accounting/sessions", SessionsPage, period | {"limit": _PAGE, "offset": len(found)}
            )
            found += page.data
            if not page.data or len(found) >= page.pagination.total:
                break
        reading.sessions_until = now
        ended: list[EndedSession] = []
        for session in found:
            began, revoked = unix(session.created_at), unix(session.revoked_at)
            known_as = session_hash(session.id)
            if known_as in self._known_sessions or began is None or revoked is None:
                continue
            reading.session_ids.append(known_as)
            if revoked >= self._begun:
                # The peer does not tell how it ended.
                ended.append(EndedSession("other", max(revoked - began, 0.0)))
        return ended


def _remember(known: OrderedDict[str, None], new: Sequence[str]) -> None:
    for item in new:
        known[item] = None
    while len(known) > _REMEMBERED:
        known.popitem(last=False)
