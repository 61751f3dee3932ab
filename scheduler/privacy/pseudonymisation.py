"""Replaces names in old rows by pseudonyms: the rows stay, and with them every sum over them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, Table, and_, bindparam, or_, select, update

from ..tables import (
    audit_log,
    device_windows,
    jobs,
    ledger_corrections,
    ledger_jobs,
    ledger_slurm_jobs,
    sessions,
)
from .pseudonyms import ERASED, NOBODY, PERSON, Pseudonyms
from .steps import Found, Step

PSEUDONYMISED = "pseudonymised"

OWN_NAME = "qwatch"
"""User and account of the daemon's own jobs, which are nobody's."""

Changed = Callable[[Row[Any]], dict[str, Any]]


def named(column: Column[Any]) -> ColumnElement[bool]:
    """Tell whether a column has a person's name."""
    return and_(
        column.is_not(None),
        column.not_like(f"{PERSON}%"),
        column.not_like(f"{ERASED}%"),
        column != OWN_NAME,
    )


def steps(pseudonyms: Pseudonyms, users: set[str]) -> list[Step]:
    """Return the steps; ``users`` are the pseudonyms that are accounts of jobs, since users' names were."""

    def person(row: Row[Any]) -> dict[str, Any]:
        name = pseudonyms.of(row.user_name)
        return {"user_name": name, "account": name if row.account == row.user_name else row.account}

    def with_uid(row: Row[Any]) -> dict[str, Any]:
        return person(row) | {"uid": NOBODY}

    def session(row: Row[Any]) -> dict[str, Any]:
        return with_uid(row) | {"created_by": NOBODY if row.created_by == row.uid else row.created_by}

    def ledger_row(row: Row[Any]) -> dict[str, Any]:
        return person(row) | {"uid": None}

    def account(row: Row[Any]) -> str:
        name = pseudonyms.of(row.account)
        return name if name in users or row.account == getattr(row, "user_name", None) else str(row.account)

    def correction(row: Row[Any]) -> dict[str, Any]:
        return {
            "user_name": None if row.user_name is None else pseudonyms.of(row.user_name),
            "account": account(row),
            "made_by": pseudonyms.of(row.made_by),
        }

    def window(row: Row[Any]) -> dict[str, Any]:
        closed_by = None if row.closed_by is None else pseudonyms.of(row.closed_by)
        return {"opened_by": pseudonyms.of(row.opened_by), "closed_by": closed_by}

    def act(row: Row[Any]) -> dict[str, Any]:
        details = json.loads(row.details)
        if isinstance(user := details.get("user"), str):
            details["user"] = pseudonyms.of(user)
        return {
            "user_name": pseudonyms.of(row.user_name),
            "uid": NOBODY,
            "details": json.dumps(details, sort_keys=True),
        }

    windows, acts, corrections = device_windows.c, audit_log.c, ledger_corrections.c
    return [
        _step("ledger_jobs", ledger_jobs, ledger_jobs.c.ended_at, named(ledger_jobs.c.user_name), ledger_row),
        _step(
            "ledger_jobs",
            ledger_corrections,
            corrections.applies_at,
            or_(named(corrections.user_name), named(corrections.made_by)),
            correction,
        ),
        _step(
            "ledger_jobs",
            ledger_slurm_jobs,
            ledger_slurm_jobs.c.seen_at,
            named(ledger_slurm_jobs.c.account),
            lambda row: {"account": account(row)},
            key=ledger_slurm_jobs.c.slurm_job_id,
        ),
        _step("jobs", jobs, jobs.c.ended_at, named(jobs.c.user_name), with_uid),
        _step("sessions", sessions, sessions.c.ended_at, named(sessions.c.user_name), session),
        _step(
            "device_activity",
            device_windows,
            windows.closed_at,
            or_(named(windows.opened_by), named(windows.closed_by)),
            window,
        ),
        _step("audit_log", audit_log, acts.at, named(acts.user_name), act),
    ]


def accounts_of_persons(connection: Connection) -> set[str]:
    """Return the pseudonyms that stand as accounts in the ledger."""
    column = ledger_jobs.c.account
    return set(connection.execute(select(column).where(column.like(f"{PERSON}%")).distinct()).scalars())


def write_rows(connection: Connection, key: Column[Any], changes: Sequence[tuple[Any, dict[str, Any]]]) -> int:
    """Write the changed columns of rows, by their keys; return how many rows are others than they were."""
    if not changes:
        return 0
    columns = changes[0][1]
    statement = (
        update(key.table)
        .where(key == bindparam("row_key"))
        .values({name: bindparam(f"new_{name}") for name in columns})
    )
    connection.execute(
        statement,
        [
            {"row_key": number} | {f"new_{name}": value for name, value in new.items()}
            for number, new in changes
        ],
    )
    return len(changes)


def _step(
    kind: str,
    table: Table,
    at: Column[Any],
    condition: ColumnElement[bool],
    changed: Changed,
    key: Column[Any] | None = None,
) -> Step:
    identity = table.c.id if key is None else key

    def find(connection: Connection, cutoff: float, after: Any, limit: int) -> Found:
        query = select(table).where(at < cutoff, condition).order_by(identity).limit(limit)
        if after is not None:
            query = query.where(identity > after)
        rows = connection.execute(query).all()
        last = rows[-1]._mapping[identity] if rows else None
        pairs = [(row, changed(row)) for row in rows]
        different = [
            (row._mapping[identity], new)
            for row, new in pairs
            if any(row._mapping[name] != value for name, value in new.items())
        ]
        return Found(different, last if len(rows) == limit else None)

    def change(connection: Connection, found: Sequence[Any]) -> int:
        return write_rows(connection, identity, found)

    return Step(kind, PSEUDONYMISED, find, change)
