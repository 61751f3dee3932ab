"""Jobs by user, account, class, or whatever else they have in common.

Of each group: jobs that ended in the period, how many of them failed (in error, but not by their user's),
shots, busy time, its share of the busy time of all, mean wait of those that started, and cost where a rate
applies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, FromClause, case, func, select

from ..scheduler.tables import ledger_jobs, ledger_slurm_jobs
from .cost import cost_of, rate_of
from .expressions import one_if
from .job_cube import USER_ERROR, JobCell
from .model import Breakdown, Group
from .percentiles import length
from .settings import RateSettings

OTHERS = "others"
UNKNOWN = "unknown"

_PROPERTIES: Mapping[str, Callable[[JobCell], str]] = {
    "user": lambda cell: cell.user,
    "account": lambda cell: cell.account,
    "class": lambda cell: cell.job_class,
    "sdk": lambda cell: cell.sdk,
    "device": lambda cell: cell.qpu_id,
}
_FROM_ROWS = ("partition", "session", "slurm-job")
BY = (*_PROPERTIES, *_FROM_ROWS)
"""What a report can be broken down by."""


@dataclass(slots=True)
class _Sum:
    jobs: int = 0
    failed: int = 0
    shots: int = 0
    busy: float = 0.0
    started: int = 0
    wait: float = 0.0
    cost: float | None = None

    def take(self, other: _Sum) -> None:
        self.jobs += other.jobs
        self.failed += other.failed
        self.shots += other.shots
        self.busy += other.busy
        self.started += other.started
        self.wait += other.wait
        if other.cost is not None:
            self.cost = (self.cost or 0.0) + other.cost


def of_cells(
    cells: Iterable[JobCell], by: str, limit: int, rates: RateSettings, targets: Mapping[str, float]
) -> Breakdown:
    """Return the breakdown by what the cells tell; ``targets`` are target shares by group."""
    name = _PROPERTIES[by]
    sums: defaultdict[str, _Sum] = defaultdict(_Sum)
    for cell in cells:
        sums[name(cell)].take(_sum_of(cell, rates))
    ordered = sorted(sums.items(), key=lambda item: (-item[1].busy, -item[1].jobs, item[0]))
    others = None
    if len(ordered) > limit:
        others = _Sum()
        for _, rest in ordered[limit:]:
            others.take(rest)
    return _breakdown(by, ordered[:limit], others, len(ordered), targets)


def of_rows(
    connection: Connection,
    where: ColumnElement[bool],
    cells: Sequence[JobCell],
    by: str,
    limit: int,
    rates: RateSettings,
) -> Breakdown:
    """Return the breakdown by what only the jobs' rows tell; ``cells`` are of the same jobs."""
    table, key = _keyed(by)
    rows = (
        select(
            key.label("key"),
            func.sum(func.coalesce(ledger_jobs.c.busy_seconds, 0.0)).label("busy"),
            func.count().label("jobs"),
        )
        .select_from(table)
        .where(where)
        .group_by(key)
        .subquery()
    )
    found = connection.execute(
        select(rows.c.key, func.count().over().label("groups"))
        .order_by(rows.c.busy.desc(), rows.c.jobs.desc(), rows.c.key)
        .limit(limit)
    ).all()
    names = [row.key for row in found]
    sums = _sums(connection, where & key.in_(names), by, rates)
    everything = _Sum()
    for cell in cells:
        everything.take(_sum_of(cell, rates))
    count = found[0].groups if found else 0
    others = None
    if count > len(names):
        others = _minus(everything, sums.values())
    return _breakdown(by, [(name, sums[name]) for name in names], others, count, {})


def _sum_of(cell: JobCell, rates: RateSettings) -> _Sum:
    cost = cost_of(cell.busy_seconds, rate_of(rates, cell.account, cell.job_class))
    return _Sum(
        cell.jobs, cell.failed, cell.shots_executed, cell.busy_seconds, cell.started, cell.wait_seconds, cost
    )


def _keyed(by: str) -> tuple[FromClause, ColumnElement[str]]:
    columns = ledger_jobs.c
    if by == "partition":
        joined = ledger_jobs.outerjoin(
            ledger_slurm_jobs, ledger_slurm_jobs.c.slurm_job_id == columns.slurm_job_id
        )
        return joined, func.coalesce(ledger_slurm_jobs.c.partition, UNKNOWN)
    if by == "slurm-job":
        return ledger_jobs, func.coalesce(columns.slurm_job_id, UNKNOWN)
    return ledger_jobs, columns.session


def _sums(connection: Connection, where: ColumnElement[bool], by: str, rates: RateSettings) -> dict[str, _Sum]:
    table, key = _keyed(by)
    columns = ledger_jobs.c
    failed = (columns.state == "ERROR") & (columns.reason != USER_ERROR)
    wait = case((columns.started_at.is_not(None), length(ledger_jobs, "wait")))
    rows = connection.execute(
        select(
            key.label("key"),
            columns.account,
            columns.job_class,
            func.count(),
            func.sum(one_if(failed)),
            func.coalesce(func.sum(columns.shots_executed), 0),
            func.coalesce(func.sum(columns.busy_seconds), 0.0),
            func.count(wait),
            func.coalesce(func.sum(wait), 0.0),
        )
        .select_from(table)
        .where(where)
        .group_by(key, columns.account, columns.job_class)
    )
    sums: defaultdict[str, _Sum] = defaultdict(_Sum)
    for name, account, job_class, jobs, errors, shots, busy, started, waited in rows:
        cost = cost_of(busy, rate_of(rates, account, job_class))
        sums[name].take(_Sum(jobs, int(errors), int(shots), float(busy), started, float(waited), cost))
    return sums


def _minus(everything: _Sum, listed: Iterable[_Sum]) -> _Sum:
    rest = everything
    for part in listed:
        rest.jobs -= part.jobs
        rest.failed -= part.failed
        rest.shots -= part.shots
        rest.busy = max(rest.busy - part.busy, 0.0)
        rest.started -= part.started
        rest.wait = max(rest.wait - part.wait, 0.0)
        if rest.cost is not None:
            rest.cost = max(rest.cost - (part.cost or 0.0), 0.0)
    return rest


def _breakdown(
    by: str, listed: Sequence[tuple[str, _Sum]], others: _Sum | None, count: int, targets: Mapping[str, float]
) -> Breakdown:
    total = sum(part.busy for _, part in listed) + (0.0 if others is None else others.busy)

    def group(name: str, part: _Sum, target: float | None) -> Group:
        return Group(
            name=name,
            jobs=part.jobs,
            failed=part.failed,
            shots=part.shots,
            busy_seconds=part.busy,
            share=part.busy / total if total > 0 else 0.0,
            target_share=target,
            mean_wait=part.wait / part.started if part.started else None,
            cost=part.cost,
        )

    return Breakdown(
        by=by,
        groups=[group(name, part, targets.get(name)) for name, part in listed],
        others=None if others is None else group(OTHERS, others, None),
        count=count,
    )
