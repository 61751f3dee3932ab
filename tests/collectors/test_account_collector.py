"""Busy time by account: of the listed accounts only, never more than the ledger, and no counter falls."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, insert, update

from qwatch.collectors.accounts import AccountCollector
from qwatch.scheduler import jobs as job_store
from qwatch.scheduler import schema
from qwatch.scheduler.account_usage import units
from qwatch.scheduler.jobs import JobEnd, JobState
from qwatch.scheduler.tables import jobs, ledger_jobs, sessions

Told = dict[tuple[str, str], float]


class Ledger:
    """A store, and daemons that start on it, whose clock is the test's."""

    def __init__(self, path: Path, empty: Path) -> None:
        shutil.copy(empty, path)
        self.engine: Engine = create_engine(f"sqlite:///{path}")
        self.now = 0.0
        self.collector: AccountCollector | None = None
        session = {"token_sha256": "0" * 64, "created_by": 0, "created_at": 1.0, "qpu_id": "EMU"}
        with self.engine.begin() as connection:
            who = {"uid": 1, "user_name": "u", "account": "a"}
            connection.execute(insert(sessions).values(session | who))

    def start(self, *accounts: str) -> None:
        self.collector = AccountCollector(accounts, ["EMU", "FRESNEL"], lambda: self.now)
        with self.engine.connect() as connection:
            self.collector.load(connection)

    def ended(self, account: str, busy: float, qpu_id: str = "EMU") -> None:
        job = {
            "session_id": 1,
            "uid": 1,
            "user_name": "u",
            "account": account,
            "qpu_id": qpu_id,
            "resource_type": "pasqal-local",
            "job_class": "production",
            "shots_requested": 1,
            "state": "RUNNING",
            "received_at": 1.0,
            "created_at": 1.0,
        }
        with self.engine.begin() as connection:
            inserted = connection.execute(insert(jobs).values(job)).inserted_primary_key
            assert inserted is not None
            number = int(inserted[0])
            job_store.finish(connection, number, JobEnd(JobState.DONE, "none", None, 2.0, busy_seconds=busy))
            found = job_store.find(connection, number)
        assert found is not None
        if self.collector is not None:
            self.collector.job_ended(found)

    def told(self) -> Told:
        assert self.collector is not None
        return {
            (sample.labels["qpu_id"], sample.labels["account"]): sample.value
            for sample in self.collector.collect()
        }


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without rows."""
    path: Path = tmp_path_factory.mktemp("empty") / "empty.db"
    engine = create_engine(f"sqlite:///{path}")
    schema.upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture
def ledger(tmp_path: Path, empty: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.db", empty)


def test_listed_accounts_by_name_and_all_others_together(ledger: Ledger) -> None:
    for account, busy in (("physics", 2.5), ("physics", 1.0), ("chemistry", 4.0), ("law", 8.0), ("art", 16.0)):
        ledger.ended(account, busy)
    ledger.ended("physics", 32.0, "FRESNEL")
    ledger.start("physics", "chemistry", "idle")
    assert ledger.told() == {
        ("EMU", "physics"): 3.5,
        ("EMU", "chemistry"): 4.0,
        ("EMU", "idle"): 0.0,
        ("EMU", "other"): 24.0,
        ("FRESNEL", "physics"): 32.0,
        ("FRESNEL", "chemistry"): 0.0,
        ("FRESNEL", "idle"): 0.0,
        ("FRESNEL", "other"): 0.0,
    }


def test_what_an_observer_read_of_another_scheduler_is_not_ours(ledger: Ledger) -> None:
    ledger.ended("physics", 5.0)
    with ledger.engine.begin() as connection:
        connection.execute(update(ledger_jobs).values(source="peer"))
    ledger.start("physics")
    assert ledger.told()["EMU", "physics"] == 0


def test_a_job_that_ended_is_told_no_faster_than_the_clock(ledger: Ledger) -> None:
    ledger.start("physics", "law")
    ledger.now = 1000.0
    ledger.ended("physics", 10.0)
    ledger.ended("law", 4.0)
    assert ledger.told()["EMU", "physics"] == 0
    seen = []
    for _ in range(4):
        ledger.now += 4.0
        found = ledger.told()
        seen.append((found["EMU", "physics"], found["EMU", "law"]))
    assert seen == [(4, 0), (8, 0), (10, 2), (10, 4)]
    ledger.now += 1000.0
    assert ledger.told()["EMU", "physics"] == 10


event = st.one_of(
    st.tuples(st.just("end"), st.sampled_from(["a", "b", "c"]), st.floats(0, 5000)),
    st.tuples(st.just("wait"), st.just(""), st.floats(0, 2000)),
    st.tuples(st.just("restart"), st.just(""), st.just(0.0)),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(event, max_size=25))
def test_over_restarts_too_no_counter_falls_or_exceeds_the_ledger(
    tmp_path_factory: pytest.TempPathFactory, empty: Path, events: list[tuple[str, str, float]]
) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "ledger.db", empty)
    ledger.start("a", "b")
    busy = {"a": 0, "b": 0, "other": 0}
    before = ledger.told()
    for kind, account, seconds in events:
        begun, restarted = ledger.now, kind == "restart"
        if kind == "end":
            ledger.ended(account, seconds)
            busy[account if account in busy else "other"] += units(seconds)
        elif restarted:
            ledger.start("a", "b")
        else:
            ledger.now += seconds
        after = ledger.told()
        assert all(after[key] >= value for key, value in before.items())
        assert all(after["EMU", name] <= units / 2**20 for name, units in busy.items())
        if restarted:
            assert {name: after["EMU", name] for name in busy} == {
                name: units / 2**20 for name, units in busy.items()
            }
        else:
            grown = sum(after.values()) - sum(before.values())
            assert grown <= ledger.now - begun + 1e-6
        before = after
    ledger.engine.dispose()
