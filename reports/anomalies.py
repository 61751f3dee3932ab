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
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Double, and_, case, cast, func, or_, select

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
    return [
        *_unusual_jobs(
            connection,
            ended_within(period.begin, period.end, devices)
            & (columns.state == "DONE")
            & (columns.shots_executed > 0),
            columns.busy_seconds / cast(columns.shots_executed, Double),
            {key: usual(values, relative=0.2, least=_LEAST_RUN_PER_SHOT) for key, values in per_shot.items()},
            "run time per shot",
        ),
        *_unusual_jobs(
            connection,
            ended_within(period.begin, period.end, devices) & columns.started_at.is_not(None),
            length(ledger_jobs, "wait"),
            {key: usual(values, relative=0.5, least=_LEAST_WAIT) for key, values in waits.items()},
            "wait",
        ),
    ]


def _unusual_jobs(
    connection: Connection,
    where: ColumnElement[bool],
    value: ColumnElement[Any],
    pasts: Mapping[tuple[str, str], Usual | None],
    measure: str,
) -> list[Anomaly]:
    columns = ledger_jobs.c
    limits = []
    for (qpu_id, job_class), past in pasts.items():
        if past is not None and past.sample >= LEAST_JOBS:
            limit = max(past.median + MOST_SCORE * past.spread, past.greatest * BEYOND)
            limits.append(and_(columns.qpu_id == qpu_id, columns.job_class == job_class, value > number(limit)))
    if not limits:
        return []
    rows = connection.execute(
        select(columns.job, columns.qpu_id, columns.job_class, columns.ended_at, value.label("value"))
        .where(where, or_(*limits))
        .order_by(value.desc())
        .limit(_MOST_OF_A_KIND)
    )
    found = []
    for row in rows:
        past = pasts[row.qpu_id, row.job_class]
        if past is not None and _stands_out(row.value, past, LEAST_JOBS):
            among = f"{past.sample} jobs of class {row.job_class} before the period"
            found.append(
                _anomaly(
                    "job",
                    f"{row.qpu_id} job {row.job}",
                    row.ended_at,
                    measure,
                    "seconds",
                    row.value,
                    past,
                    among,
                )
            )
    return _of_kind(found)


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
