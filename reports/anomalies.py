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
from collections.abc import Callable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, and_, case, func, select

from ..scheduler.tables import ledger_jobs
from .days_and_hours import HourlyJobs
from .job_cube import JobCell, ended_within
from .model import Anomaly, Period
from .period import earlier
from .robust_scale import Usual, usual

MOST_SCORE = 6.0
BEYOND = 1.5
LEAST_HOURS, LEAST_PERIODS = 8, 4
PAST_SECONDS = 90 * 86_400.0
_PERIODS = 8
MOST_OF_A_KIND = 10
_HOUR = 3600
_SATURDAY = 5

_LEAST_BUSY = 600.0


def stands_out_of(value: float, past: Usual | None, sample: int) -> bool:
    """Tell whether a value is far above its past, of at least ``sample`` values."""
    return (
        past is not None
        and past.sample >= sample
        and past.score(value) > MOST_SCORE
        and value > past.greatest * BEYOND
    )


def most_of_a_kind(found: list[Anomaly]) -> list[Anomaly]:
    """Return those with the greatest scores."""
    return sorted(found, key=lambda anomaly: (-anomaly.score, anomaly.subject))[:MOST_OF_A_KIND]


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
        if past is not None and stands_out_of(busy, past, LEAST_PERIODS):
            found.append(
                anomaly(kind, name, None, "busy time", "seconds", busy, past, f"{periods} periods before")
            )
    return most_of_a_kind(found)


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
            if stands_out_of(value, past, LEAST_HOURS):
                among = "hours at this time of day before the period"
                told.append(
                    anomaly(
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
        found += most_of_a_kind(told)
    return found


def anomaly(
    kind: str,
    subject: str,
    at: float | None,
    measure: str,
    unit: str,
    value: float,
    past: Usual,
    among: str,
) -> Anomaly:
    """Return the anomaly with its text; ``among`` says what the past is of."""
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
