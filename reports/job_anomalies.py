"""The jobs that ran or waited far longer than those before the period, found in one pass over its jobs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Double,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    or_,
    select,
    union_all,
)

from ..scheduler.tables import ledger_jobs
from .anomalies import BEYOND, MOST_OF_A_KIND, MOST_SCORE, PAST_SECONDS, anomaly, most_of_a_kind, stands_out_of
from .expressions import number
from .job_cube import ended_within
from .model import Anomaly, Period
from .percentiles import length
from .robust_scale import Usual, usual

LEAST_JOBS = 200
_PAST_JOBS = 20_000
_LEAST_RUN_PER_SHOT = 0.001
_LEAST_WAIT = 60.0


def unusual_jobs(connection: Connection, period: Period, devices: Sequence[str]) -> list[Anomaly]:
    """Return the jobs of the period that ran or waited far longer than those before it."""
    columns = ledger_jobs.c
    past = ended_within(period.begin - PAST_SECONDS, period.begin, devices)
    rows = connection.execute(
        select(
            columns.qpu_id,
            columns.job_class,
            case((columns.state == "DONE", columns.busy_seconds)).label("busy"),
            columns.shots_executed,
            case((columns.started_at.is_not(None), length(ledger_jobs, "wait"))).label("wait"),
        )
        .where(past)
        .order_by(columns.ended_at.desc())
        .limit(_PAST_JOBS)
    ).all()
    per_shot: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    waits: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        if row.busy is not None and row.shots_executed:
            per_shot[row.qpu_id, row.job_class].append(row.busy / row.shots_executed)
        if row.wait is not None:
            waits[row.qpu_id, row.job_class].append(row.wait)
    measures = {
        "run time per shot": _Measure(
            columns.busy_seconds / cast(func.nullif(columns.shots_executed, 0), Double),
            (columns.state == "DONE") & (columns.shots_executed > 0),
            {key: usual(values, relative=0.2, least=_LEAST_RUN_PER_SHOT) for key, values in per_shot.items()},
        ),
        "wait": _Measure(
            length(ledger_jobs, "wait"),
            columns.started_at.is_not(None),
            {key: usual(values, relative=0.5, least=_LEAST_WAIT) for key, values in waits.items()},
        ),
    }
    found: dict[str, list[Anomaly]] = {name: [] for name in measures}
    for row in connection.execute(_greatest(ended_within(period.begin, period.end, devices), measures)):
        usually = measures[row.measure].pasts[row.qpu_id, row.job_class]
        if usually is not None and stands_out_of(row.value, usually, LEAST_JOBS):
            among = f"{usually.sample} jobs of class {row.job_class} before the period"
            subject = f"{row.qpu_id} job {row.job}"
            found[row.measure].append(
                anomaly("job", subject, row.ended_at, row.measure, "seconds", row.value, usually, among)
            )
    return [one for of_measure in found.values() for one in most_of_a_kind(of_measure)]


@dataclass(frozen=True, slots=True)
class _Measure:
    """A figure of a job, which jobs have it, and its past by device and class."""

    value: ColumnElement[Any]
    where: ColumnElement[bool]
    pasts: Mapping[tuple[str, str], Usual | None]

    def stands_out(self) -> ColumnElement[bool]:
        """Return the condition for what is far above its past."""
        columns = ledger_jobs.c
        limits = {
            key: max(past.median + MOST_SCORE * past.spread, past.greatest * BEYOND)
            for key, past in self.pasts.items()
            if past is not None and past.sample >= LEAST_JOBS
        }
        if not limits:
            return false()
        of_its_class = [
            and_(columns.qpu_id == qpu_id, columns.job_class == job_class, self.value > number(limit))
            for (qpu_id, job_class), limit in limits.items()
        ]
        # Nearly all jobs fail the first condition, so that no name is compared.
        return and_(self.value > number(min(limits.values())), self.where, or_(*of_its_class))


def _greatest(where: ColumnElement[bool], measures: Mapping[str, _Measure]) -> CompoundSelect[Any]:
    """Return SQL for the jobs with the greatest figures of those that stand out, by measure."""
    columns = ledger_jobs.c
    values = [case((of.stands_out(), of.value)).label(name) for name, of in measures.items()]
    # Asked for by each measure, and so read by the database only once.
    found = (
        select(columns.job, columns.qpu_id, columns.job_class, columns.ended_at, *values)
        .where(where, or_(*(of.stands_out() for of in measures.values())))
        .cte("found")
    )
    parts = []
    for name in measures:
        value = found.c[name]
        part = (
            select(
                literal(name).label("measure"),
                found.c.job,
                found.c.qpu_id,
                found.c.job_class,
                found.c.ended_at,
                value.label("value"),
            )
            .where(value.is_not(None))
            .order_by(value.desc())
            .limit(MOST_OF_A_KIND)
        )
        parts.append(select(part.subquery()))
    return union_all(*parts)
