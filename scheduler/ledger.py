"""The ledger: one row a finished job, one a quality sample; one a change of activity is in ``activity``.

Rows are appended and never changed. A job's row is written in the transaction that ends it, so that neither is
there without the other. An observer appends the jobs of the scheduler that it reads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, String, bindparam, cast, func, insert, literal, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from ..telemetry.catalogue import Metric
from .tables import devices, jobs, ledger_jobs, ledger_quality, ledger_slurm_jobs

OWN_SOURCE = "qwatch"
QUALITY_JOB = "quality_job"

OWN_JOB = func.coalesce(ledger_jobs.c.source, "") == OWN_SOURCE
"""Of our own; hidden from the planner, which else reads all of our history instead of a span of time."""

_COPIED = (
    "slurm_job_id",
    "uid",
    "user_name",
    "account",
    "qpu_id",
    "resource_type",
    "job_class",
    "sdk",
    "shots_requested",
    "shots_executed",
    "created_at",
    "started_at",
    "ended_at",
    "busy_seconds",
    "state",
    "reason",
    "possible_double",
    "trace_id",
)
_FROM_JOB = insert(ledger_jobs).from_select(
    ["source", "job", "session", "cluster", *_COPIED],
    select(
        literal(OWN_SOURCE),
        cast(jobs.c.id, String(255)),
        cast(jobs.c.session_id, String(255)),
        # As far as Slurm has told it by now.
        select(ledger_slurm_jobs.c.cluster)
        .where(ledger_slurm_jobs.c.slurm_job_id == jobs.c.slurm_job_id)
        .scalar_subquery(),
        *(jobs.c[name] for name in _COPIED),
    ).where(jobs.c.id == bindparam("job_id")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerJob:
    """A finished job of another scheduler; times in Unix seconds, None for what is not known."""

    source: str
    job: str
    session: str
    qpu_id: str
    resource_type: str
    job_class: str
    user_name: str
    account: str
    created_at: float
    ended_at: float
    state: str
    reason: str
    started_at: float | None = None
    busy_seconds: float | None = None
    shots_requested: int | None = None
    shots_executed: int | None = None
    uid: int | None = None
    slurm_job_id: str | None = None
    cluster: str | None = None
    sdk: str | None = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QualitySample:
    """One measured quality of a device: ``value`` of ``metric`` at ``at`` (Unix seconds)."""

    qpu_id: str
    at: float
    source: str
    metric: Metric
    labels: Mapping[str, str]
    value: float
    uncertainty: float | None = None


def record_job(connection: Connection, job_id: int) -> None:
    """Append the row of a job of our own that has just ended."""
    connection.execute(_FROM_JOB, {"job_id": job_id})


def append_jobs(connection: Connection, found: Sequence[LedgerJob]) -> int:
    """Append jobs that another scheduler ended, those left out that are there already; return how many."""
    if not found:
        return 0
    dialect_insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    # What is returned is counted: drivers do not tell how many rows an insert wrote.
    statement = (
        dialect_insert(ledger_jobs)
        .on_conflict_do_nothing(index_elements=["source", "qpu_id", "job"])
        .returning(ledger_jobs.c.id)
    )
    return sum(connection.execute(statement, asdict(job)).first() is not None for job in found)


def sources(connection: Connection) -> list[str]:
    """Return who filled the ledger, a seek in an index for each."""
    found: list[str] = []
    column = ledger_jobs.c.source
    query = select(func.min(column))
    while (name := connection.execute(query).scalar()) is not None:
        found.append(name)
        query = select(func.min(column)).where(column > name)
    return found


def find_job(connection: Connection, job: str, qpu_id: str | None = None) -> Row[Any] | None:
    """Return the row of an ended job by its number, of our own if other schedulers have the number too.

    Without ``qpu_id`` it is looked for on every device that the store knows.
    """
    columns = ledger_jobs.c
    found = connection.execute(
        select(ledger_jobs).where(
            columns.source.in_(sources(connection)),
            columns.qpu_id.in_(select(devices.c.qpu_id)) if qpu_id is None else columns.qpu_id == qpu_id,
            columns.job == job,
        )
    ).all()
    return min(found, key=lambda row: (row.source != OWN_SOURCE, row.id), default=None)


def append_quality(connection: Connection, samples: Sequence[QualitySample]) -> None:
    """Append quality samples."""
    if samples:
        connection.execute(
            insert(ledger_quality),
            [
                {
                    "qpu_id": sample.qpu_id,
                    "at": sample.at,
                    "source": sample.source,
                    "metric": sample.metric.name,
                    "labels": json.dumps(dict(sample.labels), sort_keys=True),
                    "value": sample.value,
                    "uncertainty": sample.uncertainty,
                }
                for sample in samples
            ],
        )
