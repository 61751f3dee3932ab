"""A report as values, without a ledger: a month of two devices with everything in it that can be told."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from qwatch.reports.key_figures import utilization
from qwatch.reports.model import (
    Anomaly,
    Availability,
    Breakdown,
    ClassPart,
    Correction,
    Coverage,
    Day,
    DevicePart,
    Difference,
    Ending,
    Gap,
    Group,
    Incident,
    Period,
    PlannedWindow,
    QualityPoint,
    QualitySeries,
    Quantiles,
    Report,
    SessionPart,
    SessionUse,
    Shots,
    Statement,
    StatementLine,
    TimePartition,
    Trend,
)
from qwatch.telemetry.labels import ACTIVITIES

ZONE = ZoneInfo("Europe/Paris")
HOUR = 3600.0
ACCOUNTS = (
    "materials",
    "chemistry",
    "qml-group",
    "finance",
    "climate",
    "biology",
    "astro",
    "teaching",
    "optimisation",
    "nuclear",
    "internal",
    "guest",
)


def at(year: int, month: int, day: int, hour: float = 0) -> float:
    """Return the Unix seconds of a moment in Paris."""
    return datetime(year, month, day, tzinfo=ZONE).timestamp() + hour * HOUR


BEGIN, END = at(2026, 10, 1), at(2026, 11, 1)
PERIOD = Period(begin=BEGIN, end=END, timezone="Europe/Paris", label="October 2026")
PREVIOUS = Period(begin=at(2026, 9, 1), end=BEGIN, timezone="Europe/Paris", label="September 2026")


def a_partition(seconds: Mapping[str, float]) -> TimePartition:
    """Return a partition with its ratios."""
    full = dict.fromkeys(ACTIVITIES, 0.0) | dict(seconds)
    wall, busy = sum(full.values()), full["execute"]
    available = wall - full["fault"] - full["maintenance"] - full["unknown"]
    working = busy + full["dispatch"]
    return TimePartition(
        wall_seconds=wall,
        seconds=full,
        utilization=busy / wall if wall else None,
        utilization_of_available=busy / available if available else None,
        dispatch_efficiency=busy / working if working else None,
    )


def a_day(chance: random.Random, begin: datetime, load: float, faults: float, maintenance: float) -> Day:
    """Return a day of a device; that of 2026-10-25 has 25 hours."""
    end = begin + timedelta(days=1)
    length = end.timestamp() - begin.timestamp()
    weekend = begin.weekday() >= 5
    rest = length - faults - maintenance
    seconds = dict.fromkeys(ACTIVITIES, 0.0)
    seconds["fault"], seconds["maintenance"] = faults, maintenance
    seconds["calibration"] = min(chance.uniform(0.4, 1.1) * HOUR, rest)
    rest -= seconds["calibration"]
    seconds["execute"] = rest * min(load * chance.uniform(0.75, 1.2) * (0.45 if weekend else 1), 0.93)
    seconds["dispatch"] = seconds["execute"] * 0.04
    seconds["held"] = rest * 0.015 * chance.random()
    if begin.day in {9, 22}:
        seconds["unknown"] = 0.8 * HOUR
    seconds["idle"] = length - sum(seconds.values())
    return Day(
        date=f"{begin:%Y-%m-%d}",
        begin=begin.timestamp(),
        end=end.timestamp(),
        seconds=seconds,
        jobs=round(seconds["execute"] / 190),
    )


def a_series(
    chance: random.Random,
    metric: str,
    unit: str,
    labels: Mapping[str, str],
    start: float,
    drift: float,
    sigma: float,
) -> QualitySeries:
    """Return a quality that drifts, and is set back by a calibration each week."""
    points = [
        QualityPoint(
            at=moment,
            value=start
            + drift * ((moment - BEGIN) % (7 * 24 * HOUR)) / (7 * 24 * HOUR)
            + chance.gauss(0, sigma),
            uncertainty=sigma,
        )
        for moment in (BEGIN + HOUR * (2 + 6 * index) for index in range(4 * 31))
    ]
    values = [point.value for point in points]
    return QualitySeries(
        metric=metric,
        unit=unit,
        labels=labels,
        source="quality_job",
        points=points,
        count=len(points),
        first=values[0],
        last=values[-1],
        least=min(values),
        greatest=max(values),
        mean=sum(values) / len(values),
    )


def a_device(qpu_id: str, seed: int, load: float, shot_rate: float) -> DevicePart:
    """Return a device with two incidents, a maintenance, and a calibration each week."""
    chance = random.Random(seed)
    begins = [datetime(2026, 10, day, tzinfo=ZONE) for day in range(1, 32)]
    faults, works = {6 + seed: 5.4 * HOUR, 19 + seed: 1.7 * HOUR}, {13 + seed: 9 * HOUR}
    days = [a_day(chance, day, load, faults.get(day.day, 0.0), works.get(day.day, 0.0)) for day in begins]
    seconds = {name: sum(day.seconds[name] for day in days) for name in ACTIVITIES}
    first, second = 6 + seed, 19 + seed
    incidents = [
        Incident(
            qpu_id=qpu_id,
            begin=at(2026, 10, first, 10.3),
            end=at(2026, 10, first, 15.7),
            seconds=5.4 * HOUR,
            cause="laser of the second trap out of lock",
        ),
        Incident(
            qpu_id=qpu_id,
            begin=at(2026, 10, second, 2.1),
            end=at(2026, 10, second, 3.8),
            seconds=1.7 * HOUR,
            cause="the device's API did not answer",
        ),
    ]
    windows = [
        PlannedWindow(
            kind="calibration",
            begin=BEGIN + week * 7 * 24 * HOUR,
            end=BEGIN + (week * 7 * 24 + 1) * HOUR,
            procedure="rabi_frequency",
            result="success",
            message="",
        )
        for week in range(5)
    ]
    windows.append(
        PlannedWindow(
            kind="maintenance",
            begin=at(2026, 10, 13 + seed, 8),
            end=at(2026, 10, 13 + seed, 17),
            procedure=None,
            result=None,
            message="Exchange of the rubidium dispenser",
        )
    )
    heat = [
        [
            min(
                max(
                    load * (0.5 if weekday > 4 else 1) * (0.6 + 0.55 * math.sin((hour - 7) / 24 * 2 * math.pi)),
                    0,
                ),
                1,
            )
            * chance.uniform(0.85, 1.15)
            for hour in range(24)
        ]
        for weekday in range(7)
    ]
    shots = round(seconds["execute"] * shot_rate)
    qualities = (
        ("qpu.benchmark.fidelity", "1", {"benchmark": "antiferromagnet"}, 0.962, -0.03, 0.004),
        ("qpu.rabi_frequency.deviation", "1", {"channel": "rydberg_global"}, 0.002, -0.035, 0.003),
        ("qpu.readout.error", "1", {"kind": "false_negative"}, 0.031, 0.009, 0.002),
        ("qpu.coherence.time", "s", {"kind": "t2"}, 4.6e-6, -5e-7, 1.2e-7),
        ("qpu.rabi_frequency", "Hz", {"channel": "rydberg_global"}, 2.004e6, -7e4, 6e3),
    )
    return DevicePart(
        qpu_id=qpu_id,
        present_from=BEGIN,
        present_until=END,
        time=a_partition(seconds),
        before=a_partition({name: value * chance.uniform(0.85, 1.02) for name, value in seconds.items()}),
        utilization_target=0.6,
        availability=Availability(
            ratio=1 - seconds["fault"] / (sum(seconds.values()) - seconds["unknown"] - seconds["maintenance"]),
            target=0.985,
            incidents=incidents,
            mean_time_between_failures=(END - BEGIN) / 2,
            mean_time_to_repair=3.55 * HOUR,
        ),
        days=days,
        heatmap=heat,
        shots=Shots(
            requested=round(shots * 1.02), executed=shots, rate=shot_rate * 0.93, nominal_rate=shot_rate
        ),
        windows=windows,
        quality=[a_series(chance, *quality) for quality in qualities],
    )


def a_coverage(device: DevicePart) -> Coverage:
    """Return the coverage of a device with two gaps; of the second device, counters and ledger differ."""
    known = device.time.wall_seconds - device.time.seconds["unknown"]
    wrong = 1.0 if device.qpu_id == "FRESNEL" else 1.018
    return Coverage(
        qpu_id=device.qpu_id,
        covered_seconds=known,
        ratio=known / device.time.wall_seconds,
        gaps=[
            Gap(begin=at(2026, 10, 9, 3), end=at(2026, 10, 9, 3.8), reason="the daemon did not run"),
            Gap(begin=at(2026, 10, 22, 14), end=at(2026, 10, 22, 14.8), reason="the device was not asked"),
        ],
        gaps_left_out=0,
        differences=[
            Difference(activity=name, counted=value * (wrong if name == "execute" else 1) + 3, ledger=value)
            for name, value in device.time.seconds.items()
        ],
        comparison="The counters of the daemon that held the device's lease, over the whole period.",
    )


def some_quantiles(count: int, p50: float, spread: float) -> Quantiles:
    """Return the quantiles of a distribution with a long tail."""
    return Quantiles(
        count=count, p50=p50, p90=p50 * spread, p99=p50 * spread**2, mean=p50 * 1.8, greatest=p50 * spread**3
    )


def some_classes() -> list[ClassPart]:
    """Return four classes: an objective met, one missed, and none."""
    rows = (
        ("production", 8120, 410.0, 0.95, 0.968),
        ("test", 1930, 95.0, 0.9, 0.874),
        ("development", 2644, 1310.0, None, None),
        ("qa", 372, 2900.0, None, None),
    )
    return [
        ClassPart(
            job_class=name,
            jobs=jobs,
            wait=some_quantiles(jobs, wait, 5.5),
            run=some_quantiles(jobs, 74.0, 3.4),
            turnaround=some_quantiles(jobs, wait + 80, 5.0),
            objective_within=None if ratio is None else 3600.0,
            objective_ratio=ratio,
            met_ratio=met,
        )
        for name, jobs, wait, ratio, met in rows
    ]


def some_groups(names: list[str], busy: float, targets: Mapping[str, float], rate: float | None) -> list[Group]:
    """Return groups whose shares fall by a power law and add up to 1."""
    weights = [1 / (index + 1.3) for index in range(len(names))]
    total = sum(weights)
    return [
        Group(
            name=name,
            jobs=round(13066 * weight / total),
            failed=round(400 * weight / total),
            shots=round(4e8 * weight / total),
            busy_seconds=busy * weight / total,
            share=weight / total,
            target_share=targets.get(name),
            mean_wait=300.0 + 37 * index,
            cost=None if rate is None else busy * weight / total / HOUR * rate,
        )
        for index, (name, weight) in enumerate(zip(names, weights, strict=True))
    ]


def some_statements(groups: list[Group]) -> list[Statement]:
    """Return a statement for each account; the first has a correction."""
    found = []
    for index, group in enumerate(groups):
        parts = (("production", 0.82, 420.0), ("test", 0.18, 210.0))
        lines = [
            StatementLine(
                job_class=name,
                jobs=round(group.jobs * share),
                busy_seconds=group.busy_seconds * share,
                rate=rate,
                cost=group.busy_seconds * share / HOUR * rate,
            )
            for name, share, rate in parts
        ]
        corrections = [
            Correction(
                number=17,
                at=at(2026, 10, 21, 11),
                applies_at=at(2026, 10, 7, 10),
                job="10442",
                busy_seconds=-1.25 * HOUR,
                cost=-525.0,
                reason="the laser was out of lock: results without use",
                made_by="operator",
            )
        ]
        mine = corrections if index == 0 else []
        found.append(
            Statement(
                account=group.name,
                currency="EUR",
                lines=lines,
                corrections=mine,
                busy_seconds=sum(line.busy_seconds for line in lines) + sum(item.busy_seconds for item in mine),
                total=sum(line.cost for line in lines) + sum(item.cost for item in mine),
            )
        )
    return found


def some_sessions(busy: float) -> SessionPart:
    """Return sessions that held a device for much longer than they used it."""
    uses = [
        SessionUse(
            session=f"s-{4100 + index * 37}",
            user=f"user{index:02}",
            account=ACCOUNTS[index % 12],
            qpu_id=("FRESNEL", "ORION")[index % 2],
            slurm_job_id=None if index == 3 else str(88120 + index * 311),
            held_seconds=(9.5 - index) * HOUR,
            busy_seconds=(40 + 90 * index) * 1.0,
            jobs=1 + index * 4,
        )
        for index in range(8)
    ]
    return SessionPart(
        sessions=2411,
        held_seconds=busy * 1.62,
        busy_seconds=busy,
        ratio=1 / 1.62,
        least_efficient=uses,
        note="",
    )


def some_anomalies() -> list[Anomaly]:
    """Return an hour, a user and a job that are far outside their past."""
    return [
        Anomaly(
            kind="hour",
            subject="FRESNEL",
            at=at(2026, 10, 14, 11),
            measure="jobs",
            unit="count",
            value=412.0,
            usual=21.0,
            spread=8.9,
            score=43.9,
            sample=168,
            text="412 jobs were submitted in one hour; in such hours it is usually 21.",
        ),
        Anomaly(
            kind="user",
            subject="user07",
            at=None,
            measure="failed jobs",
            unit="ratio",
            value=0.61,
            usual=0.03,
            spread=0.02,
            score=29.0,
            sample=41,
            text="61 % of this user's jobs failed; usually 3 % do.",
        ),
        Anomaly(
            kind="job",
            subject="10981",
            at=at(2026, 10, 27, 4.2),
            measure="run",
            unit="seconds",
            value=9120.0,
            usual=81.0,
            spread=44.0,
            score=205.4,
            sample=1200,
            text="Ran for 2.5 h; jobs of its class usually run for 81 s.",
        ),
    ]


def some_trends(devices: list[DevicePart], jobs: int) -> list[Trend]:
    """Return the usual figures, one of them without a past."""
    now, before = [item.time for item in devices], [item.before for item in devices if item.before]
    return [
        Trend(name="utilization", unit="ratio", now=utilization(now), before=utilization(before)),
        Trend(name="jobs", unit="count", now=float(jobs), before=11804.0),
        Trend(name="failed jobs / jobs", unit="ratio", now=166 / jobs, before=0.021),
        Trend(name="wait p90, production", unit="seconds", now=2255.0, before=1830.0),
        Trend(name="shot rate", unit="hertz", now=devices[0].shots.rate, before=devices[0].shots.rate),
        Trend(name="users", unit="count", now=63.0, before=None),
    ]


def a_month(
    devices: int = 2, groups: int = 12, made: datetime = datetime(2026, 11, 2, 7, 30, tzinfo=UTC)
) -> Report:
    """Return the report of October 2026, in which clocks go back in Paris, of so many devices and accounts."""
    names = ["FRESNEL", "ORION", *(f"ORION-{number}" for number in range(2, devices))][:devices]
    parts = [
        a_device(name, 1 + i % 3, (0.86, 0.55, 0.7)[i % 3], (4.0, 50.0, 10.0)[i % 3])
        for i, name in enumerate(names)
    ]
    busy = sum(part.time.seconds["execute"] for part in parts)
    accounts = [*ACCOUNTS, *(f"account-{number:04}" for number in range(12, groups))][:groups]
    listed = some_groups(
        accounts, busy, {"materials": 0.25, "chemistry": 0.25, "qml-group": 0.1, "climate": 0.15}, 400.0
    )
    users = some_groups([f"user{number:02}" for number in range(20)], busy * 0.8, {}, None)
    others = Group(
        name="43 others",
        jobs=1213,
        failed=22,
        shots=6 * 10**7,
        busy_seconds=busy * 0.2,
        share=0.2,
        target_share=None,
        mean_wait=455.0,
        cost=None,
    )
    endings = (
        ("DONE", "none", 12310),
        ("ERROR", "user_error", 402),
        ("ERROR", "device_error", 131),
        ("CANCELED", "user", 188),
        ("ERROR", "timeout", 35),
    )
    jobs = sum(number for _, _, number in endings)
    return Report(
        site="Centre for Hybrid Computing",
        version="0.1.0",
        made_at=made.timestamp(),
        took_seconds=2.14,
        period=PERIOD,
        previous=PREVIOUS,
        sources=["qwatch"],
        notes=["Of programs that ran before the upgrade of 2026-10-02 the SDK is not known."],
        coverage=[a_coverage(part) for part in parts],
        devices=parts,
        jobs=jobs,
        endings=[Ending(state=s, reason=r, jobs=n, share=n / jobs) for s, r, n in endings],
        possible_doubles=3,
        classes=some_classes(),
        breakdown=Breakdown(
            by="sdk",
            groups=some_groups(["pulser", "qiskit", "cudaq", "not told"], busy, {}, 400.0),
            others=None,
            count=4,
        ),
        top_users=Breakdown(
            by="user", groups=[_scaled(group, 0.8) for group in users], others=others, count=63
        ),
        top_accounts=Breakdown(by="account", groups=listed, others=None, count=len(listed)),
        sessions=some_sessions(busy),
        trends=some_trends(parts, jobs),
        anomalies=some_anomalies(),
        statements=some_statements(listed),
    )


def _scaled(group: Group, factor: float) -> Group:
    return Group(
        name=group.name,
        jobs=group.jobs,
        failed=group.failed,
        shots=group.shots,
        busy_seconds=group.busy_seconds,
        share=group.share * factor,
        target_share=None,
        mean_wait=group.mean_wait,
        cost=group.cost,
    )


def an_empty_report() -> Report:
    """Return the report of a store without any device or job."""
    nothing = Breakdown(by="user", groups=[], others=None, count=0)
    return Report(
        site="",
        version="0.1.0",
        made_at=END,
        took_seconds=0.01,
        period=PERIOD,
        previous=PREVIOUS,
        sources=[],
        notes=[],
        coverage=[],
        devices=[],
        jobs=0,
        endings=[],
        possible_doubles=0,
        classes=[],
        breakdown=nothing,
        top_users=nothing,
        top_accounts=nothing,
        sessions=SessionPart(
            sessions=0, held_seconds=0.0, busy_seconds=0.0, ratio=None, least_efficient=[], note=""
        ),
        trends=[],
        anomalies=[],
        statements=None,
    )


def nothing_known() -> Report:
    """Return a report of a device and a class of which nothing is known that may be not known."""
    device = DevicePart(
        qpu_id="FRESNEL",
        present_from=END,
        present_until=END,
        time=a_partition({}),
        before=None,
        utilization_target=None,
        availability=Availability(
            ratio=None,
            target=None,
            incidents=[],
            mean_time_between_failures=None,
            mean_time_to_repair=None,
        ),
        days=[],
        heatmap=[[None] * 24 for _ in range(7)],
        shots=Shots(requested=0, executed=0, rate=None, nominal_rate=None),
        windows=[PlannedWindow(kind="drain", begin=BEGIN, end=None, procedure=None, result=None, message="")],
        quality=[],
    )
    unknown = Quantiles(count=0, p50=None, p90=None, p99=None, mean=None, greatest=None)
    job_class = ClassPart(
        job_class="test",
        jobs=0,
        wait=unknown,
        run=unknown,
        turnaround=unknown,
        objective_within=3600.0,
        objective_ratio=0.9,
        met_ratio=None,
    )
    group = Group(
        name="ada",
        jobs=0,
        failed=0,
        shots=0,
        busy_seconds=0.0,
        share=0.0,
        target_share=None,
        mean_wait=None,
        cost=None,
    )
    return replace(
        an_empty_report(),
        devices=[device],
        coverage=[
            Coverage(
                qpu_id="FRESNEL",
                covered_seconds=0.0,
                ratio=0.0,
                gaps=[],
                gaps_left_out=3,
                differences=None,
                comparison="There are no counters.",
            )
        ],
        classes=[job_class],
        top_users=Breakdown(by="user", groups=[group], others=None, count=1),
        trends=[Trend(name="utilization", unit="ratio", now=None, before=None)],
        statements=[],
    )


def a_year() -> Report:
    """Return the report of a year, with more measurements than a plot can show."""
    month = a_month(1)
    device = month.devices[0]
    first = date(2026, 1, 1)
    days = [
        replace(device.days[number % 31], date=str(first + timedelta(days=number))) for number in range(365)
    ]
    chance = random.Random(5)
    points = [
        QualityPoint(at=at(2026, 1, 1, 2 * number), value=0.95 + 0.01 * chance.random(), uncertainty=0.004)
        for number in range(4380)
    ]
    return replace(
        month,
        period=replace(PERIOD, begin=at(2026, 1, 1), end=at(2027, 1, 1), label="2026"),
        devices=[replace(device, days=days, quality=[replace(device.quality[0], points=points, count=4380)])],
    )


def a_day_of_25_hours() -> Report:
    """Return the report of the day on which clocks go back."""
    month = a_month(1)
    device = month.devices[0]
    period = replace(PERIOD, begin=at(2026, 10, 25), end=at(2026, 10, 26), label="25 October 2026")
    series = [
        replace(item, points=[point for point in item.points if period.begin <= point.at < period.end])
        for item in device.quality
    ]
    heatmap = [*([[None] * 24] * 6), device.heatmap[6]]
    return replace(
        month,
        period=period,
        devices=[replace(device, days=device.days[24:25], heatmap=heatmap, quality=series)],
    )


def with_long_names() -> Report:
    """Return the month with a device, an account and a class whose names are too long for a plot."""
    month, name = a_month(), "A-VERY-LONG-NAME-AS-PROJECTS-OF-THE-EUROPEAN-UNION-HAVE"
    accounts = month.top_accounts
    return replace(
        month,
        devices=[replace(month.devices[0], qpu_id=name), *month.devices[1:]],
        coverage=[replace(month.coverage[0], qpu_id=name), *month.coverage[1:]],
        classes=[replace(month.classes[0], job_class=name), *month.classes[1:]],
        top_accounts=replace(accounts, groups=[replace(accounts.groups[0], name=name), *accounts.groups[1:]]),
    )
