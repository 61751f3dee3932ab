"""Where the time of one job, or of one session, went, as values: what its page shows.

Times are Unix seconds, lengths are seconds. What is not known is None, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..scheduler.time_breakdown import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something told of the job or session in a line of its own, for example its user."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A phase that the program told."""

    name: str
    begin: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Something that happened at one time: a log line, a hold, a figure of merit."""

    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceRow:
    """A part of a job's shots that was sent to the device in one go; ``claimed`` is when it was written."""

    job: str
    shots: int
    state: str
    claimed: float
    posted: float | None
    started: float | None
    ended: float | None
    fetched: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A job of a session."""

    job: str
    state: str
    created: float
    started: float | None
    ended: float | None
    fetched: float | None
    shots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelinePage:
    """One job's or one session's time, from ``begin`` to ``end``."""

    subject: Literal["job", "session"]
    name: str
    """The job's number, or the session's name as it may be shown: never its token."""
    qpu_id: str
    begin: float
    end: float
    finished: bool
    """Whether it has ended; otherwise ``end`` is the present."""
    seconds: Mapping[str, float]
    """The seconds of each part (scheduler/time_breakdown.py), in its order; they add up to the whole."""
    intervals: Sequence[Interval]
    """Consecutive, of any number: what is too narrow to be seen is joined."""
    timezone: str
    """IANA zone of the times shown."""
    made_at: float
    version: str
    """Of qwatch."""
    trace_id: str | None = None
    facts: Sequence[Fact] = ()
    phases: Sequence[Phase] = ()
    slices: Sequence[SliceRow] = ()
    """In the order of ``claimed``."""
    jobs: Sequence[JobRow] = ()
    """Of a session; empty for a job."""
    moments: Sequence[Moment] = ()
    notes: Sequence[str] = ()
    """What cannot be known, one sentence each."""
