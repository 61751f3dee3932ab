"""A statement is its lines and its corrections, to the cent, however a period is cut."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, insert

from qwatch.reports import model
from qwatch.reports.cost import cost_of, printed, rate_of, statements
from qwatch.reports.settings import RateSettings
from qwatch.scheduler.tables import ledger_corrections, ledger_jobs, metadata

RATES = RateSettings(
    per_busy_hour=100.1, by_class={"test": 12.35, "qa": 0.0}, by_account={"chem": 7.77, "gift": 0}
)
ACCOUNTS = ("bio", "chem", "gift")
CLASSES = ("production", "test", "qa")

moments = st.integers(0, 1000).map(float)
jobs = st.tuples(
    st.sampled_from(ACCOUNTS), st.sampled_from(CLASSES), moments, st.none() | st.floats(0, 50_000, width=32)
)
corrections = st.tuples(
    st.sampled_from(ACCOUNTS),
    moments,
    st.integers(-9_000, 9_000).map(float),
    st.integers(-100_000, 100_000).map(lambda cents: cents / 100),
)


@contextmanager
def ledger(
    ended: list[tuple[str, str, float, float | None]], corrected: list[tuple[str, float, float, float]]
) -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        for number, (account, job_class, ended_at, busy) in enumerate(ended):
            connection.execute(
                insert(ledger_jobs).values(
                    source="qwatch",
                    job=str(number),
                    session="1",
                    user_name="ada",
                    account=account,
                    qpu_id="EMU",
                    resource_type="pasqal-local",
                    job_class=job_class,
                    created_at=ended_at,
                    ended_at=ended_at,
                    busy_seconds=busy,
                    state="DONE",
                    reason="none",
                )
            )
        for account, applies_at, busy, cost in corrected:
            connection.execute(
                insert(ledger_corrections).values(
                    at=2000.0,
                    applies_at=applies_at,
                    account=account,
                    busy_seconds=busy,
                    cost=cost,
                    reason="r",
                    made_by="root",
                )
            )
        yield connection
    engine.dispose()


def period(begin: float, end: float) -> model.Period:
    return model.Period(begin=begin, end=end, timezone="UTC", label="")


def told(
    connection: Connection, begin: float, end: float, rates: RateSettings = RATES
) -> dict[str, model.Statement]:
    found = statements(connection, period(begin, end), rates)
    assert found is not None
    return {item.account: item for item in found}


@given(st.lists(jobs, max_size=30), st.lists(corrections, max_size=10), st.lists(moments, max_size=4))
def test_a_statement_is_its_lines_and_corrections_and_the_parts_of_a_period_make_the_whole(
    ended: list[tuple[str, str, float, float | None]],
    corrected: list[tuple[str, float, float, float]],
    cuts: list[float],
) -> None:
    with ledger(ended, corrected) as connection:
        whole = told(connection, 0, 1001)
        edges = [0.0, *sorted(cuts), 1001.0]
        parts = [told(connection, *pair) for pair in pairwise(edges)]
    for account, statement in whole.items():
        added = sum(line.cost for line in statement.lines) + sum(item.cost for item in statement.corrections)
        assert statement.total == pytest.approx(added, abs=1e-9)
        mine = [part[account] for part in parts if account in part]
        assert sum(part.busy_seconds for part in mine) == statement.busy_seconds, "exactly"
        assert sum(part.total for part in mine) == pytest.approx(statement.total, rel=1e-12, abs=1e-9)
        # By another way: job by job, in fractions.
        expected = sum(
            Fraction(int((busy or 0) * 2**20), 2**20) * Fraction(str(rate_of(RATES, account, job_class))) / 3600
            for name, job_class, _, busy in ended
            if name == account
        )
        assert sum(Fraction(line.cost) for line in statement.lines) == pytest.approx(expected, abs=1e-9)
    assert {name for part in parts for name in part} == set(whole)


def test_the_account_s_rate_goes_before_the_class_s_and_that_before_the_default() -> None:
    assert rate_of(RATES, "chem", "test") == 7.77
    assert rate_of(RATES, "gift", "production") == 0
    assert rate_of(RATES, "bio", "test") == 12.35
    assert rate_of(RATES, "bio", "production") == rate_of(RATES, "bio", None) == 100.1
    assert rate_of(RateSettings(by_class={"test": 1}), "bio", "production") is None


def test_without_any_rate_there_are_no_statements_and_time_without_a_rate_is_on_none() -> None:
    with ledger([("bio", "test", 5.0, 10.0), ("bio", "production", 5.0, 10.0)], []) as connection:
        assert statements(connection, period(0, 10), RateSettings()) is None
        found = told(connection, 0, 10, RateSettings(by_class={"test": 3600}))["bio"]
        assert [(line.job_class, line.cost) for line in found.lines] == [("test", 10.0)]
        assert (found.busy_seconds, found.total) == (10.0, 10.0)


def test_a_correction_applies_in_its_period_and_busy_time_costs_what_it_was_charged() -> None:
    ended = [("bio", "test", 5.0, 7200.0)]
    corrected = [("bio", 20.0, -3600.0, 0.0), ("bio", 20.0, -3600.0, -1.25), ("chem", 5.0, 0.0, 9.0)]
    with ledger(ended, corrected) as connection:
        before, after = told(connection, 0, 20), told(connection, 20, 30)
        connection.execute(
            ledger_corrections.update().where(ledger_corrections.c.id == 1).values(job="0", qpu_id="EMU")
        )
        of_a_job = told(connection, 20, 30)
    assert (before["bio"].total, before["chem"].total) == (pytest.approx(24.70), 9.0)
    assert [item.cost for item in after["bio"].corrections] == [-100.1, -1.25]
    assert after["bio"].busy_seconds == -7200.0
    assert [item.cost for item in of_a_job["bio"].corrections] == [-12.35, -1.25]


def test_thousands_of_small_jobs_cost_as_much_as_one_of_their_length() -> None:
    with ledger([("bio", "production", float(i % 100), 0.125) for i in range(8000)], []) as connection:
        (line,) = told(connection, 0, 100)["bio"].lines
    assert (line.busy_seconds, line.cost) == (1000.0, cost_of(1000.0, 100.1))


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0.125, "0.12"),
        (0.135, "0.14"),
        (-0.001, "0.00"),
        (2.675, "2.68"),
        (-3.5, "-3.50"),
        (1e9, "1000000000.00"),
    ],
)
def test_amounts_are_rounded_only_when_they_are_printed(amount: float, text: str) -> None:
    assert printed(amount) == text
