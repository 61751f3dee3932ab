"""What a user's process tells of its session. The token is a header: paths are written to logs."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator

from ...telemetry import labels
from ..errors import PermissionDeniedError
from ..session_summaries import SessionSummaries, Summary
from .request_context import UserDependency

router = APIRouter(tags=["sessions"])

_LONGEST = len(labels.OPERATIONS) * len(labels.QRMI_ERROR_TYPES)


def _within(values: tuple[str, ...], value: str) -> str:
    if value not in values:
        raise ValueError(f"must be one of {', '.join(repr(item) for item in values)}")
    return value


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class CallCount(_Strict):
    """How often an operation was called with one outcome; ``error_type`` is empty for success."""

    operation: str
    error_type: str
    count: int = Field(ge=1, lt=2**63)

    @field_validator("operation")
    @classmethod
    def _known_operation(cls, value: str) -> str:
        return _within(labels.OPERATIONS, value)

    @field_validator("error_type")
    @classmethod
    def _known_error_type(cls, value: str) -> str:
        return _within(labels.QRMI_ERROR_TYPES, value)


class SummaryRequest(_Strict):
    """``POST /sessions/summary``: what one process did in its session."""

    resource_type: str
    sdk: str | None = Field(None, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")
    calls: list[CallCount] = Field(min_length=1, max_length=_LONGEST)
    polls: int = Field(0, ge=0, lt=2**63)
    bytes_sent: int = Field(0, ge=0, lt=2**63)
    bytes_received: int = Field(0, ge=0, lt=2**63)

    @field_validator("resource_type")
    @classmethod
    def _known_type(cls, value: str) -> str:
        return _within(labels.RESOURCE_TYPES, value)

    @field_validator("calls")
    @classmethod
    def _each_once(cls, value: list[CallCount]) -> list[CallCount]:
        if len({(call.operation, call.error_type) for call in value}) != len(value):
            raise ValueError("an operation and error type may be given once only")
        return value


async def summaries_of(request: Request) -> SessionSummaries:
    """Return what counts summaries."""
    return cast(SessionSummaries, request.app.state.summaries)


@router.post("/sessions/summary", status_code=204)
async def tell_summary(
    body: SummaryRequest,
    request: Request,
    user: UserDependency,
    summaries: Annotated[SessionSummaries, Depends(summaries_of)],
) -> Response:
    """Count what a process did in the session that ``x-warden-session`` names."""
    token = request.headers.get("x-warden-session")
    if not token:
        raise PermissionDeniedError("no session: the header x-warden-session is missing")
    await summaries.add(
        token,
        user.uid,
        Summary(
            resource_type=body.resource_type,
            sdk=body.sdk,
            calls={(call.operation, call.error_type): call.count for call in body.calls},
            polls=body.polls,
            bytes_sent=body.bytes_sent,
            bytes_received=body.bytes_received,
        ),
    )
    return Response(status_code=204)
