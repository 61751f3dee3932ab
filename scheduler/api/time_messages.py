"""Where time went, in replies: moments in UTC, lengths in seconds.

Replies of long sessions hold many of these: they are made without being checked again.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel

from ..slices import Slice
from ..time_breakdown import Breakdown
from ..timeline import Phase


class BreakdownReply(BaseModel):
    """A stretch of time and the seconds of its parts, which add up to ``total_seconds``."""

    begin: datetime
    end: datetime
    total_seconds: float
    seconds: dict[str, float]

    @classmethod
    def of(cls, breakdown: Breakdown) -> BreakdownReply:
        """Return the reply for a breakdown."""
        return cls.model_construct(
            begin=utc(breakdown.begin),
            end=utc(breakdown.end),
            total_seconds=breakdown.end - breakdown.begin,
            seconds=breakdown.seconds,
        )


class IntervalReply(BaseModel):
    """A stretch of time of one part."""

    begin: datetime
    end: datetime
    part: str


class PartitionReply(BreakdownReply):
    """The same with its intervals, which follow each other without a gap."""

    intervals: list[IntervalReply]

    @classmethod
    def of(cls, breakdown: Breakdown) -> PartitionReply:
        """Return the reply for a breakdown."""
        return cls.model_construct(
            **BreakdownReply.of(breakdown).__dict__,
            intervals=[
                IntervalReply.model_construct(begin=utc(begin), end=utc(end), part=part)
                for begin, end, part in breakdown.intervals
            ],
        )


class PhaseReply(BaseModel):
    """A phase that a program told beside the job ``job``."""

    job: int
    name: str
    begin: datetime
    end: datetime

    @classmethod
    def of(cls, phase: Phase) -> PhaseReply:
        """Return the reply for a phase."""
        return cls.model_construct(
            job=phase.job_id, name=phase.name, begin=utc(phase.begin), end=utc(phase.end)
        )


class SliceReply(BaseModel):
    """A part of a job's shots that was sent to the device in one go."""

    shots: int
    state: str
    claimed_at: datetime
    posted_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    fetched_at: datetime | None

    @classmethod
    def of(cls, part: Slice) -> SliceReply:
        """Return the reply for a slice."""
        return cls.model_construct(
            shots=part.shots,
            state=part.state.value,
            claimed_at=utc(part.claimed_at),
            posted_at=utc_or_none(part.posted_at),
            started_at=utc_or_none(part.started_at),
            ended_at=utc_or_none(part.ended_at),
            fetched_at=utc_or_none(part.fetched_at),
        )


def utc(seconds: float) -> datetime:
    """Return Unix seconds as a moment in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def utc_or_none(seconds: float | None) -> datetime | None:
    """Return Unix seconds as a moment in UTC, None for what is not known."""
    return None if seconds is None else utc(seconds)
