"""The bodies of what QRMI does not ask: a program's annotations, and where a job's time went."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from ...telemetry.annotations import LARGEST_ITERATION, MOST_IN_REQUEST, NAME, UNIT, Annotation
from ..timeline import Timeline
from .time_messages import BreakdownReply, PartitionReply, PhaseReply, SliceReply

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


class SessionBreakdownReply(BreakdownReply):
    """A session's time: its number, whether it is still held, and how many jobs it has had."""

    number: int
    held: bool
    jobs: int


class TimelineReply(BaseModel):
    """``GET /jobs/{id}/timeline``: where the time of a job and of its session went."""

    job: PartitionReply
    session: SessionBreakdownReply
    slices: list[SliceReply]
    phases: list[PhaseReply]

    @classmethod
    def of(cls, found: Timeline) -> TimelineReply:
        """Return the reply for a timeline."""
        whole = found.of_session
        return cls(
            job=PartitionReply.of(found.of_job.breakdown),
            session=SessionBreakdownReply(
                **BreakdownReply.of(whole.breakdown).model_dump(),
                number=whole.session.id,
                held=whole.session.ended_at is None,
                jobs=len(whole.jobs),
            ),
            slices=[SliceReply.of(part) for part in found.of_job.slices],
            phases=[PhaseReply.of(phase) for phase in found.phases],
        )
