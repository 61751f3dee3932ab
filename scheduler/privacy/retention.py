"""Deletes what is older than its kind of data is kept; unfinished work is never touched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Table, delete, select

from ..tables import (
    audit_log,
    device_activity,
    device_windows,
    devices,
    job_log,
    job_payloads,
    job_results,
    jobs,
    ledger_corrections,
    ledger_jobs,
    ledger_quality,
    ledger_slurm_jobs,
    sessions,
    slices,
)
from .steps import Found, Step

DELETED = "deleted"

_PARTS = (job_payloads, job_results, job_log, slices)
_PAYLOADS_AT_ONCE = 50


def _parts_of_jobs(table: Table) -> Callable[[Connection, float, Any, int], Found]:
    """Return what finds the jobs that ended long ago and still have rows in ``table``."""

    def find(connection: Connection, cutoff: float, after: Any, limit: int) -> Found:
        having = (
            select(table.c.job_id)
            .where(table.c.job_id > (after or 0))
            .distinct()
            .order_by(table.c.job_id)
            .limit(limit)
            .subquery()
        )
        return _ended_jobs(
            connection.execute(
                select(jobs.c.id, jobs.c.created_at, jobs.c.ended_at)
                .join(having, having.c.job_id == jobs.c.id)
                .order_by(jobs.c.id)
            ).all(),
            cutoff,
            limit,
        )

    return find


def _old_jobs(connection: Connection, cutoff: float, after: Any, limit: int) -> Found:
    found = _ended_jobs(
        connection.execute(
            select(jobs.c.id, jobs.c.created_at, jobs.c.ended_at)
            .where(jobs.c.id > (after or 0))
            .order_by(jobs.c.id)
            .limit(limit)
        ).all(),
        cutoff,
        limit,
    )
    kept = _last_known_slices(connection) if found.rows else set()
    return Found([number for number in found.rows if number not in kept], found.after)


def _ended_jobs(rows: Sequence[Any], cutoff: float, limit: int) -> Found:
    """Jobs are numbered as they come: behind one that came after the cutoff none ended before it."""
    old = [row.id for row in rows if row.ended_at is not None and row.ended_at < cutoff]
    at_end = len(rows) < limit or rows[-1].created_at >= cutoff
    return Found(old, None if at_end else rows[-1].id)


def _last_known_slices(connection: Connection) -> set[int]:
    """Return the jobs of each device's last slice with a uid: from it, uids are searched after a crash."""
    found = set()
    for name in connection.execute(select(devices.c.qpu_id)).scalars().all():
        newest = connection.execute(
            select(slices.c.job_id)
            .where(slices.c.qpu_id == name, slices.c.device_uid.is_not(None))
            .order_by(slices.c.id.desc())
            .limit(1)
        ).scalar()
        if newest is not None:
            found.add(newest)
    return found


def _delete_parts(table: Table) -> Callable[[Connection, Sequence[Any]], int]:
    def change(connection: Connection, found: Sequence[Any]) -> int:
        return connection.execute(delete(table).where(table.c.job_id.in_(found))).rowcount

    return change


def _delete_jobs(connection: Connection, found: Sequence[Any]) -> int:
    for table in _PARTS:
        connection.execute(delete(table).where(table.c.job_id.in_(found)))
    return connection.execute(delete(jobs).where(jobs.c.id.in_(found))).rowcount


def _old_sessions(connection: Connection, cutoff: float, after: Any, limit: int) -> Found:
    columns = sessions.c
    rows = connection.execute(
        select(columns.id, columns.created_at, columns.ended_at)
        .where(columns.id > (after or 0))
        .order_by(columns.id)
        .limit(limit)
    ).all()
    old = {row.id for row in rows if row.ended_at is not None and row.ended_at < cutoff}
    if old:
        # No index leads from a session to its jobs: those of a batch are read together.
        query = select(jobs.c.session_id).where(jobs.c.session_id.between(min(old), max(old))).distinct()
        old -= set(connection.execute(query).scalars())
    at_end = len(rows) < limit or rows[-1].created_at >= cutoff
    return Found(sorted(old), None if at_end else rows[-1].id)


def _by_time(key: Column[Any], at: Column[Any]) -> Callable[[Connection, float, Any, int], Found]:
    """Return what finds rows by their time, in the order of their key."""

    def find(connection: Connection, cutoff: float, after: Any, limit: int) -> Found:
        query = select(key).where(at < cutoff).order_by(key).limit(limit)
        if after is not None:
            query = query.where(key > after)
        found = connection.execute(query).scalars().all()
        return Found(found, found[-1] if len(found) == limit else None)

    return find


def _old_activities(connection: Connection, cutoff: float, after: Any, limit: int) -> Found:
    """What held at the cutoff is kept: without it nobody could tell what the device did afterwards."""
    columns = device_activity.c
    found = _by_time(columns.id, columns.since)(connection, cutoff, after, limit)
    holding = {
        connection.execute(
            select(columns.id)
            .where(columns.qpu_id == name, columns.since <= cutoff)
            .order_by(columns.since.desc(), columns.id.desc())
            .limit(1)
        ).scalar()
        for name in connection.execute(select(devices.c.qpu_id)).scalars().all()
    }
    return Found([number for number in found.rows if number not in holding], found.after)


def _delete(key: Column[Any]) -> Callable[[Connection, Sequence[Any]], int]:
    def change(connection: Connection, found: Sequence[Any]) -> int:
        return connection.execute(delete(key.table).where(key.in_(found))).rowcount

    return change


def _step(kind: str, key: Column[Any], at: Column[Any]) -> Step:
    return Step(kind, DELETED, _by_time(key, at), _delete(key))


STEPS = (
    *(
        Step("payloads_and_results", DELETED, _parts_of_jobs(table), _delete_parts(table), _PAYLOADS_AT_ONCE)
        for table in (job_payloads, job_results)
    ),
    Step("job_log", DELETED, _parts_of_jobs(job_log), _delete_parts(job_log), _PAYLOADS_AT_ONCE),
    Step("jobs", DELETED, _old_jobs, _delete_jobs),
    Step("sessions", DELETED, _old_sessions, _delete(sessions.c.id), 1000),
    _step("ledger_jobs", ledger_jobs.c.id, ledger_jobs.c.ended_at),
    _step("ledger_jobs", ledger_corrections.c.id, ledger_corrections.c.applies_at),
    _step("ledger_jobs", ledger_slurm_jobs.c.slurm_job_id, ledger_slurm_jobs.c.seen_at),
    Step("device_activity", DELETED, _old_activities, _delete(device_activity.c.id)),
    _step("device_activity", device_windows.c.id, device_windows.c.closed_at),
    _step("quality", ledger_quality.c.id, ledger_quality.c.at),
    _step("audit_log", audit_log.c.id, audit_log.c.at),
)
"""In this order: what refers to something goes before it. A kind is a key of ``RetentionSettings``."""
