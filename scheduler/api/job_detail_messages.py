"""The bodies of what QRMI does not ask: a program's annotations, and where a job's time went."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from ...telemetry.annotations import LARGEST_ITERATION, MOST_IN_REQUEST, NAME, UNIT, Annotation
from ..time_breakdown import Breakdown
from ..timeline import Timeline

Finite = Annotated[float, Field(allow_inf_nan=False)]


class AnnotationMessage(BaseModel):
    """One figure of merit, or one phase that ended (its seconds are the value); ``at`` in Unix seconds."""

    kind: Literal["measure", "phase"]
    name: str = Field(pattern=f"^{NAME}$", max_length=64)
    value: Finite
    at: Finite
    iteration: int | None = Field(None, ge=0, le=LARGEST_ITERATION)
    unit: str | None = Field(None, pattern=f"^{UNIT}$", max_length=16)


class AnnotationsRequest(BaseModel):
    """``POST /jobs/{id}/annotations``."""

    annotations: list[AnnotationMessage] = Field(min_length=1, max_length=MOST_IN_REQUEST)

    def annotations_told(self) -> list[Annotation]:
        """Return them as the scheduler keeps them."""
        return [Annotation(**message.model_dump()) for message in self.annotations]


class AnnotationsReply(BaseModel):
    """How many were kept, and how many were too many for one job."""

    accepted: int
    dropped: int


class BreakdownReply(BaseModel):
    """A stretch of time and the seconds of its parts, which add up to ``total_seconds``."""

    begin: datetime
    end: datetime
    total_seconds: float
    seconds: dict[str, float]

    @classmethod
    def of(cls, breakdown: Breakdown) -> BreakdownReply:
        """Return the reply for a breakdown."""
        return cls(
            begin=datetime.fromtimestamp(breakdown.begin, UTC),
            end=datetime.fromtimestamp(breakdown.end, UTC),
            total_seconds=breakdown.end - breakdown.begin,
            seconds=breakdown.seconds,
        )


class SessionBreakdownReply(BreakdownReply):
    """The same of a session: whether it is still held, and how many jobs it has had."""

    held: bool
    jobs: int


class TimelineReply(BaseModel):
    """``GET /jobs/{id}/timeline``: where the time of a job and of its session went."""

    job: BreakdownReply
    session: SessionBreakdownReply

    @classmethod
    def of(cls, found: Timeline) -> TimelineReply:
        """Return the reply for a timeline."""
        session = BreakdownReply.of(found.of_session)
        return cls(
            job=BreakdownReply.of(found.of_job),
            session=SessionBreakdownReply(
                **session.model_dump(), held=found.session.ended_at is None, jobs=found.jobs_of_session
            ),
        )
