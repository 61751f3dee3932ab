"""Calm data has no anomaly; what is planted in it is found, with the numbers behind it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from qwatch.reports.model import Anomaly
from qwatch.reports.robust_scale import usual

from .synthetic_ledger import Ledger, Store, a_job

WEEK = 7 * 86_400.0
BEGIN = datetime(2026, 10, 5, tzinfo=ZoneInfo("UTC")).timestamp()
END = BEGIN + WEEK


def a_calm_past(seed: int, weeks: int = 9) -> list[dict[str, Any]]:
    """Jobs that come at random, wait exponentially long and run about as long as ever, in the period too."""
    chance = random.Random(seed)
    found = []
    moment = BEGIN - weeks * WEEK
    while (moment := moment + chance.expovariate(1 / 3000.0)) < END:
        wait, busy = chance.expovariate(1 / 600.0), chance.uniform(80.0, 120.0)
        error = chance.random() < 0.05
        found.append(
            a_job(
                user_name=chance.choice(("ada", "bob", "eve")),
                account=chance.choice(("chem", "bio")),
                ended_at=moment,
                started_at=moment - busy,
                created_at=moment - busy - wait,
                busy_seconds=busy,
                shots_requested=100,
                shots_executed=0 if error else 100,
                state="ERROR" if error else "DONE",
                reason="device_error" if error else "none",
            )
        )
    return found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    found = Store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'qwatch.db'}")
    yield found
    found.engine.dispose()


def anomalies(store: Store, jobs: list[dict[str, Any]]) -> list[Anomaly]:
    store.fill(Ledger(as_of={"FRESNEL": END}, jobs=jobs, changes=[("FRESNEL", BEGIN - 9 * WEEK, "idle", "")]))
    return list(store.report(BEGIN, END).anomalies)


@pytest.mark.parametrize("seed", range(6))
def test_calm_data_has_none(store: Store, seed: int) -> None:
    assert anomalies(store, a_calm_past(seed)) == []


def planted(kind: str) -> list[dict[str, Any]]:
    noon = BEGIN + 2 * 86_400.0 + 12 * 3600
    if kind == "job ran":
        return [a_job(ended_at=noon, started_at=noon - 9000, busy_seconds=9000.0, shots_executed=100)]
    if kind == "job waited":
        return [a_job(ended_at=noon, started_at=noon - 20, created_at=noon - 86_400, shots_executed=20)]
    if kind == "user":
        return [
            a_job(ended_at=noon + day * 600.0, busy_seconds=100.0, user_name="mal", account="mine")
            | {"shots_executed": 100}
            for day in range(600)
        ]
    state = {"state": "ERROR", "reason": "device_error"} if kind == "failures" else {}
    return [a_job(ended_at=noon + number * 30.0, busy_seconds=10.0) | state for number in range(100)]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("job ran", ("job", "run time per shot", 90.0)),
        ("job waited", ("job", "wait", 86_380.0)),
        ("user", ("user", "busy time", 60_000.0)),
        ("user", ("account", "busy time", 60_000.0)),
        ("burst", ("hour", "jobs", None)),
        ("failures", ("hour", "failed jobs", None)),
    ],
)
def test_what_is_planted_is_found(store: Store, kind: str, expected: tuple[str, str, float | None]) -> None:
    found = anomalies(store, [*a_calm_past(1), *planted(kind)])
    of_kind = [one for one in found if (one.kind, one.measure) == expected[:2]]
    assert of_kind, found
    best = of_kind[0]
    assert best.score > 6
    assert best.score == pytest.approx((best.value - best.usual) / best.spread)
    assert best.sample >= 4
    if expected[2] is not None:
        assert best.value == pytest.approx(expected[2])
    assert f"{best.sample}" in best.text


def test_a_short_past_tells_nothing(store: Store) -> None:
    recent = [job for job in a_calm_past(1) if job["ended_at"] > BEGIN - 86_400]
    kinds = {
        one.kind for kind in ("job ran", "user", "burst") for one in anomalies(store, [*recent, *planted(kind)])
    }
    assert kinds == set()


def test_what_never_varied_makes_no_anomaly_of_a_trifle() -> None:
    past = usual([10.0] * 20, relative=0.25, least=1.0)
    assert past is not None
    assert (past.median, past.spread) == (10.0, 2.5)
    assert past.score(11.0) < 1


def test_outliers_of_the_past_do_not_move_what_is_usual() -> None:
    past = usual([9.0, 10.0, 11.0] * 10 + [1e6], relative=0.01, least=0.01)
    assert past is not None
    assert past.median == 10.0
    assert past.spread == pytest.approx(1.4826)
