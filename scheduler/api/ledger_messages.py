"""The bodies of corrections of the ledger, and of one person's data; times in UTC, with their zone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ..corrections import Correction
from .admin_messages import Line, ReasonRequest, Uid

Amount = Annotated[float, Field(ge=-1e12, le=1e12)]
Name = Annotated[str, Field(min_length=1, max_length=255)]


class CorrectionRequest(ReasonRequest):
    """``POST /admin/corrections``: negative gives back."""

    account: Name | None = None
    busy_seconds: Amount = 0.0
    cost: Amount = 0.0
    applies_at: AwareDatetime | None = Field(
        None, description="the moment whose period it belongs to; default: the job's end, or now"
    )
    job: Annotated[str, Field(max_length=255)] | None = None


class CorrectionReply(BaseModel):
    """A correction."""

    id: int
    at: datetime
    applies_at: datetime
    account: str
    user: str | None
    device: str | None
    job: str | None
    busy_seconds: float
    cost: float
    reason: str
    made_by: str

    @classmethod
    def of(cls, correction: Correction) -> CorrectionReply:
        """Return the reply for a correction."""
        return cls(
            id=correction.id,
            at=datetime.fromtimestamp(correction.at, UTC),
            applies_at=datetime.fromtimestamp(correction.applies_at, UTC),
            account=correction.account,
            user=correction.user_name,
            device=correction.qpu_id,
            job=correction.job,
            busy_seconds=correction.busy_seconds,
            cost=correction.cost,
            reason=correction.reason,
            made_by=correction.made_by,
        )


class CorrectionList(BaseModel):
    """``GET /admin/corrections``: newest first; ``next_before`` asks for the page after this one."""

    corrections: list[CorrectionReply]
    next_before: int | None


class PersonRequest(BaseModel):
    """A person by login name or uid, in a body: what stands in an address is logged on the way."""

    model_config = ConfigDict(extra="forbid")

    user: Name | None = None
    uid: Uid | None = None


class PersonExportRequest(PersonRequest):
    """``POST /admin/person/export``: one page of what is stored, from the place that the last page told."""

    table: str | None = None
    after: int | str | None = None


class PersonExportReply(BaseModel):
    """Rows as they are stored, each with its table; without ``table`` this was the last page."""

    rows: list[dict[str, Any]]
    table: str | None
    after: int | str | None


class PersonEraseRequest(PersonRequest):
    """``POST /admin/person/erase``."""

    reason: Annotated[Line, Field(min_length=1)]
    rewrite: bool | None = Field(
        None, description="whether an SQLite file is written anew; default: if it is small"
    )


class PersonEraseReply(BaseModel):
    """What was done: rows by table, and what remains, one sentence each."""

    pseudonym: str | None
    rows: dict[str, int]
    remains: list[str]
