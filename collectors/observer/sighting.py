"""What a source tells at one poll. None is what it does not tell, and never stands for anything else."""

from __future__ import annotations

from dataclasses import dataclass

from ...scheduler.ledger import LedgerJob


@dataclass(frozen=True, slots=True)
class RunningJob:
    """The job that runs: the peer's id of it, its start in Unix seconds, and the device's own uid."""

    job: str | None
    started_at: float | None
    device_uid: str | None


@dataclass(frozen=True, slots=True)
class EndedSession:
    """A session that ended; ``outcome`` is ``other`` where it is not told how. Seconds from begin to end."""

    outcome: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One answer of one source.

    Attributes:
        operational: whether the device itself takes jobs; ``word`` is its own word for it.
        paused: whether the resource says that it is paused.
        accessible: whether the peer is open to users; ``message`` is what it tells them.
        runs: whether a job runs; ``running`` tells which.
        pending: jobs that wait at the peer, the oldest since ``oldest_pending_at`` (Unix seconds).
        sessions: sessions that are held.
        healthy, resource_pending, max_slots, available_slots: what the resource reports of itself.
        model: the name in the device's specs.
        finished: jobs that ended, of which the ledger may have some already.
        submitted: jobs that came since the last poll that was accepted.
        ended_sessions: sessions that ended since then.
    """

    operational: bool | None = None
    word: str | None = None
    paused: bool | None = None
    accessible: bool | None = None
    message: str | None = None
    runs: bool | None = None
    running: RunningJob | None = None
    pending: int | None = None
    oldest_pending_at: float | None = None
    sessions: int | None = None
    healthy: bool | None = None
    resource_pending: int | None = None
    max_slots: int | None = None
    available_slots: int | None = None
    model: str | None = None
    finished: tuple[LedgerJob, ...] = ()
    submitted: int | None = None
    ended_sessions: tuple[EndedSession, ...] = ()
