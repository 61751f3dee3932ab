"""Slices in the store: what was sent to a device, written before it is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, select, update

from .tables import OPEN_SLICE, jobs, slices


class SliceState(StrEnum):
    """claimed: about to be posted, or posted without a reply; running: the device gave it a uid."""

    CLAIMED = "claimed"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a job's shots that goes to the device in one go; times in Unix seconds.

    ``started_at`` and ``ended_at`` are the device's; ``observed_end_at`` is when we saw the end.
    """

    id: int
    job_id: int
    qpu_id: str
    shots: int
    state: SliceState
    device_uid: str | None
    uid_before: str | None
    claimed_at: float
    posted_at: float | None
    started_at: float | None
    ended_at: float | None
    observed_end_at: float | None
    fetched_at: float | None


def claim(connection: Connection, job_id: int, qpu_id: str, shots: int, at: float) -> Slice:
    """Write a slice before it is posted, with the last uid known of the device, for a search after a crash."""
    uid_before = connection.execute(
        select(slices.c.device_uid)
        .where(slices.c.qpu_id == qpu_id, slices.c.device_uid.is_not(None))
        .order_by(slices.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    inserted = connection.execute(
        insert(slices).values(
            job_id=job_id,
            qpu_id=qpu_id,
            shots=shots,
            state=SliceState.CLAIMED.value,
            uid_before=uid_before,
            claimed_at=at,
        )
    ).inserted_primary_key
    assert inserted is not None
    return Slice(
        id=int(inserted[0]),
        job_id=job_id,
        qpu_id=qpu_id,
        shots=shots,
        state=SliceState.CLAIMED,
        device_uid=None,
        uid_before=uid_before,
        claimed_at=at,
        posted_at=None,
        started_at=None,
        ended_at=None,
        observed_end_at=None,
        fetched_at=None,
    )


def posted(connection: Connection, slice_id: int, device_uid: str, at: float) -> None:
    """The device took the slice and gave it a uid."""
    connection.execute(
        update(slices)
        .where(slices.c.id == slice_id)
        .values(state=SliceState.RUNNING.value, device_uid=device_uid, posted_at=at)
    )


def close(connection: Connection, slice_id: int, state: SliceState, **times: float | None) -> None:
    """End a slice; ``times`` are started_at, ended_at, observed_end_at and fetched_at."""
    connection.execute(update(slices).where(slices.c.id == slice_id).values(state=state.value, **times))


def unfinished(connection: Connection, qpu_id: str) -> Sequence[Slice]:
    """Return a device's slices that were claimed or run, oldest first."""
    rows = connection.execute(select(slices).where(slices.c.qpu_id == qpu_id, OPEN_SLICE).order_by(slices.c.id))
    return [_slice(row._asdict()) for row in rows]


def of_job(connection: Connection, job_id: int) -> Sequence[Slice]:
    """Return the slices of a job, oldest first."""
    rows = connection.execute(select(slices).where(slices.c.job_id == job_id).order_by(slices.c.id))
    return [_slice(row._asdict()) for row in rows]


def of_jobs(connection: Connection, members: ColumnElement[bool]) -> Sequence[Slice]:
    """Return the slices of the jobs for which ``members`` holds, oldest first."""
    rows = connection.execute(
        select(slices).join(jobs, slices.c.job_id == jobs.c.id).where(members).order_by(slices.c.id)
    )
    return [_slice(row._asdict()) for row in rows]


def _slice(values: dict[str, Any]) -> Slice:
    values["state"] = SliceState(values["state"])
    return Slice(**values)
