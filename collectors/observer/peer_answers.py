"""The peer API's answers, as far as they are read; whatever else they hold is ignored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AliasChoices, BaseModel, BeforeValidator, Field

Text = Annotated[str, BeforeValidator(str)]
"""Ids come as numbers or as text."""


class Accessible(BaseModel):
    """``GET /accessible``."""

    is_accessible: bool
    message: str = ""


class CurrentJob(BaseModel):
    """The job that runs, in ``GET /status``."""

    id: Text
    started_at: datetime | None = None
    backend_id: Text | None = None


class OpenSession(BaseModel):
    """A session that is held, in ``GET /status``. Its id is a credential and is not read."""

    created_at: datetime | None = None


class Status(BaseModel):
    """``GET /status``."""

    pending_jobs_count: int = Field(ge=0)
    current_job: CurrentJob | None
    open_sessions: list[OpenSession]


class Slots(BaseModel):
    """``GET /qpu-slots``."""

    total: int = Field(ge=0, validation_alias=AliasChoices("qpu_slots_total", "total"))
    available: int = Field(ge=0, validation_alias=AliasChoices("qpu_slots_available", "available"))


class Pagination(BaseModel):
    """Where a page lies in the whole."""

    total: int = Field(ge=0)


class AccountedJob(BaseModel):
    """A job that ended; times in whole seconds."""

    id: Text
    user_id: Text
    session_id: Text
    slurm_job_id: Text | None = None
    status: str
    shots: int | None = None
    execution_time: int = Field(ge=0)
    wait_time: int = Field(ge=0)


class JobsPage(BaseModel):
    """``GET /accounting/jobs``."""

    data: list[AccountedJob]
    pagination: Pagination


class AccountedSession(BaseModel):
    """A session that ended."""

    id: Text
    created_at: datetime
    revoked_at: datetime


class SessionsPage(BaseModel):
    """``GET /accounting/sessions``."""

    data: list[AccountedSession]
    pagination: Pagination


def unix(moment: datetime | None) -> float | None:
    """Return Unix seconds; the peer means UTC where it names no zone."""
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def text_of(seconds: float) -> str:
    """Return Unix seconds as the peer's API takes them."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()
