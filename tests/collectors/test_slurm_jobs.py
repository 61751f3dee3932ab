"""Partition, cluster and account of the Slurm jobs of sessions, from a real Slurm; each is asked for once."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, select

from qwatch.collectors.settings import SlurmSettings
from qwatch.collectors.slurm_jobs import Newer, SlurmJobs, of_ledger, of_sessions
from qwatch.scheduler import ledger, schema
from qwatch.scheduler.ledger import LedgerJob
from qwatch.scheduler.sessions import NewSession, create, new_token
from qwatch.scheduler.store import Store
from qwatch.scheduler.tables import ledger_slurm_jobs
from qwatch.telemetry.instruments import Instruments


def session(connection: Connection, slurm_job: str | None) -> None:
    create(connection, NewSession(1000, "ada", "chem", slurm_job, "EMU", 0, time.time()), new_token())


def asking(
    folder: Path, work: Callable[[Store], Awaitable[Any]], newer: Newer = of_sessions, **settings: Any
) -> Any:
    """Run ``work`` while Slurm is asked for the jobs of a store."""

    async def main() -> Any:
        store = Store(f"sqlite:///{folder / 'qwatch.db'}", Instruments(CollectorRegistry()))
        schema.upgrade(store.engine)
        store.start()
        asked = SlurmJobs(SlurmSettings(enabled=True, interval=1, **settings), store, newer)
        asked.start()
        try:
            return await work(store)
        finally:
            await asyncio.to_thread(asked.stop)
            await store.stop()

    return asyncio.run(asyncio.wait_for(main(), 90))


async def told(store: Store, *numbers: str) -> dict[str, tuple[str | None, str, str | None]]:
    """Wait until the ledger has these Slurm jobs, and return all that it has."""
    while True:
        rows = await store.read(lambda connection: connection.execute(select(ledger_slurm_jobs)).all())
        found = {row.slurm_job_id: (row.cluster, row.partition, row.account) for row in rows}
        if set(numbers) <= found.keys():
            return found
        await asyncio.sleep(0.1)


def test_a_real_slurm_tells_running_waiting_and_ended_jobs(
    slurm: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SLURM_CONF", str(slurm.configuration))
    monkeypatch.setenv("SQUEUE_STATES", "RUNNING")
    runs = slurm.submit("--partition=quantum", "--account=chemistry")
    waits = slurm.submit("--partition=debug,quantum", "--hold")
    ended = slurm.submit("--partition=debug")
    slurm.run("scancel", ended)

    async def work(store: Store) -> None:
        for number in (runs, waits, "99999", ended, None, "7; reboot"):
            await store.write(lambda connection, number=number: session(connection, number))
        found = await told(store, runs, waits, ended)
        assert found == {
            runs: ("qwatch", "quantum", "chemistry"),
            waits: ("qwatch", "debug", None),
            ended: ("qwatch", "debug", None),
        }

    try:
        asking(tmp_path, work)
    finally:
        slurm.run("scancel", f"--user={os.getuid()}")


def test_a_job_is_asked_for_once_and_one_that_slurm_forgot_a_few_times(
    write_command: Any, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    squeue = write_command("squeue", f'echo "$@" >> {calls}\nprintf "815\\tquantum\\t(null)\\tN/A\\t\\n"\n')
    write_command("scontrol", "echo 'ClusterName             = meluxina'")

    async def work(store: Store) -> None:
        def two(connection: Connection) -> None:
            session(connection, "815")
            session(connection, "814")
            session(connection, "815")

        await store.write(two)
        assert await told(store, "815") == {"815": ("meluxina", "quantum", None)}
        while calls.read_text().count("--jobs=814 ") < 2:
            await asyncio.sleep(0.1)
        await store.write(lambda connection: session(connection, "815"))
        await asyncio.sleep(2.5)
        asked = calls.read_text()
        assert (asked.count("815"), asked.count("814")) == (1, 3)
        # A number that Slurm uses again months later is another job.
        await store.write(
            lambda connection: (
                connection.execute(ledger_slurm_jobs.update().values(seen_at=1.0, partition="old")) and None
            )
        )
        await store.write(lambda connection: session(connection, "815"))
        while (await told(store))["815"][1] != "quantum":
            await asyncio.sleep(0.1)

    asking(tmp_path, work, commands=squeue.parent)


def test_an_observer_asks_for_what_the_other_scheduler_told_and_an_own_job_has_the_cluster(
    write_command: Any, tmp_path: Path
) -> None:
    squeue = write_command("squeue", 'printf "815\\tquantum\\tphysics\\tremote\\t\\n"')
    write_command("scontrol", "echo 'ClusterName = here'")
    job = LedgerJob(
        source="warden",
        job="17",
        session="s-1",
        qpu_id="FRESNEL",
        resource_type="pasqal-local",
        job_class="production",
        user_name="ada",
        account="chem",
        created_at=100.0,
        ended_at=130.0,
        state="DONE",
        reason="none",
        slurm_job_id="815",
    )

    async def work(store: Store) -> None:
        await store.write(lambda connection: ledger.append_jobs(connection, [job]))
        assert await told(store, "815") == {"815": ("remote", "quantum", "physics")}

    asking(tmp_path, work, of_ledger, commands=squeue.parent)


def test_switched_off_slurm_is_not_asked(write_command: Any, tmp_path: Path) -> None:
    folder = write_command("squeue", f"touch {tmp_path}/asked").parent
    store = Store(f"sqlite:///{tmp_path / 'qwatch.db'}", Instruments(CollectorRegistry()))
    off = SlurmJobs(SlurmSettings(enabled=False, commands=folder), store, of_sessions)
    off.start()
    off.stop()
    assert not (tmp_path / "asked").exists()
