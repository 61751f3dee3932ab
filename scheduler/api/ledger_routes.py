"""Corrections of the ledger, and one person's data: for administrators, as all of ``/admin``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from ..corrections import NewCorrection
from .ledger_messages import (
    CorrectionList,
    CorrectionReply,
    CorrectionRequest,
    PersonEraseReply,
    PersonEraseRequest,
    PersonExportReply,
    PersonExportRequest,
)
from .request_context import AdministratorDependency, SchedulerDependency

router = APIRouter(prefix="/admin", tags=["administration"])


@router.post("/corrections")
async def correct(
    body: CorrectionRequest, scheduler: SchedulerDependency, administrator: AdministratorDependency
) -> CorrectionReply:
    """Append a correction to the ledger; 404 for an account or a job that it does not have."""
    new = NewCorrection(
        account=body.account,
        busy_seconds=body.busy_seconds,
        cost=body.cost,
        applies_at=None if body.applies_at is None else body.applies_at.timestamp(),
        job=body.job,
        reason=body.reason,
    )
    return CorrectionReply.of(await scheduler.corrections.add(administrator.actor, new))


@router.get("/corrections")
async def corrections(
    scheduler: SchedulerDependency,
    _administrator: AdministratorDependency,
    account: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[int | None, Query(ge=1)] = None,
) -> CorrectionList:
    """List corrections, newest first."""
    found = await scheduler.corrections.listed(account, limit, before)
    return CorrectionList(
        corrections=[CorrectionReply.of(item) for item in found],
        next_before=found[-1].id if len(found) == limit else None,
    )


@router.post("/person/export")
async def export_person(
    body: PersonExportRequest, scheduler: SchedulerDependency, administrator: AdministratorDependency
) -> PersonExportReply:
    """Return all that is stored about a person, a page at a time."""
    found = await scheduler.persons.export(administrator.actor, body.user, body.uid, body.table, body.after)
    return PersonExportReply(rows=found.rows, table=found.table, after=found.after)


@router.post("/person/erase")
async def erase_person(
    body: PersonEraseRequest, scheduler: SchedulerDependency, administrator: AdministratorDependency
) -> PersonEraseReply:
    """Give up a person's name; 409 while they have an open session or an unfinished job."""
    done = await scheduler.persons.erase(administrator.actor, body.user, body.uid, body.reason, body.rewrite)
    return PersonEraseReply(pseudonym=done.pseudonym, rows=done.rows, remains=done.remains)
