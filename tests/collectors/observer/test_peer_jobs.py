"""A peer's job becomes a row of the ledger whatever the peer has written into it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, select

from qwatch.collectors.observer.peer_jobs import PeerJobs
from qwatch.collectors.observer.settings import ObservedDeviceSettings
from qwatch.scheduler import ledger
from qwatch.scheduler.accounts import Accounts
from qwatch.scheduler.tables import ledger_jobs, metadata

ROWS = PeerJobs(
    ObservedDeviceSettings.model_validate({"name": "A", "qpu_api": {"url": "http://q"}}), Accounts(None)
)


def row(**more: Any) -> Any:
    given: dict[str, Any] = {
        "job": "1",
        "session": "s",
        "user": "1000",
        "slurm_job": "77",
        "status": "DONE",
        "shots": 100,
        "created_at": 10.0,
        "started_at": 20.0,
        "ended_at": 30.0,
    }
    return ROWS.row(**given | more)


text = st.text(max_size=300)
moments = st.floats(0, 2e9)


@given(
    job=text,
    session=text,
    user=st.one_of(text, st.integers(0).map(str)),
    slurm_job=st.one_of(st.none(), text),
    status=st.sampled_from(["DONE", "CANCELED", "ERROR"]),
    shots=st.one_of(st.none(), st.integers(), text),
    created_at=moments,
    started_at=st.one_of(st.none(), moments),
    ended_at=moments,
)
def test_every_row_fits_the_columns_and_goes_forward(**values: Any) -> None:
    found = row(**values)
    for column in (found.job, found.session, found.user_name, found.account, found.slurm_job_id or ""):
        assert len(column) <= 255
        assert "\0" not in column
    assert found.uid is None or 0 <= found.uid < 2**31
    assert found.shots_requested is None or 0 <= found.shots_requested < 2**31
    assert found.created_at <= (found.ended_at if found.started_at is None else found.started_at)
    assert found.busy_seconds is None or found.busy_seconds >= 0


def test_a_row_is_taken_by_postgresql_too(new_database: Callable[[], str]) -> None:
    engine = create_engine(new_database())
    metadata.create_all(engine, [ledger_jobs])
    odd = [
        row(job="x" * 400, user="9" * 40, shots=2**40),
        row(job="2", user="4294967295", slurm_job="a\0b", status="CANCELED", started_at=None),
    ]
    with engine.begin() as connection:
        assert ledger.append_jobs(connection, odd) == 2
        assert ledger.append_jobs(connection, odd) == 0
        found = connection.execute(select(ledger_jobs.c.slurm_job_id).order_by(ledger_jobs.c.job)).scalars()
        assert list(found) == ["ab", "77"]
    engine.dispose()


@pytest.mark.parametrize(("status", "reason"), [("DONE", "none"), ("CANCELED", "other"), ("ERROR", "other")])
def test_why_a_job_did_not_end_well_is_not_claimed(status: str, reason: str) -> None:
    assert row(status=status).reason == reason
