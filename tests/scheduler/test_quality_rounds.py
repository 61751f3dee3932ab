"""Quality jobs run through the queue in idle time, give way to users, and tell the ledger what they found."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select

from qwatch.scheduler.errors import NotFoundError
from qwatch.scheduler.jobs import JobState
from qwatch.scheduler.ledger import QualitySample
from qwatch.scheduler.quality import probe, service
from qwatch.scheduler.quality.computing import Computing
from qwatch.scheduler.quality.own_session import own_session, sweep
from qwatch.scheduler.quality.probe import ProbeFailedError
from qwatch.scheduler.quality.rounds import QualityRounds
from qwatch.scheduler.scheduler import Scheduler
from qwatch.scheduler.settings import ApiSettings, DeviceSettings, SchedulerSettings, StoreSettings
from qwatch.scheduler.tables import jobs, ledger_jobs, ledger_quality, sessions
from qwatch.telemetry import quality_metrics
from qwatch.telemetry.instruments import Instruments

UID = os.getuid()
Test = Callable[[Scheduler, QualityRounds], Awaitable[None]]


def with_scheduler(folder: Path, url: str, test: Test, **quality_jobs: Any) -> None:
    """Run ``test`` with a scheduler on a device at ``url`` that is online."""

    async def main() -> None:
        settings = {"shots": 60, "interval": 1000, "jobs": ["readout", "rabi"]} | quality_jobs
        device = DeviceSettings.model_validate(
            {
                "name": "EMU",
                "url": url,
                "simulator": True,
                "status_interval": 0.1,
                "quality": {"jobs": {"enabled": True, **settings}},
            }
        )
        scheduler = Scheduler(
            ApiSettings(),
            StoreSettings(url=f"sqlite:///{folder / 'qwatch.db'}"),
            [device],
            SchedulerSettings(trace_grace=0),
            Instruments(CollectorRegistry()),
        )
        await scheduler.start()
        while not scheduler.default_device.takes_work:
            await asyncio.sleep(0.01)
        rounds = QualityRounds(scheduler, scheduler.default_device, Computing())
        try:
            await test(scheduler, rounds)
        finally:
            await scheduler.stop()

    asyncio.run(asyncio.wait_for(main(), 150))


def runs(scheduler: Scheduler, result: str) -> float:
    return scheduler.instruments.value(quality_metrics.PROBE_RUNS, qpu_id="EMU", result=result)


def deviation(samples: list[QualitySample]) -> QualitySample:
    [found] = [item for item in samples if item.metric is quality_metrics.RABI_DEVIATION]
    return found


@pytest.fixture(autouse=True)
def no_quiet_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait no longer than needed between quality jobs."""
    monkeypatch.setattr(probe, "_QUIET_SECONDS", 0.0)


def test_no_deviation_is_reported_before_a_drift_and_its_true_one_after(
    tmp_path: Path, run_emulator: Any
) -> None:
    """The emulated laser drifts by 3 % an hour for at most about an hour, of which each is a second here."""
    with run_emulator(shot_rate=10_000) as emulator:

        def drifted() -> float:
            emulator.set_faults(rabi_drift_per_hour=-0.03, time_factor=3600.0)
            while (scale := true_scale()) > 0.98:
                time.sleep(0.01)
            emulator.set_faults()
            return min(scale, true_scale())

        def true_scale() -> float:
            return float(httpx.get(f"{emulator.url}/emulator").json()["drift"]["amplitude_scale"])

        async def test(scheduler: Scheduler, rounds: QualityRounds) -> None:
            before = deviation(await rounds.round())
            assert before.uncertainty is not None
            assert abs(before.value) < 4 * before.uncertainty
            scale = await asyncio.to_thread(drifted)
            after = deviation(await rounds.round())
            assert after.uncertainty is not None
            assert after.value < -4 * after.uncertainty
            assert abs(after.value - (scale - 1)) < 4 * after.uncertainty
            assert (runs(scheduler, "success"), await count(scheduler)) == (18, 2)
            assert rounds.last_success_at is not None
            await in_the_ledger(scheduler)

        with_scheduler(tmp_path, emulator.url, test)


async def count(scheduler: Scheduler) -> int:
    """Return how many rounds are in the ledger."""
    name = quality_metrics.RABI_DEVIATION.name
    return await scheduler.store.read(
        lambda c: len(c.execute(select(ledger_quality).where(ledger_quality.c.metric == name)).all())
    )


async def in_the_ledger(scheduler: Scheduler) -> None:
    """Quality jobs are booked on qwatch, as class qa, and their sessions are released."""
    rows = await scheduler.store.read(lambda c: c.execute(select(ledger_jobs)).all())
    assert {(row.user_name, row.account, row.job_class, row.state) for row in rows} == {
        ("qwatch", "qwatch", "qa", "DONE")
    }
    outcomes = await scheduler.store.read(lambda c: c.execute(select(sessions.c.outcome)).scalars().all())
    assert set(outcomes) == {"released"}


def test_a_quality_job_gives_way_to_a_user_and_comes_again(
    tmp_path: Path, run_device: Any, sequence_text: str
) -> None:
    """The device needs 6 s for a quality job, 0.2 s for the user's."""
    with run_device(shot_rate=10.0) as device:

        async def test(scheduler: Scheduler, rounds: QualityRounds) -> None:
            emu = scheduler.default_device
            # The device has taught how long shots take.
            emu.durations.seconds_per_shot = 0.1
            token = await scheduler.create_session(emu, UID, None, UID)
            task = asyncio.create_task(rounds.round())
            while device.shots() != [60]:
                await asyncio.sleep(0.01)
            job = await scheduler.submit(emu, token, UID, sequence_text, 2)
            while not (found := (await scheduler.job(job.id, UID))[0]).state.final:
                await asyncio.sleep(0.01)
            assert found.state is JobState.DONE
            assert device.executions[0]["status"] == "CANCELED"
            while device.shots() != [60, 2, 60]:
                await asyncio.sleep(0.01)
            assert runs(scheduler, "preempted") == 1
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        with_scheduler(tmp_path, device.url, test)


def test_no_quality_job_is_sent_while_others_use_the_device(
    tmp_path: Path, run_device: Any, sequence_text: str
) -> None:
    with run_device(shot_rate=20.0) as device:

        async def test(scheduler: Scheduler, rounds: QualityRounds) -> None:
            emu = scheduler.default_device
            token = await scheduler.create_session(emu, UID, None, UID)
            await rounds._plan()
            for shots in (41, 42):
                await scheduler.submit(emu, token, UID, sequence_text, shots)
            task = asyncio.create_task(rounds.round())
            while device.shots() != [41, 42, 60]:
                assert not task.done()
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        with_scheduler(tmp_path, device.url, test)


def test_a_job_that_fails_ends_the_round_with_one_line(tmp_path: Path, run_device: Any) -> None:
    with run_device(shot_rate=10_000.0) as device:
        device.error = "the laser is off"

        async def test(scheduler: Scheduler, rounds: QualityRounds) -> None:
            with pytest.raises(ProbeFailedError, match=r"^readout 0π: job 1 is ERROR: the laser is off$"):
                await rounds.round()
            assert runs(scheduler, "failure") == 1
            assert await count(scheduler) == 0

        with_scheduler(tmp_path, device.url, test)


def test_a_daemon_without_the_libraries_says_what_to_install(
    tmp_path: Path, run_device: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(service, "_NEEDED", ("scipy", "a_library_that_is_not_there"))
    with run_device() as device:

        async def test(scheduler: Scheduler, _: QualityRounds) -> None:
            assert service.QualityService(scheduler).rounds == {}

        with_scheduler(tmp_path, device.url, test)
    assert "quality jobs need a_library_that_is_not_there: pip install 'qwatch[quality]'" in caplog.text


def test_what_a_crash_left_behind_is_swept_away(tmp_path: Path, run_device: Any, sequence_text: str) -> None:
    with run_device(shot_rate=1.0) as device:

        async def crash(scheduler: Scheduler, _: QualityRounds) -> None:
            emu = scheduler.default_device
            users = await scheduler.create_session(emu, UID, None, UID)
            left = own_session(scheduler, emu)
            token = await left.__aenter__()
            await scheduler.submit(emu, token, UID, sequence_text, 500, job_class="qa")
            while device.shots() != [500]:
                await asyncio.sleep(0.01)
            await scheduler.submit(emu, users, UID, sequence_text, 3)
            scheduler.lifecycle.end = never  # type: ignore[method-assign]

        async def never(*_: Any, **__: Any) -> Any:
            raise NotFoundError("the daemon was killed")

        async def again(scheduler: Scheduler, _: QualityRounds) -> None:
            await sweep(scheduler, scheduler.default_device)
            while device.shots() != [500, 3]:
                await asyncio.sleep(0.01)
            rows = await scheduler.store.read(
                lambda c: c.execute(select(sessions.c.user_name, sessions.c.outcome)).all()
            )
            states = await scheduler.store.read(lambda c: c.execute(select(jobs.c.state)).scalars().all())
            assert [row.outcome for row in rows] == [None, "expired"]
            assert states == ["CANCELED", "RUNNING"]

        with_scheduler(tmp_path, device.url, crash)
        with_scheduler(tmp_path, device.url, again)
