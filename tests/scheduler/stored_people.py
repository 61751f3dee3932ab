"""A store in which people have left all that they can: sessions, jobs, logs, ledger rows, acts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, Table, insert, select

from qwatch.scheduler import jobs, schema, sessions
from qwatch.scheduler.jobs import JobEnd, JobState, NewJob
from qwatch.scheduler.sessions import NewSession
from qwatch.scheduler.store import Store
from qwatch.scheduler.tables import (
    audit_log,
    device_activity,
    device_windows,
    devices,
    job_log,
    ledger_corrections,
    ledger_quality,
    ledger_slurm_jobs,
    slices,
)
from qwatch.telemetry.instruments import Instruments

DAY = 86_400.0


def with_store(folder: Path, work: Callable[[Store, Instruments], Awaitable[Any]]) -> Any:
    """Run ``work`` with a store that has started."""

    async def main() -> Any:
        instruments = Instruments(CollectorRegistry())
        store = Store(f"sqlite:///{folder / 'qwatch.db'}", instruments)
        schema.upgrade(store.engine)
        store.start()
        try:
            return await work(store, instruments)
        finally:
            await store.stop()

    return asyncio.run(asyncio.wait_for(main(), 60))


def rows(connection: Connection, table: Table) -> list[Mapping[str, Any]]:
    return [row._asdict() for row in connection.execute(select(table).order_by(*table.primary_key))]


def a_job(
    connection: Connection,
    at: float,
    user: str = "ada",
    uid: int = 1000,
    account: str | None = None,
    slurm_job: str | None = "815",
    *,
    ended: bool = True,
    released: bool = True,
) -> int:
    """A session at ``at``, a job in it a second later that ends after ten, with a slice, results and a log."""
    token = sessions.new_token()
    sessions.create(connection, NewSession(uid, user, account or user, slurm_job, "EMU", uid, at), token)
    session = sessions.find(connection, token)
    assert session is not None
    program = json.dumps({"author": user})
    new = NewJob("test", "pasqal-local", program, 50, at + 1, at + 1, None, None)
    number = jobs.create(connection, [(session, new)])[0]
    connection.execute(insert(job_log).values(job_id=number, at=at + 2, line=f"{user} measured cost = 1"))
    if ended:
        jobs.start(connection, number, at + 2)
        connection.execute(
            insert(slices).values(
                job_id=number,
                qpu_id="EMU",
                shots=50,
                state="done",
                device_uid=str(number),
                claimed_at=at + 2,
            )
        )
        end = JobEnd(JobState.DONE, "none", f"for {user}", at + 11, 50, 7.5, json.dumps({"by": user}))
        jobs.finish(connection, number, end)
    if released:
        sessions.end(connection, session.id, at + 12, "released")
    return number


def a_device(connection: Connection) -> None:
    connection.execute(insert(devices).values(qpu_id="EMU"))


def around(connection: Connection, at: float, administrator: str = "grace", user: str = "ada") -> None:
    """What happens besides jobs: acts, a window, a correction, a quality sample, activities, Slurm."""
    account = user
    connection.execute(
        insert(audit_log).values(
            at=at,
            uid=2000,
            user_name=administrator,
            address="unix socket",
            action="job.cancel",
            target="EMU/job/1",
            reason=f"{user} asked, adamant",
            details=json.dumps({"user": user, "state": "RUNNING"}),
        )
    )
    connection.execute(
        insert(audit_log).values(
            at=at,
            uid=2000,
            user_name=administrator,
            address="unix socket",
            action="authorized_users.set",
            target="site",
            reason="",
            details=json.dumps({"authorized_users": [1000, 3000]}),
        )
    )
    connection.execute(
        insert(device_windows).values(
            qpu_id="EMU",
            kind="drain",
            note=f"call {user}.",
            opened_at=at,
            opened_by=administrator,
            closed_at=at + 5,
            closed_by=administrator,
        )
    )
    connection.execute(
        insert(ledger_corrections).values(
            at=at,
            applies_at=at,
            account=account,
            busy_seconds=-1,
            reason=f"{user}: lost",
            made_by=administrator,
        )
    )
    connection.execute(
        insert(ledger_quality).values(
            qpu_id="EMU", at=at, source="feed", metric="qpu.rabi_frequency", labels="{}", value=1.0
        )
    )
    connection.execute(insert(device_activity).values(qpu_id="EMU", activity="idle", since=at))
    connection.execute(
        insert(ledger_slurm_jobs).values(
            slurm_job_id="815" if at < 500 * DAY else f"{at:.0f}",
            partition="quantum",
            account=account,
            seen_at=at,
        )
    )
