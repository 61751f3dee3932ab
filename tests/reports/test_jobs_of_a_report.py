"""Jobs, shares and waits in a report, against plain Python over the same rows."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qwatch.reports.cost import rate_of
from qwatch.reports.model import Breakdown, Report
from qwatch.reports.settings import RateSettings, ReportSettings, TargetSettings, WaitObjective

from .synthetic_ledger import Ledger, Store, a_job

USERS = ("ada", "bob", "eve|x", "=1+1", "żółw")
ENDINGS = (("DONE", "none"), ("ERROR", "device_error"), ("ERROR", "user_error"), ("CANCELED", "user"))
BEGIN, END = 1000.0, 2000.0
RATES = RateSettings(per_busy_hour=100.0, by_account={"bio": 7.0}, by_class={"test": 1.0})
SETTINGS = ReportSettings(
    top=3,
    shares={"chem": 0.25},
    rates=RATES,
    targets=TargetSettings(
        wait={"production": WaitObjective(within=100.0, ratio=0.5), "qa": WaitObjective(within=50.0)}
    ),
)


@st.composite
def jobs(draw: st.DrawFn) -> dict[str, Any]:
    state, reason = draw(st.sampled_from(ENDINGS))
    created = draw(st.integers(0, 2000))
    started = draw(st.none() | st.integers(-20, 300).map(lambda wait: created + wait))
    ended = draw(st.integers(900, 2100))
    return a_job(
        user_name=draw(st.sampled_from(USERS)),
        account=draw(st.sampled_from(("chem", "bio"))),
        qpu_id=draw(st.sampled_from(("FRESNEL", "ORION"))),
        job_class=draw(st.sampled_from(("production", "test", "qa"))),
        sdk=draw(st.sampled_from((None, "pulser", "qiskit"))),
        source=draw(st.sampled_from(("qwatch", "peer"))),
        session=draw(st.sampled_from(("1", "2", "3", "4"))),
        slurm_job_id=draw(st.sampled_from((None, "7", "8"))),
        state=state,
        reason=reason,
        created_at=float(created),
        started_at=None if started is None else float(started),
        ended_at=float(ended),
        busy_seconds=draw(st.none() | st.integers(0, 500).map(float)),
        shots_requested=draw(st.none() | st.integers(0, 1000)),
        shots_executed=draw(st.none() | st.integers(0, 1000)),
        possible_double=draw(st.booleans()),
    )


def rank(values: Sequence[float], part: float) -> float:
    return sorted(values)[max(math.ceil(len(values) * part - 1e-9), 1) - 1]


def keys(job: dict[str, Any]) -> dict[str, str]:
    return {
        "user": job["user_name"],
        "account": job["account"],
        "class": job["job_class"],
        "sdk": job["sdk"] or "unknown",
        "device": job["qpu_id"],
        "session": job["session"],
        "slurm-job": job["slurm_job_id"] or "unknown",
        "partition": {"7": "gpu"}.get(job["slurm_job_id"], "unknown"),
    }


def wait(job: dict[str, Any]) -> float | None:
    return None if job["started_at"] is None else max(job["started_at"] - job["created_at"], 0.0)


def check_breakdown(found: Breakdown, rows: Sequence[dict[str, Any]], by: str) -> None:
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for job in rows:
        groups[keys(job)[by]].append(job)
    total = sum(job["busy_seconds"] or 0 for job in rows)
    assert found.count == len(groups)
    for group in found.groups:
        members = groups[group.name]
        busy = sum(job["busy_seconds"] or 0 for job in members)
        assert group.jobs == len(members)
        assert group.failed == sum(job["state"] == "ERROR" and job["reason"] != "user_error" for job in members)
        assert group.shots == sum(job["shots_executed"] or 0 for job in members)
        assert group.busy_seconds == pytest.approx(busy)
        assert group.share == pytest.approx(busy / total if total else 0)
        waits = [told for job in members if (told := wait(job)) is not None]
        assert group.mean_wait == (pytest.approx(sum(waits) / len(waits)) if waits else None)
        cost = sum(
            (job["busy_seconds"] or 0) / 3600 * (rate_of(RATES, job["account"], job["job_class"]) or 0)
            for job in members
        )
        assert group.cost == pytest.approx(cost)
    everything = [*found.groups, *([found.others] if found.others else [])]
    assert sum(group.jobs for group in everything) == len(rows)
    if total:
        assert sum(group.share for group in everything) == pytest.approx(1.0)


def check(report: Report, rows: Sequence[dict[str, Any]], by: str) -> None:
    assert report.jobs == len(rows)
    assert report.possible_doubles == sum(job["possible_double"] for job in rows)
    counted = Counter((job["state"], job["reason"]) for job in rows)
    assert {(one.state, one.reason): one.jobs for one in report.endings} == counted
    if rows:
        assert sum(one.share for one in report.endings) == pytest.approx(1.0)
    assert {part.job_class for part in report.classes} == {job["job_class"] for job in rows}
    for part in report.classes:
        members = [job for job in rows if job["job_class"] == part.job_class]
        lengths = {
            "wait": [told for job in members if (told := wait(job)) is not None],
            "run": [
                max(job["ended_at"] - job["started_at"], 0.0)
                for job in members
                if job["started_at"] is not None
            ],
            "turnaround": [max(job["ended_at"] - job["created_at"], 0.0) for job in members],
        }
        for measure, values in lengths.items():
            quantiles = getattr(part, measure)
            assert quantiles.count == len(values)
            if values:
                assert (quantiles.p50, quantiles.p90, quantiles.p99) == tuple(
                    rank(values, place) for place in (0.5, 0.9, 0.99)
                )
                assert quantiles.mean == pytest.approx(sum(values) / len(values))
                assert quantiles.greatest == max(values)
        objective = SETTINGS.targets.wait.get(part.job_class)  # type: ignore[call-overload]
        counting = [
            told for job in members if job["reason"] != "user_error" and (told := wait(job)) is not None
        ]
        if objective is None or not counting:
            assert part.met_ratio is None
        else:
            met = sum(told <= objective.within for told in counting) / len(counting)
            assert part.met_ratio == pytest.approx(met)
            assert part.met == (met >= objective.ratio)
    check_breakdown(report.breakdown, rows, by)
    check_breakdown(report.top_users, rows, "user")
    check_breakdown(report.top_accounts, rows, "account")
    assert len(report.top_users.groups) <= SETTINGS.top
    assert all(group.target_share == SETTINGS.shares.get(group.name) for group in report.top_accounts.groups)


def within(rows: Sequence[dict[str, Any]], begin: float, end: float) -> list[dict[str, Any]]:
    return [job for job in rows if begin <= job["ended_at"] < end]


@pytest.fixture(scope="module")
def sqlite_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'qwatch.db'}")
    yield store
    store.engine.dispose()


BY = ("user", "account", "class", "sdk", "device", "session", "slurm-job", "partition")
careful = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


def compare(store: Store, rows: list[dict[str, Any]], by: str) -> None:
    store.fill(Ledger(as_of={"FRESNEL": END, "ORION": END}, jobs=rows, slurm_jobs={"7": "gpu"}))
    check(store.report(BEGIN, END, settings=SETTINGS, by=by), within(rows, BEGIN, END), by)


@settings(careful, max_examples=50)
@given(st.lists(jobs(), max_size=30), st.sampled_from(BY))
def test_counts_shares_and_waits_are_those_of_the_rows(
    sqlite_store: Store, rows: list[dict[str, Any]], by: str
) -> None:
    compare(sqlite_store, rows, by)


def test_on_postgresql_they_are_the_same(new_database: Callable[[], str]) -> None:
    store = Store(new_database())

    @settings(careful, max_examples=12)
    @given(st.lists(jobs(), max_size=30), st.sampled_from(BY))
    def on_postgresql(rows: list[dict[str, Any]], by: str) -> None:
        compare(store, rows, by)

    on_postgresql()
    store.engine.dispose()


@settings(careful, max_examples=15)
@given(st.lists(jobs(), min_size=1, max_size=30), st.integers(1001, 1999))
def test_the_parts_of_a_period_add_up_to_it(sqlite_store: Store, rows: list[dict[str, Any]], cut: int) -> None:
    sqlite_store.fill(Ledger(as_of={"FRESNEL": END}, jobs=rows))
    whole, *parts = (
        sqlite_store.report(*period, settings=SETTINGS, by="user")
        for period in ((BEGIN, END), (BEGIN, float(cut)), (float(cut), END))
    )
    assert whole.jobs == sum(part.jobs for part in parts)
    added: Counter[str] = Counter()
    for part in parts:
        for group in part.breakdown.groups:
            added[group.name] += group.busy_seconds
    assert {group.name: group.busy_seconds for group in whole.breakdown.groups} == pytest.approx(added)
    totals = [sum(statement.total for statement in report.statements or ()) for report in (whole, *parts)]
    assert totals[0] == pytest.approx(sum(totals[1:]))


def test_only_the_devices_that_are_asked_for_count(sqlite_store: Store) -> None:
    rows = [a_job(qpu_id=name, ended_at=1500.0) for name in ("FRESNEL", "FRESNEL", "ORION")]
    sqlite_store.fill(
        Ledger(
            as_of={"FRESNEL": END, "ORION": END},
            jobs=rows,
            changes=[("FRESNEL", 500.0, "idle", ""), ("ORION", 500.0, "idle", "")],
        )
    )
    report = sqlite_store.report(BEGIN, END, devices=("ORION",), settings=SETTINGS)
    assert report.jobs == 1
    assert [device.qpu_id for device in report.devices] == ["ORION"]
    assert report.statements is None


def test_what_an_observer_does_not_know_is_not_told_as_nothing(sqlite_store: Store) -> None:
    rows = [a_job(source="peer", ended_at=1500.0, busy_seconds=None, shots_executed=None, shots_requested=None)]
    sqlite_store.fill(Ledger(as_of={"FRESNEL": END}, jobs=rows, changes=[("FRESNEL", 500.0, "idle", "")]))
    report = sqlite_store.report(BEGIN, END)
    assert report.devices[0].shots.rate is None
    assert report.sources == ["peer"]
    assert any("the busy time is not known" in note for note in report.notes)
    assert "peer" in report.sessions.note


def test_a_session_is_held_while_it_lies_in_the_period(sqlite_store: Store) -> None:
    sessions = [
        {"id": 1, "created_at": 500.0, "ended_at": 1400.0},
        {"id": 2, "created_at": 1900.0, "ended_at": None},
        {"id": 3, "created_at": 100.0, "ended_at": 900.0},
    ]
    rows = [a_job(session="1", ended_at=1300.0, busy_seconds=100.0), a_job(session="1", ended_at=999.0)]
    sqlite_store.fill(Ledger(as_of={"FRESNEL": END}, jobs=rows, sessions=sessions))
    found = sqlite_store.report(BEGIN, END).sessions
    assert (found.sessions, found.held_seconds, found.busy_seconds) == (2, 500.0, 100.0)
    assert found.ratio == pytest.approx(0.2)
    assert [(use.session, use.held_seconds, use.busy_seconds, use.jobs) for use in found.least_efficient] == [
        ("1", 400.0, 100.0, 1),
        ("2", 100.0, 0.0, 0),
    ]


def test_the_trend_is_against_the_time_before(sqlite_store: Store) -> None:
    rows = [a_job(ended_at=moment, busy_seconds=10.0) for moment in (500.0, 1100.0, 1200.0, 1300.0)]
    sqlite_store.fill(Ledger(as_of={"FRESNEL": END}, jobs=rows))
    trends = {trend.name: trend for trend in sqlite_store.report(BEGIN, END).trends}
    assert (trends["jobs"].now, trends["jobs"].before, trends["jobs"].change) == (3, 1, 2.0)
    assert trends["busy time of ended jobs"].now == 30.0


def test_quality_and_windows_are_those_of_the_period(sqlite_store: Store) -> None:
    quality = [
        {
            "qpu_id": "FRESNEL",
            "at": 900.0 + number,
            "source": "quality_job",
            "metric": "qpu.rabi_frequency.deviation",
            "labels": '{"channel": "global"}',
            "value": float(number),
        }
        for number in range(2000)
    ]
    windows = [
        {"kind": "maintenance", "opened_at": 500.0, "closed_at": 1100.0},
        {"kind": "drain", "opened_at": 1900.0, "closed_at": None},
        {"kind": "drain", "opened_at": 100.0, "closed_at": 200.0},
    ]
    sqlite_store.fill(
        Ledger(
            as_of={"FRESNEL": END},
            changes=[("FRESNEL", 500.0, "idle", "")],
            quality=quality,
            windows=[{"qpu_id": "FRESNEL", "opened_by": "root"} | window for window in windows],
        )
    )
    (device,) = sqlite_store.report(BEGIN, END).devices
    (series,) = device.quality
    assert (series.count, series.first, series.last) == (1000, 100.0, 1099.0)
    assert (series.least, series.greatest, series.mean) == (100.0, 1099.0, pytest.approx(599.5))
    assert len(series.points) < 500
    assert (series.labels, series.unit) == ({"channel": "global"}, "1")
    assert [(window.kind, window.begin, window.end) for window in device.windows] == [
        ("maintenance", 500.0, 1100.0),
        ("drain", 1900.0, None),
    ]


def test_a_store_of_another_version_is_refused(sqlite_store: Store) -> None:
    from sqlalchemy import text

    from qwatch.scheduler.errors import ConfigurationError

    with sqlite_store.engine.begin() as connection:
        known = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    try:
        with pytest.raises(ConfigurationError, match="has the schema 0001, and this qwatch reads"):
            sqlite_store.report(BEGIN, END)
    finally:
        with sqlite_store.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :known"), {"known": known})


def test_names_become_aliases_that_hold_within_a_report(sqlite_store: Store) -> None:
    from qwatch.reports.anonymous import anonymous
    from qwatch.reports.json_format import render_json

    rows = [
        a_job(user_name=name, account=f"of-{name}", ended_at=1500.0, session=f"secret-{name}")
        for name in ("ada", "ada", "bob")
    ]
    sqlite_store.fill(
        Ledger(
            as_of={"FRESNEL": END},
            jobs=rows,
            sessions=[{"created_at": 1000.0, "user_name": "ada", "account": "of-ada"}],
        )
    )
    report = sqlite_store.report(BEGIN, END, by="user", settings=SETTINGS)
    told = anonymous(report)
    assert [group.name for group in told.top_users.groups] == ["user-1", "user-2"]
    assert told.breakdown.groups == told.top_users.groups
    assert told.sessions.least_efficient[0].user == "user-1"
    text = render_json(replace(told, site=""))
    assert not any(name in text for name in ("ada", "bob"))
