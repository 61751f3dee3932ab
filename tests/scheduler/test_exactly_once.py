"""Crashes at random points of the dispatcher: every job ends once, none runs twice without being marked.

The device is in memory, behind the real adapter of the QPU's HTTP API, and remembers what it executed. A crash
abandons the scheduler between two steps, often in the middle of a request to the device; the next life starts
on the same database.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import create_engine, select

from qwatch.scheduler.devices.qpu_http import QpuHttpAdapter
from qwatch.scheduler.errors import AlreadyFinishedError
from qwatch.scheduler.jobs import Job, JobState
from qwatch.scheduler.scheduler import Scheduler
from qwatch.scheduler.settings import ApiSettings, DeviceSettings, SchedulerSettings, StoreSettings
from qwatch.scheduler.tables import ledger_jobs
from qwatch.telemetry.instruments import Instruments

UID = os.getuid()
ROUNDS = int(os.environ.get("QWATCH_TEST_ROUNDS", "6"))


@dataclass
class World:
    """The device, and when the scheduler is to crash; outlives the scheduler's lives."""

    chance: random.Random
    specs: dict[str, Any]
    steps_to_crash: float = float("inf")
    restarts: bool = False
    late_posts: int = 0
    """So many POSTs time out at the client and take effect only afterwards."""
    jobs: dict[int, dict[str, Any]] = field(default_factory=dict)
    executions: list[dict[str, Any]] = field(default_factory=list)
    crashed: asyncio.Event = field(default_factory=asyncio.Event)
    next_uid: int = 1

    async def step(self) -> None:
        """A point at which the scheduler may crash: then nothing of it goes on."""
        self.steps_to_crash -= 1
        if self.steps_to_crash <= 0:
            self.crashed.set()
            await asyncio.Event().wait()

    def settle(self) -> None:
        for job in self.jobs.values():
            if job["status"] == "RUNNING" and time.monotonic() >= job["ends"]:
                job["status"] = job["execution"]["status"] = "DONE"
                job["result"] = json.dumps({"counter": {"0": job["nb_run"]}})

    def cancel_running(self) -> None:
        self.settle()
        for job in self.jobs.values():
            if job["status"] == "RUNNING":
                job["status"] = job["execution"]["status"] = "CANCELED"

    def restart(self) -> None:
        """The QPU's server restarts: it forgets, and counts anew."""
        self.cancel_running()
        self.jobs.clear()
        self.next_uid = 1

    async def handle(self, request: httpx.Request) -> httpx.Response:
        await self.step()  # before the effect
        if request.method == "POST" and self.late_posts:
            self.late_posts -= 1
            asyncio.get_running_loop().call_later(0.05, self.post, json.loads(request.content))
            raise httpx.ReadTimeout("", request=request)
        reply = self.answer(request.method, request.url.path, request.content)
        await self.step()  # after it: the reply is lost
        return reply

    def answer(self, method: str, path: str, content: bytes) -> httpx.Response:
        parts = path.removeprefix("/api/v1/").split("/")
        match method, parts:
            case "GET", ["system", "operational"]:
                return self.reply({"operational_status": "UP"})
            case "GET", ["system"]:
                return self.reply({"specs": self.specs})
            case "POST", ["jobs"]:
                return self.post(json.loads(content))
        self.settle()
        job = self.jobs.get(int(parts[1]))
        if job is None:
            return httpx.Response(400, json={"code": 400, "message": "unknown", "data": None})
        if method == "PUT":
            if job["status"] != "RUNNING":
                return httpx.Response(400, json={"code": 3003, "message": "3003", "data": None})
            self.cancel_running()
        return self.reply(job)

    def post(self, order: dict[str, Any]) -> httpx.Response:
        self.cancel_running()
        execution = {"shots": order["nb_run"], "status": "RUNNING"}
        self.executions.append(execution)
        job = self.jobs[self.next_uid] = {
            "uid": self.next_uid,
            "status": "RUNNING",
            "nb_run": order["nb_run"],
            "context": order["context"],
            "result": None,
            "ends": time.monotonic() + self.chance.uniform(0.0, 0.008),
            "execution": execution,
        }
        self.next_uid += 1
        return self.reply(job)

    @staticmethod
    def reply(data: dict[str, Any]) -> httpx.Response:
        shown = {key: value for key, value in data.items() if key not in ("ends", "execution")}
        return httpx.Response(200, json={"code": 200, "message": "OK.", "status": "success", "data": shown})


def new_scheduler(folder: Path, world: World) -> Scheduler:
    device = DeviceSettings(name="EMU", url="http://qpu", status_interval=0.05, max_poll_interval=0.02)
    return Scheduler(
        ApiSettings(),
        StoreSettings(url=f"sqlite:///{folder / 'qwatch.db'}"),
        [device],
        SchedulerSettings(trace_grace=0),
        Instruments(CollectorRegistry()),
        lambda settings: QpuHttpAdapter(settings, httpx.MockTransport(world.handle)),
    )


async def abandon(scheduler: Scheduler) -> None:
    """Stop as a crash does: no task does another step."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await scheduler.store.stop()


async def until_idle(scheduler: Scheduler) -> None:
    """Return when every job has ended."""
    while any(not job.state.final for job in await all_jobs(scheduler)):
        await asyncio.sleep(0.005)


async def all_jobs(scheduler: Scheduler) -> list[Job]:
    return await scheduler.jobs_of(UID, None, 1000, None)


class Campaign:
    """Lives of a scheduler until every job of it has ended."""

    def __init__(self, folder: Path, world: World, sequence: str) -> None:
        self.folder = folder
        self.world = world
        self.sequence = sequence
        self.acknowledged: dict[int, int] = {}
        self.canceled: set[int] = set()
        self.shots = 0
        self.lives = 0

    def run(self, jobs: int, crashes: int) -> list[Job]:
        for life in range(crashes + 1):
            last = life == crashes
            steps = float("inf") if last else self.world.chance.randint(1, 60)
            self.world.steps_to_crash, self.world.crashed = steps, asyncio.Event()
            if self.world.restarts and life and self.world.chance.random() < 0.4:
                self.world.restart()
            found = asyncio.run(self.live(jobs // crashes))
            self.lives += 1
        return found

    async def live(self, jobs: int) -> list[Job]:
        scheduler = new_scheduler(self.folder, self.world)
        await scheduler.start()
        work = asyncio.create_task(self.work(scheduler, jobs))
        crash = asyncio.create_task(self.world.crashed.wait())
        done, _ = await asyncio.wait([work, crash], timeout=60, return_when=asyncio.FIRST_COMPLETED)
        assert done, [job for job in await all_jobs(scheduler) if not job.state.final]
        if not self.world.crashed.is_set():
            found = work.result()
            if self.world.steps_to_crash == float("inf"):
                crash.cancel()
                await scheduler.stop()
                return found
        await abandon(scheduler)
        return []

    def ledger(self) -> list[tuple[str, str, int, bool]]:
        """Return what the ledger says of the jobs that ended."""
        columns = ledger_jobs.c
        query = select(columns.job, columns.state, columns.shots_executed, columns.possible_double)
        engine = create_engine(f"sqlite:///{self.folder / 'qwatch.db'}")
        with engine.connect() as connection:
            return [
                (row.job, row.state, row.shots_executed, row.possible_double)
                for row in connection.execute(query)
            ]

    async def work(self, scheduler: Scheduler, jobs: int) -> list[Job]:
        device = scheduler.device(None)
        token = await scheduler.create_session(device, UID, None, UID)
        for _ in range(jobs):
            self.shots += 1
            # Each attempt has its own number of shots, so that an execution tells whose it was.
            job = await scheduler.submit(device, token, UID, self.sequence, self.shots)
            self.acknowledged[job.id] = self.shots
            if self.world.chance.random() < 0.2:
                self.canceled.add(job.id)
                with contextlib.suppress(AlreadyFinishedError):
                    await scheduler.cancel(job.id, UID)
            if self.world.chance.random() < 0.5:
                await asyncio.sleep(self.world.chance.uniform(0, 0.01))
        await until_idle(scheduler)
        return await all_jobs(scheduler)


def check(campaign: Campaign, found: list[Job]) -> None:
    by_id = {job.id: job for job in found}
    for number, shots in campaign.acknowledged.items():
        assert by_id[number].shots_requested == shots, "an acknowledged job is there, and is what was asked for"
    started = Counter(execution["shots"] for execution in campaign.world.executions)
    completed = Counter(
        execution["shots"] for execution in campaign.world.executions if execution["status"] == "DONE"
    )
    for job in found:
        allowed = {JobState.DONE, JobState.CANCELED} if job.id in campaign.canceled else {JobState.DONE}
        assert job.state in allowed, job
        ran = completed[job.shots_requested]
        if job.state is JobState.DONE:
            assert ran == 1 or job.possible_double
            assert job.shots_executed == job.shots_requested
        if not job.possible_double:
            assert started[job.shots_requested] <= 1, f"{job} ran twice and does not say so"
    ends = [(str(job.id), job.state.value, job.shots_executed, job.possible_double) for job in found]
    assert sorted(campaign.ledger()) == sorted(ends), "each end is in the ledger, once"


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_every_job_ends_once_whenever_the_scheduler_crashes(
    tmp_path: Path, run_device: Any, sequence_text: str, seed: int
) -> None:
    chance = random.Random(seed)
    world = World(chance, json.loads(sequence_text)["device"])
    campaign = Campaign(tmp_path, world, sequence_text)
    check(campaign, campaign.run(jobs=30, crashes=6))
    doubled = sum(execution["status"] == "CANCELED" for execution in world.executions)
    # The device never forgot: only its very first job may have been beyond finding.
    assert doubled <= len(campaign.canceled) + 1


@pytest.mark.parametrize("seed", range(100, 100 + ROUNDS))
def test_every_job_ends_once_or_is_marked_when_the_qpu_restarts_too(
    tmp_path: Path, sequence_text: str, seed: int
) -> None:
    chance = random.Random(seed)
    world = World(chance, json.loads(sequence_text)["device"], restarts=True)
    campaign = Campaign(tmp_path, world, sequence_text)
    check(campaign, campaign.run(jobs=30, crashes=6))


def test_a_post_that_times_out_and_takes_effect_later_is_marked(tmp_path: Path, sequence_text: str) -> None:
    """The device does not have the job when it is searched for, and nobody can tell that it never will."""
    world = World(random.Random(0), json.loads(sequence_text)["device"])

    async def main() -> tuple[Job, ...]:
        scheduler = new_scheduler(tmp_path, world)
        await scheduler.start()
        device = scheduler.device(None)
        token = await scheduler.create_session(device, UID, None, UID)
        await scheduler.submit(device, token, UID, sequence_text, 1)
        await until_idle(scheduler)
        world.late_posts = 1
        await scheduler.submit(device, token, UID, sequence_text, 2)
        await until_idle(scheduler)
        found = await all_jobs(scheduler)
        await scheduler.stop()
        return tuple(found)

    late, first = asyncio.run(asyncio.wait_for(main(), 60))
    assert (first.state, first.possible_double) == (JobState.DONE, False)
    assert (late.state, late.possible_double) == (JobState.DONE, True)
    assert [execution["shots"] for execution in world.executions] == [1, 2, 2]


@pytest.mark.parametrize("seed", range(3))
def test_jobs_run_in_the_order_in_which_they_were_accepted(
    tmp_path: Path, sequence_text: str, seed: int
) -> None:
    """Under submissions and cancellations at the same time."""
    chance = random.Random(seed)
    world = World(chance, json.loads(sequence_text)["device"])

    async def main() -> list[Job]:
        scheduler = new_scheduler(tmp_path, world)
        await scheduler.start()
        device = scheduler.device(None)
        token = await scheduler.create_session(device, UID, None, UID)
        shots = iter(range(1, 1000))

        async def user() -> None:
            for _ in range(12):
                job = await scheduler.submit(device, token, UID, sequence_text, next(shots))
                if chance.random() < 0.3:
                    await asyncio.sleep(chance.uniform(0, 0.02))
                    with contextlib.suppress(AlreadyFinishedError):
                        await scheduler.cancel(job.id, UID)

        await asyncio.gather(*(user() for _ in range(5)))
        await until_idle(scheduler)
        found = await all_jobs(scheduler)
        await scheduler.stop()
        return found

    found = asyncio.run(asyncio.wait_for(main(), 60))
    number_of = {job.shots_requested: job.id for job in found}
    order = [number_of[execution["shots"]] for execution in world.executions]
    assert order == sorted(order)
    assert len(set(order)) == len(order)
    for job in found:
        assert job.state is JobState.DONE or job.cancel_requested or job.started_at is None
        assert (job.id in order) or job.state is JobState.CANCELED
