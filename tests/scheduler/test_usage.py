"""What a user used, by any key: it adds up, it is the same as counted by hand, and holds nothing of others."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, create_engine, event

from qwatch.scheduler import jobs, sessions, slices, usage_queries
from qwatch.scheduler.jobs import JobEnd, JobState, NewJob
from qwatch.scheduler.local_days import days_between
from qwatch.scheduler.sessions import NewSession
from qwatch.scheduler.slices import SliceState
from qwatch.scheduler.tables import metadata
from qwatch.scheduler.usage import Usage, UsageKey, UsageQuestion
from qwatch.scheduler.usage_queries import usage_of

DAY = 86_400.0
PARIS = ZoneInfo("Europe/Paris")
BEGIN = datetime(2026, 10, 20, tzinfo=PARIS).timestamp()
"""In the period clocks are set back."""
END = BEGIN + 14 * DAY
ADA, BOB = 1000, 1001
KEYS: tuple[UsageKey, ...] = get_args(UsageKey)
ENDS = (("DONE", "none"), ("CANCELED", "user"), ("ERROR", "device_error"), ("ERROR", "user_error"))


@dataclass(frozen=True)
class Work:
    """A job: created so many seconds after its session, and how long it waited and ran; None: it did not."""

    after: float
    wait: float | None
    run: float | None
    end: int
    shots: int
    job_class: str
    sdk: str | None


@dataclass(frozen=True)
class Life:
    uid: int
    device: str
    slurm_job: str | None
    begin: float
    length: float | None
    jobs: tuple[Work, ...]


lengths = st.integers(0, int(2 * DAY)).map(float)
works = st.builds(
    Work,
    after=lengths,
    wait=st.none() | lengths,
    run=st.none() | lengths,
    end=st.integers(0, len(ENDS) - 1),
    shots=st.integers(1, 1000),
    job_class=st.sampled_from(["production", "test"]),
    sdk=st.sampled_from([None, "pulser", "qiskit"]),
)
lives = st.builds(
    Life,
    uid=st.sampled_from([ADA, ADA, BOB]),
    device=st.sampled_from(["EMU", "FRESNEL"]),
    slurm_job=st.sampled_from([None, "77", "78"]),
    begin=st.integers(int(BEGIN - 5 * DAY), int(END - 1)).map(float),
    length=st.none() | st.integers(0, int(6 * DAY)).map(float),
    jobs=st.lists(works, max_size=4).map(tuple),
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder: Path = tmp_path_factory.mktemp("usage")
    engine = create_engine(f"sqlite:///{folder / 'qwatch.db'}")

    @event.listens_for(engine, "connect")
    def quickly(connection: object, _record: object) -> None:
        connection.execute("PRAGMA synchronous=OFF")  # type: ignore[attr-defined]

    metadata.create_all(engine)
    yield engine
    engine.dispose()


def write(connection: Connection, life: Life) -> int:
    """Write a session with its jobs as they are at END; return its number."""
    new = NewSession(life.uid, "x", "chem", life.slurm_job, life.device, 0, life.begin)
    number = sessions.create(connection, new, sessions.new_token())
    session = sessions.by_id(connection, number)
    for work in life.jobs:
        created = life.begin + work.after
        if created >= END:
            continue
        made = NewJob(work.job_class, "pasqal-local", "{}", work.shots, created, created, None, None, work.sdk)
        (job,) = jobs.create(connection, [(session, made)])
        if work.wait is None or created + work.wait >= END:
            continue
        started = created + work.wait
        jobs.start(connection, job, started)
        part = slices.claim(connection, job, life.device, work.shots, started)
        slices.posted(connection, part.id, "1", started)
        if work.run is None or started + work.run >= END:
            continue
        state, reason = ENDS[work.end]
        busy = work.run / 2
        slices.close(connection, part.id, SliceState.DONE, started_at=started, ended_at=started + work.run)
        jobs.finish(
            connection, job, JobEnd(JobState(state), reason, None, started + work.run, work.shots, busy)
        )
    if life.length is not None and life.begin + life.length < END:
        sessions.end(connection, number, life.begin + life.length, "released")
    return number


def ask(by: UsageKey | None = None, **more: Any) -> UsageQuestion:
    asked = UsageQuestion(uid=ADA, begin=BEGIN, end=END, now=END, zone=PARIS, by=by)
    return replace(asked, **more)


def sums(usages: list[Usage]) -> dict[str, Any]:
    failures: dict[str, int] = {}
    for item in usages:
        for reason, count in item.failures.items():
            failures[reason] = failures.get(reason, 0) + count
    waits = [item.wait for item in usages if item.wait is not None]
    return {
        "failures": failures,
        "waits": sum(wait.count for wait in waits),
        "longest": max((wait.longest for wait in waits), default=None),
        "waited": pytest.approx(sum(wait.count * wait.mean for wait in waits)),
        "held": pytest.approx(sum(item.held_seconds or 0.0 for item in usages)),
        **{
            name: pytest.approx(sum(getattr(item, name) for item in usages))
            for name in (
                *("jobs", "done", "canceled", "failed", "pending", "running"),
                *("running_seconds", "shots", "busy_seconds"),
            )
        },
    }


def ended(found: list[Life]) -> list[tuple[Life, Work, float]]:
    """Return the jobs of ADA that ended in the period, with their ends."""
    return [
        (life, work, end)
        for life in found
        for work in life.jobs
        if life.uid == ADA and work.wait is not None and work.run is not None
        if BEGIN <= (end := life.begin + work.after + work.wait + work.run) < END
    ]


@settings(max_examples=40)
@given(found=st.lists(lives, max_size=6))
def test_the_groups_by_any_key_add_up_to_what_was_used_in_all(engine: Engine, found: list[Life]) -> None:
    with engine.begin() as connection:
        for life in sorted(found, key=lambda life: life.begin):  # as they are numbered
            write(connection, life)
        total = usage_of(connection, ask()).total
        for key in KEYS:
            report = usage_of(connection, ask(key))
            assert report.total == total
            expected, groups = sums([total]), sums(list(report.groups))
            if key in ("class", "sdk"):
                assert all(group.held_seconds is None for group in report.groups)
                expected.pop("held"), groups.pop("held")
            assert groups == expected
            assert len({group.key for group in report.groups}) == len(report.groups)
        connection.rollback()


@settings(max_examples=40)
@given(found=st.lists(lives, max_size=6))
def test_it_is_what_is_counted_by_hand(engine: Engine, found: list[Life]) -> None:
    with engine.begin() as connection:
        for life in sorted(found, key=lambda life: life.begin):  # as they are numbered
            write(connection, life)
        total = usage_of(connection, ask()).total
        days = usage_of(connection, ask("day")).groups
        connection.rollback()
    mine = ended(found)
    assert total.jobs == len(mine)
    assert total.shots == sum(work.shots for _, work, _ in mine)
    assert total.busy_seconds == pytest.approx(sum(work.run / 2 for _, work, _ in mine if work.run))
    waits = sorted(work.wait for _, work, _ in mine if work.wait is not None)
    for quantile, told in ((50, "p50"), (90, "p90"), (99, "p99")):
        if waits:
            assert getattr(total.wait, told) == waits[math.ceil(len(waits) * quantile / 100) - 1]
    by_day: dict[str, int] = {}
    for _, _, end in mine:
        day = datetime.fromtimestamp(end, PARIS).date().isoformat()
        by_day[day] = by_day.get(day, 0) + 1
    assert {day.key: day.jobs for day in days if day.jobs} == by_day
    running = [
        END - (life.begin + work.after + work.wait)
        for life in found
        for work in life.jobs
        if life.uid == ADA and work.wait is not None and life.begin + work.after + work.wait < END
        if work.run is None or life.begin + work.after + work.wait + work.run >= END
    ]
    assert total.running == len(running)
    assert total.running_seconds == pytest.approx(sum(running))
    assert total.held_seconds == pytest.approx(sum(held_by_hand(life) for life in found if life.uid == ADA))


def held_by_hand(life: Life) -> float:
    """Return a session's seconds in the period: to its end, or until its last job ended."""
    until = END if life.length is None else min(life.begin + life.length, END)
    for work in life.jobs:
        created = life.begin + work.after
        if created < END:
            end = math.inf if work.wait is None or work.run is None else created + work.wait + work.run
            until = max(until, min(end, END))
    return max(until - max(life.begin, BEGIN), 0.0)


@settings(max_examples=40)
@given(found=st.lists(lives, max_size=6), where=st.integers(1, 13))
def test_a_period_in_two_parts_has_the_jobs_and_the_held_time_of_the_whole(
    engine: Engine, found: list[Life], where: int
) -> None:
    middle = BEGIN + where * DAY
    with engine.begin() as connection:
        for life in sorted(found, key=lambda life: life.begin):  # as they are numbered
            write(connection, life)
        whole = usage_of(connection, ask()).total
        parts = [usage_of(connection, ask(end=middle)).total, usage_of(connection, ask(begin=middle)).total]
        connection.rollback()
    assert sums(parts) == sums([whole])


def test_groups_beyond_the_most_are_one(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_queries, "MOST_GROUPS", 2)
    work = Work(10, 5, 20, 0, 100, "test", None)
    with engine.begin() as connection:
        numbers = [write(connection, Life(ADA, "EMU", None, BEGIN, 60, (work,))) for _ in range(5)]
        report = usage_of(connection, ask("session"))
        connection.rollback()
    assert [group.key for group in report.groups] == [str(number) for number in (numbers[4], numbers[3])]
    assert report.rest is not None
    assert (report.groups_in_rest, report.rest.jobs, report.rest.held_seconds) == (3, 3, 180)
    assert sums([*report.groups, report.rest])["shots"] == sums([report.total])["shots"]


def test_of_one_device_nothing_of_another_is_told(engine: Engine) -> None:
    work = Work(10, 5, 20, 0, 100, "test", None)
    with engine.begin() as connection:
        for device in ("EMU", "FRESNEL"):
            write(connection, Life(ADA, device, None, BEGIN, 60, (work,)))
        report = usage_of(connection, ask("device", qpu_id="EMU"))
        connection.rollback()
    assert [group.key for group in report.groups] == ["EMU"]
    assert (report.total.jobs, report.total.held_seconds) == (1, 60)
    assert report.total.efficiency == pytest.approx(10 / 60)


def test_nothing_is_an_empty_total(engine: Engine) -> None:
    with engine.connect() as connection:
        report = usage_of(connection, ask("device"))
    assert (report.total.jobs, report.total.held_seconds, report.total.efficiency) == (0, 0.0, None)
    assert (report.total.wait, report.groups) == (None, [])


@given(
    begin=st.integers(0, 4_000_000_000),
    length=st.integers(1, int(500 * DAY)),
    zone=st.sampled_from(["Europe/Paris", "America/St_Johns", "Australia/Lord_Howe", "Africa/Cairo", "UTC"]),
)
def test_the_days_of_a_zone_follow_each_other_and_cover_the_period(begin: int, length: int, zone: str) -> None:
    found = days_between(begin, begin + length, ZoneInfo(zone))
    assert found[0].begin <= begin < found[0].end
    assert found[-1].begin < begin + length <= found[-1].end
    for day, following in itertools.pairwise(found):
        assert day.end == following.begin
        assert following.date - day.date == timedelta(days=1)


def test_a_day_on_which_clocks_are_changed_has_another_length() -> None:
    day = datetime(2026, 10, 25, tzinfo=PARIS)
    (found,) = days_between(day.timestamp(), day.timestamp() + 1, PARIS)
    assert found.end - found.begin == 25 * 3600
    leap = datetime(2028, 2, 29, 12, tzinfo=UTC).timestamp()
    assert days_between(leap, leap + 1, UTC)[0].date.isoformat() == "2028-02-29"
