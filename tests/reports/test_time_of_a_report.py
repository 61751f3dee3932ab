"""Time by activity in a report, against a computation that goes through the period tick by tick."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qwatch.reports.model import DevicePart, Report
from qwatch.telemetry.labels import ACTIVITIES

from .synthetic_ledger import Ledger, Store, a_job

TICK = 300.0
BEGIN = datetime(2026, 10, 24, 12, tzinfo=ZoneInfo("UTC")).timestamp()
"""Half a day before clocks go back in Europe, a week before they do in America."""
TICKS = 400
ZONES = ("UTC", "Europe/Paris", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe")
NAME = "FRESNEL"


def at(tick: float) -> float:
    return BEGIN + tick * TICK


ticks = st.integers(0, TICKS)
spans = st.tuples(ticks, st.integers(1, 60))


@st.composite
def ledgers(draw: st.DrawFn) -> Ledger:
    """Changes in any order, what executes with overlaps, before and after what is known."""
    changes = [
        (NAME, at(tick), activity, f"because {number}")
        for number, (tick, activity) in enumerate(
            sorted(
                draw(
                    st.lists(
                        st.tuples(ticks, st.sampled_from((*ACTIVITIES, "dispatch", "idle"))),
                        min_size=1,
                        max_size=12,
                    )
                ),
                key=lambda change: change[0],
            )
        )
    ]
    executed = [(at(begin), at(begin + length)) for begin, length in draw(st.lists(spans, max_size=10))]
    as_of = at(draw(ticks))
    if draw(st.booleans()):
        running = [(NAME, at(draw(ticks)), None)] if draw(st.booleans()) else []
        return Ledger(
            as_of={NAME: as_of}, changes=changes, slices=[*((NAME, *one) for one in executed), *running]
        )
    jobs = [
        a_job(source="peer", created_at=begin, started_at=begin, ended_at=end, busy_seconds=None)
        for begin, end in executed
    ]
    return Ledger(as_of={NAME: as_of}, changes=changes, jobs=jobs)


def known_until(ledger: Ledger) -> float:
    return max(ledger.as_of[NAME], *(change[1] for change in ledger.changes))


def activity_at(ledger: Ledger, moment: float) -> str | None:
    """What the device did in the tick that begins at ``moment``; None if it was not there yet."""
    until = known_until(ledger)
    observed = [job for job in ledger.jobs if job["started_at"] is not None]
    first = min([change[1] for change in ledger.changes] + [job["started_at"] for job in observed])
    if moment < first:
        return None
    if any(job["started_at"] <= moment < job["ended_at"] for job in observed):
        return "execute"
    told = [change[2] for change in ledger.changes if change[1] <= moment]
    if not told or moment >= until:
        return "unknown"
    if told[-1] not in ("execute", "dispatch"):
        return told[-1]
    executes = any(
        begin <= moment < (until if end is None else min(end, until)) for _, begin, end in ledger.slices
    )
    return "execute" if executes else "dispatch"


def expected(ledger: Ledger, begin: int, end: int) -> dict[str, float]:
    found = dict.fromkeys(ACTIVITIES, 0.0)
    for tick in range(begin, end):
        activity = activity_at(ledger, at(tick))
        if activity is not None:
            found[activity] += TICK
    return found


def only_device(report: Report) -> DevicePart | None:
    return report.devices[0] if report.devices else None


@pytest.fixture(scope="module")
def sqlite_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'qwatch.db'}")
    yield store
    store.engine.dispose()


def check(store: Store, ledger: Ledger, borders: tuple[int, int], zone: str) -> None:
    store.fill(ledger)
    begin, end = borders
    report = store.report(at(begin), at(end), zone=zone)
    device = only_device(report)
    wanted = expected(ledger, begin, end)
    if device is None:
        assert sum(wanted.values()) == 0
        return
    assert device.time.seconds == pytest.approx(wanted, abs=1e-3)
    assert sum(device.time.seconds.values()) == pytest.approx(device.time.wall_seconds)
    assert device.time.wall_seconds == pytest.approx(device.present_until - device.present_from)
    by_day = dict.fromkeys(ACTIVITIES, 0.0)
    for day in device.days:
        local = datetime.fromtimestamp(day.begin, ZoneInfo(zone))
        assert f"{local:%Y-%m-%d}" == day.date
        for activity, seconds in day.seconds.items():
            by_day[activity] += seconds
    assert by_day == pytest.approx(wanted, abs=1e-3)
    covered = sum(seconds for activity, seconds in wanted.items() if activity != "unknown")
    assert report.coverage[0].covered_seconds == pytest.approx(covered, abs=1e-3)
    hours: dict[tuple[int, int], list[str]] = {}
    for tick in range(begin, end):
        local = datetime.fromtimestamp(at(tick), ZoneInfo(zone))
        if (activity := activity_at(ledger, at(tick))) is not None:
            hours.setdefault((local.weekday(), local.hour), []).append(activity)
    for weekday in range(7):
        for hour in range(24):
            told = hours.get((weekday, hour), [])
            is_known = any(activity != "unknown" for activity in told)
            value = told.count("execute") / len(told) if is_known else None
            assert device.heatmap[weekday][hour] == (None if value is None else pytest.approx(value))


borders = st.tuples(ticks, ticks).filter(lambda pair: pair[0] != pair[1]).map(sorted).map(tuple)
careful = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


@settings(careful, max_examples=60)
@given(ledgers(), borders, st.sampled_from(ZONES))
def test_time_days_and_hours_are_those_of_a_count_of_ticks(
    sqlite_store: Store, ledger: Ledger, borders: tuple[int, int], zone: str
) -> None:
    check(sqlite_store, ledger, borders, zone)


def test_on_postgresql_they_are_the_same(new_database: Callable[[], str]) -> None:
    store = Store(new_database())

    @settings(careful, max_examples=10)
    @given(ledgers(), borders, st.sampled_from(ZONES))
    def on_postgresql(ledger: Ledger, borders: tuple[int, int], zone: str) -> None:
        check(store, ledger, borders, zone)

    on_postgresql()
    store.engine.dispose()


@settings(careful, max_examples=15)
@given(ledgers(), st.lists(ticks, min_size=2, max_size=5, unique=True).map(sorted))
def test_the_parts_of_a_period_add_up_to_it(sqlite_store: Store, ledger: Ledger, cuts: list[int]) -> None:
    sqlite_store.fill(ledger)
    whole = only_device(sqlite_store.report(at(cuts[0]), at(cuts[-1])))
    added = dict.fromkeys(ACTIVITIES, 0.0)
    for begin, end in pairwise(cuts):
        part = only_device(sqlite_store.report(at(begin), at(end)))
        for activity, seconds in (part.time.seconds if part else {}).items():
            added[activity] += seconds
    assert added == pytest.approx(whole.time.seconds if whole else dict.fromkeys(ACTIVITIES, 0.0), abs=1e-3)


def a_device(begin: float, end: float, name: str = NAME) -> Ledger:
    return Ledger(as_of={name: end}, changes=[(name, begin, "idle", "")])


@pytest.mark.parametrize(
    ("zone", "date", "hours"),
    [
        ("Europe/Paris", "2026-10-25", 25),
        ("Europe/Paris", "2026-03-29", 23),
        ("America/New_York", "2026-11-01", 25),
        ("UTC", "2026-10-25", 24),
        ("UTC", "2028-02-29", 24),
    ],
)
def test_a_day_is_as_long_as_it_was_there(sqlite_store: Store, zone: str, date: str, hours: int) -> None:
    begin = datetime.fromisoformat(date).replace(tzinfo=ZoneInfo(zone)).timestamp()
    sqlite_store.fill(a_device(begin - 86_400, begin + 5 * 86_400))
    month = date[:7]
    report = sqlite_store.report(f"{month}-01", f"{int(month[:4])}-{int(month[5:]) + 1:02}-01", zone=zone)
    device = only_device(report)
    assert device is not None
    day = next(day for day in device.days if day.date == date)
    assert day.end - day.begin == hours * 3600
    assert sum(day.seconds.values()) == pytest.approx(hours * 3600)


def test_a_device_that_comes_and_one_that_goes_count_while_they_are_there(sqlite_store: Store) -> None:
    sqlite_store.fill(
        Ledger(
            as_of={"OLD": at(100), "NEW": at(400)},
            changes=[("OLD", at(-50), "idle", ""), ("NEW", at(200), "dispatch", "")],
        )
    )
    report = sqlite_store.report(at(0), at(400))
    old = next(device for device in report.devices if device.qpu_id == "OLD")
    new = next(device for device in report.devices if device.qpu_id == "NEW")
    assert (old.present_from, old.present_until) == (at(0), at(100))
    assert (new.present_from, new.present_until) == (at(200), at(400))
    assert (old.time.wall_seconds, new.time.wall_seconds) == (100 * TICK, 200 * TICK)
    gaps = {covered.qpu_id: [gap.reason for gap in covered.gaps] for covered in report.coverage}
    assert gaps == {
        "OLD": ["after the ledger's last entry of the device"],
        "NEW": ["before the ledger's first entry of the device"],
    }


def test_a_slice_that_straddles_the_border_belongs_to_each_side_by_time(sqlite_store: Store) -> None:
    sqlite_store.fill(
        Ledger(
            as_of={NAME: at(100)},
            changes=[(NAME, at(0), "dispatch", "")],
            slices=[(NAME, at(40), at(60))],
        )
    )
    before, after = (only_device(sqlite_store.report(*part)) for part in ((at(0), at(50)), (at(50), at(100))))
    assert before is not None
    assert after is not None
    assert (before.time.seconds["execute"], after.time.seconds["execute"]) == (10 * TICK, 10 * TICK)
    assert after.time.utilization == pytest.approx(0.2)
    assert after.time.dispatch_efficiency == pytest.approx(0.2)
    assert after.before is not None
    assert after.before.seconds == before.time.seconds


def test_slices_that_are_no_longer_kept_are_told_by_the_jobs(sqlite_store: Store) -> None:
    job = a_job(started_at=at(10), ended_at=at(22), busy_seconds=10 * TICK)
    ledger = Ledger(
        as_of={NAME: at(100)},
        changes=[(NAME, at(0), "dispatch", "")],
        slices=[(NAME, at(50), at(55))],
        jobs=[job, a_job(ended_at=at(55), busy_seconds=5 * TICK)],
    )
    sqlite_store.fill(ledger)
    device = only_device(sqlite_store.report(at(0), at(100)))
    assert device is not None
    assert device.time.seconds["execute"] == pytest.approx(15 * TICK)


def test_what_another_scheduler_executed_counts_at_rest_and_what_we_did_only_at_work(
    sqlite_store: Store,
) -> None:
    sqlite_store.fill(
        Ledger(
            as_of={NAME: at(100)},
            changes=[(NAME, at(0), "dispatch", ""), (NAME, at(40), "idle", ""), (NAME, at(90), "dispatch", "")],
            slices=[(NAME, at(30), at(70))],
            jobs=[a_job(source="peer", started_at=at(50), ended_at=at(60), busy_seconds=None)],
        )
    )
    device = only_device(sqlite_store.report(at(0), at(100)))
    assert device is not None
    wanted = {"execute": 20 * TICK, "dispatch": 40 * TICK, "idle": 40 * TICK}
    assert {name: spent for name, spent in device.time.seconds.items() if spent} == pytest.approx(wanted)


def test_a_fault_is_one_incident_however_often_qwatch_restarts_meanwhile(sqlite_store: Store) -> None:
    sqlite_store.fill(
        Ledger(
            as_of={NAME: at(100)},
            changes=[
                (NAME, at(0), "idle", ""),
                (NAME, at(10), "fault", "no answer"),
                (NAME, at(14), "unknown", "no daemon ran"),
                (NAME, at(15), "fault", "no answer"),
                (NAME, at(20), "idle", ""),
                (NAME, at(60), "fault", "laser"),
                (NAME, at(62), "unknown", "no daemon ran"),
                (NAME, at(90), "fault", "laser again"),
            ],
        )
    )
    device = only_device(sqlite_store.report(at(12), at(100)))
    assert device is not None
    found = device.availability
    assert [(one.begin, one.end, one.seconds, one.cause) for one in found.incidents] == [
        (at(10), at(20), 7 * TICK, "no answer"),
        (at(60), at(62), 2 * TICK, "laser"),
        (at(90), None, 10 * TICK, "laser again"),
    ]
    known = (88 - 29) * TICK
    assert found.ratio == pytest.approx(1 - 19 * TICK / known)
    assert found.mean_time_to_repair == pytest.approx(19 * TICK / 3)
    assert found.mean_time_between_failures == pytest.approx((known - 19 * TICK) / 3)


def test_the_counters_are_compared_with_the_whole_life(sqlite_store: Store) -> None:
    ledger = Ledger(
        as_of={NAME: at(100)},
        changes=[(NAME, at(0), "idle", ""), (NAME, at(50), "dispatch", "")],
        slices=[(NAME, at(60), at(70))],
        counters={
            NAME: {"idle": 50 * TICK + 7, "dispatch": 40 * TICK, "execute": 10 * TICK - 7, "unknown": 3.0}
        },
    )
    sqlite_store.fill(ledger)
    (covered,) = sqlite_store.report(at(20), at(30)).coverage
    assert covered.differences is not None
    told = {found.activity: found.seconds for found in covered.differences}
    assert told["idle"] == pytest.approx(7)
    assert told["execute"] == pytest.approx(-7)
    assert told["dispatch"] == pytest.approx(0)
    assert "unknown" not in told


def test_an_empty_store_gives_an_honest_report(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'qwatch.db'}")
    report = store.report("2026-10-01", "2026-11-01")
    assert (report.jobs, report.devices, report.coverage, report.anomalies) == (0, [], [], [])
    assert report.notes[0].startswith("The ledger has no device yet")
    assert report.sessions.ratio is None
    assert report.breakdown.groups == []
