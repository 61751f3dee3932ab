"""Corrections of the ledger: rows of their own with a reason, never edits of what was recorded."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from . import audit, ledger
from .audit import SITE, Actor
from .errors import ConflictError, InvalidRequestError, NotFoundError
from .store import Store
from .tables import ledger_corrections, ledger_jobs

_SHOWN_ACCOUNTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCorrection:
    """What is added to an account: seconds of busy time, an amount, or both; negative gives back.

    ``job`` may say which job it is about; account and moment are then the job's where they are not given.
    """

    account: str | None
    busy_seconds: float
    cost: float
    applies_at: float | None
    job: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A row of ``ledger_corrections``; times in Unix seconds."""

    id: int
    at: float
    applies_at: float
    account: str
    user_name: str | None
    qpu_id: str | None
    job: str | None
    busy_seconds: float
    cost: float
    reason: str
    made_by: str


class Corrections:
    """Appends corrections, each with an entry in the audit log, and lists them."""

    def __init__(self, store: Store, timeout: float) -> None:
        self._store = store
        self._timeout = timeout

    async def add(self, actor: Actor, new: NewCorrection) -> Correction:
        """Append a correction.

        Raises:
            InvalidRequestError: it corrects nothing, has no reason, or lies in the future.
            NotFoundError: the ledger has no such account or job.
            ConflictError: the job is booked on another account.
        """
        now = time.time()
        _check(new, now)
        row = await self._store.read(lambda connection: _complete(connection, new, now), timeout=60)
        row |= {"at": now, "made_by": actor.name}
        details = {key: row[key] for key in ("account", "busy_seconds", "cost", "applies_at", "job")}
        entry = audit.entry(
            actor,
            now,
            "ledger.correct",
            SITE if row["qpu_id"] is None else f"{row['qpu_id']}/job/{row['job']}",
            new.reason,
            {key: value for key, value in details.items() if value is not None},
        )

        def work(connection: Connection) -> Correction:
            number = connection.execute(insert(ledger_corrections).values(**row)).inserted_primary_key
            assert number is not None
            audit.record(connection, entry)
            return Correction(id=int(number[0]), **row)

        done = await self._store.write(work, timeout=self._timeout)
        audit.tell(entry)
        return done

    async def listed(self, account: str | None, limit: int, before: int | None = None) -> list[Correction]:
        """Return corrections, newest first, of one account or of all, numbered below ``before``."""
        columns = ledger_corrections.c
        query = select(ledger_corrections).order_by(columns.id.desc()).limit(limit)
        if account is not None:
            query = query.where(columns.account == account)
        if before is not None:
            query = query.where(columns.id < before)

        def work(connection: Connection) -> list[Correction]:
            return [Correction(**row._asdict()) for row in connection.execute(query)]

        return await self._store.read(work, timeout=self._timeout)


def _check(new: NewCorrection, now: float) -> None:
    if not new.reason.strip():
        raise InvalidRequestError("reason: a correction needs one, for whoever reads the statement")
    if not (math.isfinite(new.busy_seconds) and math.isfinite(new.cost)):
        raise InvalidRequestError("busy_seconds, cost: must be finite numbers")
    if new.busy_seconds == 0 and new.cost == 0:
        raise InvalidRequestError("busy_seconds, cost: both are 0, which corrects nothing; give one of them")
    if new.account is None and new.job is None:
        raise InvalidRequestError("account: say which one, or name a job")
    if new.applies_at is not None and new.applies_at > now:
        raise InvalidRequestError("applies_at: lies in the future; give the moment whose period it belongs to")


def _complete(connection: Connection, new: NewCorrection, now: float) -> dict[str, Any]:
    job = None if new.job is None else _job(connection, new.job)
    if job is not None and new.account not in (None, job.account):
        raise ConflictError(f"job {new.job} is booked on {job.account}, not on {new.account}")
    if job is None:
        assert new.account is not None
        _check_account(connection, new.account)
    ended_at = now if job is None else min(job.ended_at, now)
    return {
        "applies_at": ended_at if new.applies_at is None else new.applies_at,
        "account": new.account if job is None else job.account,
        "user_name": None if job is None else job.user_name,
        "qpu_id": None if job is None else job.qpu_id,
        "job": new.job,
        "busy_seconds": new.busy_seconds,
        "cost": new.cost,
        "reason": new.reason,
    }


def _job(connection: Connection, number: str) -> Row[Any]:
    found = ledger.find_job(connection, number)
    if found is None:
        raise NotFoundError(f"the ledger has no job {number}: there is none, or it has not ended")
    return found


def _check_account(connection: Connection, account: str) -> None:
    column = ledger_jobs.c.account
    if connection.execute(select(column).where(column == account).limit(1)).first() is not None:
        return
    known = sorted(connection.execute(select(column).distinct()).scalars())
    if near := get_close_matches(account, known, n=1):
        hint = f"did you mean {near[0]}?"
    elif known:
        hint = f"there is {', '.join(known[:_SHOWN_ACCOUNTS])}{' …' if len(known) > _SHOWN_ACCOUNTS else ''}"
    else:
        hint = "it has no job yet"
    raise NotFoundError(f"the ledger has no account {account!r}; {hint}")
