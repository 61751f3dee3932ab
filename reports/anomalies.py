"""Jobs, users, accounts and hours far outside their past, each with the numbers behind it.

Something is told if it lies more than ``MOST_SCORE`` spreads above the median of its past (``robust_scale``),
and above the greatest value of that past by the factor ``BEYOND``; a past of too few values tells nothing. The
past is at most 90 days for jobs and hours, and at most eight periods for users and accounts.

- job: run time per shot, and wait, against the newest jobs before the period of the same device and class;
- user, account: busy time in the period against that in the periods before;
- hour: jobs, and failed jobs, that ended in it, against the same hour of the day on days of the same kind
  (working days, or the weekend).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

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
from .days_and_hours import HourlyJobs
from .expressions import number
from .job_cube import JobCell, ended_within
from .model import Anomaly, Period
from .percentiles import length
from .period import earlier
from .robust_scale import Usual, usual

MOST_SCORE = 6.0
BEYOND = 1.5
LEAST_JOBS, LEAST_HOURS, LEAST_PERIODS = 200, 8, 4
PAST_SECONDS = 90 * 86_400.0
_PAST_JOBS = 20_000
_PERIODS = 8
_MOST_OF_A_KIND = 10
_HOUR = 3600
_SATURDAY = 5

_LEAST_RUN_PER_SHOT = 0.001
_LEAST_WAIT = 60.0
_LEAST_BUSY = 600.0


def _stands_out(value: float, past: Usual | None, sample: int) -> bool:
    return (
        past is not None
        and past.sample >= sample
        and past.score(value) > MOST_SCORE
        and value > past.greatest * BEYOND
    )


def _of_kind(found: list[Anomaly]) -> list[Anomaly]:
    return sorted(found, key=lambda anomaly: (-anomaly.score, anomaly.subject))[:_MOST_OF_A_KIND]


# Jobs


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
        if usually is not None and _stands_out(row.value, usually, LEAST_JOBS):
            among = f"{usually.sample} jobs of class {row.job_class} before the period"
            subject = f"{row.qpu_id} job {row.job}"
            found[row.measure].append(
                _anomaly("job", subject, row.ended_at, row.measure, "seconds", row.value, usually, among)
            )
    return [anomaly for of_one in found.values() for anomaly in _of_kind(of_one)]


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
            .limit(_MOST_OF_A_KIND)
        )
        parts.append(select(part.subquery()))
    return union_all(*parts)


# Users and accounts


def unusual_users(
    connection: Connection,
    period: Period,
    previous: Period,
    devices: Sequence[str],
    cells: Sequence[JobCell],
    ledger_begin: float | None,
) -> list[Anomaly]:
    """Return who used far more in the period, of which ``cells`` are the jobs, than in those before."""
    pasts = [
        (begin, end)
        for begin, end in earlier(period, previous, _PERIODS)
        if ledger_begin is not None and begin >= ledger_begin - 1.0
    ]
    if len(pasts) < LEAST_PERIODS:
        return []
    columns = ledger_jobs.c
    place = case(
        *[(and_(columns.ended_at >= begin, columns.ended_at < end), n) for n, (begin, end) in enumerate(pasts)]
    )
    rows = connection.execute(
        select(place, columns.user_name, columns.account, func.sum(columns.busy_seconds))
        .where(ended_within(pasts[-1][0], pasts[0][1], devices), columns.busy_seconds > 0, place.is_not(None))
        .group_by(place, columns.user_name, columns.account)
    ).all()
    found: list[Anomaly] = []
    for kind, name_of_row, name_of_cell in (
        ("user", lambda row: row[1], lambda cell: cell.user),
        ("account", lambda row: row[2], lambda cell: cell.account),
    ):
        found += _unusual_names(kind, rows, name_of_row, cells, name_of_cell, len(pasts))
    return found


def _unusual_names(
    kind: str,
    rows: Sequence[Sequence[object]],
    name_of_row: Callable[..., str],
    cells: Sequence[JobCell],
    name_of_cell: Callable[[JobCell], str],
    periods: int,
) -> list[Anomaly]:
    pasts: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * periods)
    for row in rows:
        pasts[name_of_row(row)][int(row[0])] += float(row[3])  # type: ignore[call-overload,arg-type]
    now: defaultdict[str, float] = defaultdict(float)
    for cell in cells:
        now[name_of_cell(cell)] += cell.busy_seconds
    least = max(_LEAST_BUSY, 0.01 * sum(now.values()))
    found = []
    for name, busy in now.items():
        past = usual(pasts[name], relative=0.25, least=least)
        if past is not None and _stands_out(busy, past, LEAST_PERIODS):
            found.append(
                _anomaly(kind, name, None, "busy time", "seconds", busy, past, f"{periods} periods before")
            )
    return _of_kind(found)


# Hours


def begin_of_past(period: Period) -> float:
    """Return from when on hours are looked at."""
    return period.begin - PAST_SECONDS


def unusual_hours(
    hourly: Sequence[HourlyJobs], size: int, period: Period, ledger_begin: float | None
) -> list[Anomaly]:
    """Return the hours of the period in which far more jobs ended, or failed, than usual at that time.

    ``hourly`` are the jobs since :func:`begin_of_past`, by stretches of ``size`` seconds.
    """
    if ledger_begin is None:
        return []
    begin = math.ceil(max(begin_of_past(period), ledger_begin) / _HOUR)
    first, last = math.ceil(period.begin / _HOUR), math.floor(period.end / _HOUR)
    counts: defaultdict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for of in hourly:
        place = of.stretch * size // _HOUR
        jobs, failed = counts[place]
        counts[place] = (jobs + of.jobs, failed + of.failed)
    zone = ZoneInfo(period.timezone)
    kinds: dict[int, tuple[bool, int]] = {}
    pasts: defaultdict[tuple[bool, int], list[tuple[int, int]]] = defaultdict(list)
    for place in range(begin, last):
        moment = datetime.fromtimestamp(place * _HOUR, zone)
        kinds[place] = (moment.weekday() >= _SATURDAY, moment.hour)
        if place < first:
            pasts[kinds[place]].append(counts[place])
    found: list[Anomaly] = []
    for number_of_it, measure in enumerate(("jobs", "failed jobs")):
        usuals = {
            kind: usual([values[number_of_it] for values in past], relative=0.25, least=1.0)
            for kind, past in pasts.items()
        }
        told = []
        for place in range(max(first, begin), last):
            value, past = counts[place][number_of_it], usuals.get(kinds[place])
            # Counts of what happens at random vary by their root.
            if past is None or value < past.median + MOST_SCORE * math.sqrt(past.median + 1.0):
                continue
            if _stands_out(value, past, LEAST_HOURS):
                among = "hours at this time of day before the period"
                told.append(
                    _anomaly(
                        "hour",
                        f"{datetime.fromtimestamp(place * _HOUR, zone):%Y-%m-%d %H:%M}",
                        float(place * _HOUR),
                        measure,
                        "count",
                        float(value),
                        past,
                        f"{past.sample} {among}",
                    )
                )
        found += _of_kind(told)
    return found


def _anomaly(
    kind: str,
    subject: str,
    at: float | None,
    measure: str,
    unit: str,
    value: float,
    past: Usual,
    among: str,
) -> Anomaly:
    sign = " s" if unit == "seconds" else ""
    return Anomaly(
        kind=kind,
        subject=subject,
        at=at,
        measure=measure,
        unit=unit,
        value=value,
        usual=past.median,
        spread=past.spread,
        score=past.score(value),
        sample=past.sample,
        text=(
            f"{measure} {value:,.4g}{sign}, usually {past.median:,.4g}{sign} "
            f"(± {past.spread:,.3g}, most {past.greatest:,.4g}; {among})"
        ),
    )
