"""What the live views show of a scheduler: from memory where it can be, else from the store's read side."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import Connection

from ...scheduler import live_queue, sessions
from ...scheduler.accounts import user_name
from ...scheduler.device import Device
from ...scheduler.forecast import Forecast, Waiting, before_a_new_job, forecast, slice_end
from ...scheduler.jobs import Job
from ...scheduler.live_queue import ClassCount
from ...scheduler.scheduler import Scheduler
from ...scheduler.settings import JobClass
from .alerts import FiringAlerts
from .device_facts import DeviceFacts
from .recent_time import RecentTime
from .snapshot import (
    ActiveJob,
    Administration,
    ClassQueue,
    DeviceView,
    EndedJob,
    Jobs,
    OpenWindow,
    Own,
    RunningWork,
    TimePartition,
    WaitingJob,
)
from .source import Audience, Parts, moment, moment_or_none

_OWN_WAITING, _OWN_ENDED = 50, 10
_ALL_WAITING, _ALL_ENDED = 200, 20
_STALE_SECONDS = 5.0
"""The store is asked again after this time, also if memory tells that nothing has changed."""
_PARTITION_SECONDS = 10.0
_SHARE = 20.0
"""What took so long is not done again before this many times that long: at most 5 % of a core."""


@dataclass(frozen=True, slots=True)
class _InLine:
    """A job that waits and is shown: its place, and what goes before it on its device."""

    job: Job
    place: int
    ahead: Waiting


@dataclass(slots=True)
class _Queue:
    """What the store told of the queue, shared by all who watch; by uid, None for everybody."""

    counts: dict[str, list[ClassCount]] = field(default_factory=dict)
    running: dict[str, list[Job]] = field(default_factory=dict)
    waiting: dict[int | None, list[_InLine]] = field(default_factory=dict)
    waiting_total: dict[int | None, int] = field(default_factory=dict)
    ended: dict[int | None, list[Job]] = field(default_factory=dict)
    sessions: dict[str, int] = field(default_factory=dict)


class SchedulerSource:
    """Reads a running scheduler. Its event loop only puts together what the store's threads have read."""

    role: Literal["all", "observer"] = "all"

    def __init__(self, scheduler: Scheduler, recent: RecentTime, alerts: FiringAlerts) -> None:
        self._scheduler = scheduler
        self._recent = recent
        self._alerts = alerts
        self._facts = DeviceFacts(scheduler)
        self._queue = _Queue()
        self._key: object = None
        self._read_at = self._not_before = float("-inf")
        self._partitions: dict[str, TimePartition | None] = {}
        self._partitions_at = float("-inf")
        self._ended = 0
        self._clock_offset = time.time() - time.monotonic()
        scheduler.job_listeners.append(self._job_ended)

    async def read(self, audiences: Collection[Audience]) -> dict[Audience, Parts]:
        """Return what each audience sees now.

        Raises:
            UnavailableError: the store does not answer.
        """
        await self._facts.refresh()
        await self._read_queue(audiences)
        if any(audience.administers for audience in audiences):
            self._alerts.refresh()
        now = time.time()
        if now - self._partitions_at > _PARTITION_SECONDS or now < self._partitions_at:
            self._partitions_at = now
            self._partitions = {name: self._recent.partition(name, now) for name in self._scheduler.devices}
        devices = [self._device(device, now) for device in self._scheduler.devices.values()]
        forecasts = {device.name: forecast(device, now) for device in self._devices}
        return {audience: self._parts(audience, devices, forecasts) for audience in audiences}

    def _job_ended(self, _job: Job) -> None:
        self._ended += 1

    async def _read_queue(self, audiences: Collection[Audience]) -> None:
        uids = frozenset(audience.uid for audience in audiences if audience.uid is not None)
        all_jobs = any(audience.administers for audience in audiences)
        key = (uids, all_jobs, self._ended, *(self._state_of(device) for device in self._devices))
        now = time.monotonic()
        if key == self._key and now - self._read_at < _STALE_SECONDS:
            return
        # Who comes new is not made to wait.
        same_audience = isinstance(self._key, tuple) and self._key[:2] == (uids, all_jobs)
        if same_audience and now < self._not_before:
            return
        names = list(self._scheduler.devices)
        self._queue = await self._scheduler.store.read(
            lambda connection: _read(connection, names, uids, all_jobs),
            timeout=self._scheduler.api.store_timeout,
        )
        self._key, self._read_at = key, now
        self._not_before = now + _SHARE * (time.monotonic() - now)

    @property
    def _devices(self) -> Collection[Device]:
        return self._scheduler.devices.values()

    def _state_of(self, device: Device) -> tuple[object, ...]:
        dispatcher = self._scheduler.dispatchers[device.name]
        return device.backlog.jobs, device.backlog.shots, dispatcher.running_job, device.running

    def _device(self, device: Device, now: float) -> DeviceView:
        name, running = device.name, device.running
        active = self._queue.running.get(name, [])
        counts = self._queue.counts.get(name, [])
        waiting = [count for count in counts if count.state == "PENDING"]
        return DeviceView(
            name=name,
            state=device.state,
            state_since=moment(device.state_changed_at),
            activity=device.clock.activity,
            activity_since=moment(device.clock.turned_at + self._clock_offset),
            accessible=device.takes_work,
            message=device.message,
            simulator=device.settings.simulator,
            windows=[
                OpenWindow(
                    kind=window.kind.value,
                    since=moment(window.opened_at),
                    announced_end=moment_or_none(window.announced_end_at),
                )
                for window in device.windows.windows
            ],
            queue=self._classes(device, counts, now),
            waiting=sum(count.jobs for count in waiting),
            running=None
            if running is None
            else RunningWork(
                started_at=moment(running.since),
                expected_end=moment_or_none(slice_end(device, now)),
                job_class=active[0].job_class if len(active) == 1 else None,
                shots=running.shots,
            ),
            last_hour=self._partitions.get(name),
            quality=self._facts.quality.get(name, []),
            calibrations=self._facts.calibrations.get(name, []),
        )

    def _classes(self, device: Device, counts: list[ClassCount], now: float) -> list[ClassQueue]:
        of = forecast(device, now)
        pending = {count.job_class: count for count in counts if count.state == "PENDING"}
        running = {count.job_class: count.jobs for count in counts if count.state == "RUNNING"}
        queue = [Waiting(count.job_class, count.jobs, count.shots) for count in pending.values()]
        found = []
        for job_class in get_args(JobClass):
            ahead = before_a_new_job(queue, job_class)
            at_once = of.free and not ahead.jobs
            count = pending.get(job_class)
            found.append(
                ClassQueue(
                    job_class=job_class,
                    waiting=0 if count is None else count.jobs,
                    running=running.get(job_class, 0),
                    oldest_created_at=None if count is None else moment(count.oldest_created_at),
                    expected_start=None if at_once else _estimate(of.after(ahead)),
                    at_once=at_once,
                )
            )
        return found

    def _parts(
        self,
        audience: Audience,
        devices: list[DeviceView],
        forecasts: Mapping[str, Forecast],
    ) -> Parts:
        uid = audience.uid
        if uid is None:
            return Parts(devices)
        own = Own(uid=uid, user=user_name(uid), jobs=self._jobs(uid, forecasts))
        if not audience.administers:
            return Parts(devices, own)
        administration = Administration(
            jobs=self._jobs(None, forecasts),
            sessions=self._queue.sessions,
            alerts=self._alerts.alerts,
            alerts_error=self._alerts.error,
        )
        return Parts(devices, own, administration)

    def _jobs(self, uid: int | None, forecasts: Mapping[str, Forecast]) -> Jobs:
        """Return a user's jobs, or for None everybody's, with their names."""
        queue, names = self._queue, uid is None
        waiting = [
            _waiting(found, forecasts[found.job.qpu_id], names)
            for found in queue.waiting.get(uid, [])
            if found.job.qpu_id in forecasts
        ]
        return Jobs(
            waiting=sorted(waiting, key=_start_first)[: _ALL_WAITING if names else _OWN_WAITING],
            waiting_total=queue.waiting_total.get(uid, 0),
            running=[
                self._active(job, names)
                for jobs in queue.running.values()
                for job in jobs
                if names or job.uid == uid
            ],
            ended=[_ended(job, names) for job in queue.ended.get(uid, [])],
        )

    def _active(self, job: Job, names: bool) -> ActiveJob:
        device = self._scheduler.devices[job.qpu_id]
        carried = self._scheduler.dispatchers[job.qpu_id].running_job == job.id
        return ActiveJob(
            id=job.id,
            device=job.qpu_id,
            job_class=job.job_class,
            shots=job.shots_requested,
            shots_executed=job.shots_executed,
            created_at=moment(job.created_at),
            started_at=moment_or_none(job.started_at),
            expected_end=moment_or_none(slice_end(device, time.time())) if carried else None,
            cancel_requested=job.cancel_requested,
            user=job.user_name if names else None,
            account=job.account if names else None,
        )


def _read(connection: Connection, names: list[str], uids: frozenset[int], all_jobs: bool) -> _Queue:
    found = _Queue()
    for count in live_queue.class_counts(connection):
        found.counts.setdefault(count.qpu_id, []).append(count)
    for name in names:
        # Whose they are stays here, unless it is theirs or an administrator's to see.
        found.running[name] = live_queue.running(connection, name)
    if not uids:
        return found
    whose: tuple[int | None, ...] = (*uids, None) if all_jobs else tuple(uids)
    places: dict[int | None, list[tuple[int, int, Waiting]]] = {uid: [] for uid in whose}
    found.waiting_total = dict.fromkeys(whose, 0)
    for name in names:
        shown: dict[int | None, int] = dict.fromkeys(whose, _OWN_WAITING)
        shown[None] = _ALL_WAITING if all_jobs else 0
        jobs = shots = 0
        for job in live_queue.line(connection, name):
            for uid in (job.uid, None):
                if shown.get(uid, 0) > 0:
                    shown[uid] -= 1
                    places[uid].append((job.id, jobs + 1, Waiting(job.job_class, jobs, shots)))
            if job.uid in found.waiting_total:
                found.waiting_total[job.uid] += 1
            jobs, shots = jobs + 1, shots + job.shots
    if all_jobs:
        pending = (count for counts in found.counts.values() for count in counts if count.state == "PENDING")
        found.waiting_total[None] = sum(count.jobs for count in pending)
    last = live_queue.last_ended(connection, _ALL_ENDED) if all_jobs else []
    numbers = {number for line in places.values() for number, _, _ in line}
    by_number = live_queue.by_number(connection, numbers.union(last))
    found.waiting = {
        uid: [_InLine(by_number[number], place, ahead) for number, place, ahead in line if number in by_number]
        for uid, line in places.items()
    }
    found.ended = {uid: list(live_queue.ended_of_user(connection, uid, _OWN_ENDED)) for uid in uids}
    if all_jobs:
        found.ended[None] = [by_number[number] for number in last if number in by_number]
        found.sessions = sessions.active(connection)
    return found


def _estimate(seconds: float | None) -> datetime | None:
    """Return an expected moment to the second: more would be pretended, and change all the time."""
    return None if seconds is None else moment(round(seconds))


def _start_first(job: WaitingJob) -> tuple[float, int, int]:
    start = float("inf") if job.expected_start is None else job.expected_start.timestamp()
    return start, job.place or 0, job.id


def _waiting(found: _InLine, of: Forecast, names: bool) -> WaitingJob:
    job = found.job
    return WaitingJob(
        id=job.id,
        device=job.qpu_id,
        job_class=job.job_class,
        shots=job.shots_requested,
        created_at=moment(job.created_at),
        place=found.place,
        expected_start=_estimate(of.after(found.ahead)),
        user=job.user_name if names else None,
        account=job.account if names else None,
    )


def _ended(job: Job, names: bool) -> EndedJob:
    assert job.ended_at is not None
    return EndedJob(
        id=job.id,
        device=job.qpu_id,
        job_class=job.job_class,
        state=job.state.value,
        reason=job.reason,
        message=job.message,
        created_at=moment(job.created_at),
        started_at=moment_or_none(job.started_at),
        ended_at=moment(job.ended_at),
        busy_seconds=round(job.busy_seconds, 3),
        user=job.user_name if names else None,
        account=job.account if names else None,
    )
