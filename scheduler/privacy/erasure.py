"""What is written where a person's rows are erased: sums stay, who it was does not."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, Table, and_, delete, or_, select

from ..run_time_settings import AUTHORIZED_USERS
from ..tables import (
    audit_log,
    device_activity,
    device_windows,
    job_log,
    job_payloads,
    job_results,
    jobs,
    ledger_corrections,
    ledger_jobs,
    ledger_slurm_jobs,
    sessions,
)
from .person import Person, may_mention, without_name
from .pseudonymisation import write_rows
from .pseudonyms import NOBODY

_OWN_PARTS = (job_payloads, job_results, job_log)


@dataclass(frozen=True, slots=True)
class Change:
    """One table: which rows, in the order of ``key``, what is written in them, and what is done besides."""

    key: Column[Any]
    about: ColumnElement[bool]
    changed: Callable[[Row[Any]], dict[str, Any]]
    besides: Callable[[Connection, Sequence[int]], None] | None = None
    at_once: int = 200

    def find(self, connection: Connection, after: Any) -> tuple[list[tuple[Any, dict[str, Any]]], Any]:
        """Return keys and new values of rows that have to change, and where to go on; None at the end."""
        query = select(self.key.table).where(self.about).order_by(self.key).limit(self.at_once)
        if after is not None:
            query = query.where(self.key > after)
        rows = connection.execute(query).all()
        pairs = [(row, self.changed(row)) for row in rows]
        found = [
            (row._mapping[self.key], new)
            for row, new in pairs
            if any(row._mapping[name] != value for name, value in new.items())
        ]
        return found, rows[-1]._mapping[self.key] if len(rows) == self.at_once else None

    def write(self, connection: Connection, found: Sequence[tuple[Any, dict[str, Any]]]) -> int:
        """Write what was found; return how many rows."""
        with _overwriting(connection):
            if self.besides is not None:
                self.besides(connection, [key for key, _ in found])
            return write_rows(connection, self.key, found)


def changes(person: Person, pseudonym: str) -> list[Change]:
    """Return what erases a person, in this order: rows that lead to others go after them."""

    def name(value: str | None) -> str | None:
        return pseudonym if value in person.names else value

    def text(value: str | None) -> str | None:
        return None if value is None else without_name(person, value, pseudonym)

    def owned(row: Row[Any], **own: Any) -> dict[str, Any]:
        """Whose account it is only loses the account's name."""
        mine = row.user_name in person.names
        kept = {key: value if mine else row._mapping[key] for key, value in own.items()}
        return {"user_name": name(row.user_name), "account": name(row.account)} | kept

    def session(row: Row[Any]) -> dict[str, Any]:
        created_by = NOBODY if row.created_by == row.uid else row.created_by
        return owned(row, uid=NOBODY, created_by=created_by, slurm_job_id=None)

    def job(row: Row[Any]) -> dict[str, Any]:
        return owned(row, uid=NOBODY, slurm_job_id=None, message=None, traceparent=None, trace_id=None)

    def ledger_row(row: Row[Any]) -> dict[str, Any]:
        return owned(row, uid=None, slurm_job_id=None, trace_id=None)

    def act(row: Row[Any]) -> dict[str, Any]:
        details = json.loads(without_name(person, row.details, pseudonym))
        if person.uid is not None and isinstance(users := details.get(AUTHORIZED_USERS), list):
            details[AUTHORIZED_USERS] = [NOBODY if uid == person.uid else uid for uid in users]
        mine = row.user_name in person.names
        return {
            "user_name": name(row.user_name),
            "uid": NOBODY if mine else row.uid,
            "reason": text(row.reason),
            "details": json.dumps(details, sort_keys=True),
        }

    corrections, windows, acts = ledger_corrections.c, device_windows.c, audit_log.c
    return [
        Change(
            ledger_slurm_jobs.c.slurm_job_id,
            ledger_slurm_jobs.c.account.in_(person.names),
            lambda row: {"account": name(row.account)},
        ),
        Change(
            ledger_jobs.c.id, _of(person, ledger_jobs.c), ledger_row, _forget_slurm_jobs(person, ledger_jobs)
        ),
        Change(
            jobs.c.id, and_(jobs.c.ended_at.is_not(None), _of(person, jobs.c)), job, _delete_parts(person), 50
        ),
        Change(
            sessions.c.id,
            and_(sessions.c.ended_at.is_not(None), _of(person, sessions.c)),
            session,
            _forget_slurm_jobs(person, sessions),
        ),
        Change(
            corrections.id,
            or_(
                *(
                    c.in_(person.names)
                    for c in (corrections.user_name, corrections.account, corrections.made_by)
                ),
                may_mention(person, corrections.reason),
            ),
            lambda row: {
                "user_name": name(row.user_name),
                "account": name(row.account),
                "made_by": name(row.made_by),
                "reason": text(row.reason),
            },
        ),
        Change(
            windows.id,
            or_(
                windows.opened_by.in_(person.names),
                windows.closed_by.in_(person.names),
                may_mention(person, windows.message, windows.note),
            ),
            lambda row: {
                "opened_by": name(row.opened_by),
                "closed_by": name(row.closed_by),
                "message": text(row.message),
                "note": text(row.note),
            },
        ),
        Change(
            device_activity.c.id,
            may_mention(person, device_activity.c.reason),
            lambda row: {"reason": text(row.reason)},
        ),
        Change(
            acts.id,
            or_(
                acts.user_name.in_(person.names),
                may_mention(person, acts.reason, acts.details),
                acts.action.startswith(AUTHORIZED_USERS, autoescape=True),
            ),
            act,
        ),
    ]


def _of(person: Person, columns: Any) -> ColumnElement[bool]:
    return or_(columns.user_name.in_(person.names), columns.account.in_(person.names))


def _delete_parts(person: Person) -> Callable[[Connection, Sequence[int]], None]:
    def delete_parts(connection: Connection, found: Sequence[int]) -> None:
        own = select(jobs.c.id).where(jobs.c.id.in_(found), jobs.c.user_name.in_(person.names))
        numbers = connection.execute(own).scalars().all()
        for table in _OWN_PARTS:
            connection.execute(delete(table).where(table.c.job_id.in_(numbers)))

    return delete_parts


def _forget_slurm_jobs(person: Person, table: Table) -> Callable[[Connection, Sequence[int]], None]:
    """Slurm's accounting tells whose job a number was."""

    def forget(connection: Connection, found: Sequence[int]) -> None:
        numbers = select(table.c.slurm_job_id).where(
            table.c.id.in_(found), table.c.user_name.in_(person.names), table.c.slurm_job_id.is_not(None)
        )
        connection.execute(delete(ledger_slurm_jobs).where(ledger_slurm_jobs.c.slurm_job_id.in_(numbers)))

    return forget


@contextlib.contextmanager
def _overwriting(connection: Connection) -> Iterator[None]:
    """Have SQLite write zeros over what is deleted, which not every build does by itself."""
    if connection.dialect.name != "sqlite":
        yield
        return
    before = connection.exec_driver_sql("PRAGMA secure_delete").scalar()
    connection.exec_driver_sql("PRAGMA secure_delete=ON")
    try:
        yield
    finally:
        connection.exec_driver_sql(f"PRAGMA secure_delete={before}")
