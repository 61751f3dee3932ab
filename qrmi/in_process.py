"""An emulated neutral-atom QPU inside the program's own process, as a QRMI resource.

For a laptop: no daemon, no network, no session of a batch system. Tasks run one at a time in a background
thread, as on a machine, and need the extra ``qwatch[emulator]``.
"""

from __future__ import annotations

import itertools
import json
import queue
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import qrmi

from ..telemetry.redaction import REDACTOR, SESSION_PREFIX
from .resource_types import EMULATOR
from .stand_in_device import for_own_device
from .values import ResourceCapacity, ResourceStatus, Target, TaskResult

if TYPE_CHECKING:
    from ..emulator.noise import NoiseSettings

KEPT_TASKS = 1000
MOST_WAITING = 1000

_ENDED = (qrmi.TaskStatus.Completed, qrmi.TaskStatus.Failed, qrmi.TaskStatus.Cancelled)


@dataclass(slots=True)
class _Task:
    identifier: str
    number: int
    sequence: str
    shots: int
    status: qrmi.TaskStatus = qrmi.TaskStatus.Queued
    result: str | None = None
    log: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Add a line to the task's log."""
        self.log.append(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {text}")


class InProcessEmulator:
    """An emulator with the interface of ``qrmi.QuantumResource``.

    Args:
        name: name of the resource and of its device.
        noise: the emulated hardware's noise; none if not given.
        seed: makes the results of the n-th task repeatable.
        kept_tasks: of how many ended tasks the results are kept; the oldest are forgotten.

    Calls may come from several threads at once. They raise InvalidInputError for a payload that the device
    cannot execute, TaskNotFoundError, TaskNotReadyError, and QrmiError with too many tasks waiting. No
    session is needed to start a task.
    """

    simulator = True
    """Results are simulated."""

    def __init__(
        self,
        name: str = EMULATOR,
        *,
        noise: NoiseSettings | None = None,
        seed: int | None = None,
        kept_tasks: int = KEPT_TASKS,
    ) -> None:
        self._name = name
        self._noise = noise
        self._seed = seed
        self._kept_tasks = kept_tasks
        self._numbers = itertools.count(1)
        self._tasks: OrderedDict[str, _Task] = OrderedDict()
        self._waiting: queue.Queue[_Task] = queue.Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._worker: threading.Thread | None = None

    def acquire(self) -> str:
        """Return a token; any number of sessions may be open."""
        token = SESSION_PREFIX + secrets.token_urlsafe(24)
        REDACTOR.keep_secret(token)
        return token

    def release(self, id: str) -> None:
        """Close a session: nothing is held by it."""

    def is_accessible(self) -> bool:
        """Tell whether the emulator's libraries are installed."""
        return self.status().status == qrmi.ResourceStatusCode.Online

    def status(self) -> ResourceStatus:
        """Return online, or offline with the reason if the emulator's libraries are missing."""
        try:
            import pulser_simulation  # noqa: F401
        except ImportError as error:
            return ResourceStatus(
                qrmi.ResourceStatusCode.Offline,
                healthy=False,
                status_reason=f"{error}: install qwatch[emulator]",
            )
        with self._lock:
            running = sum(task.status == qrmi.TaskStatus.Running for task in self._tasks.values())
            pending = sum(task.status == qrmi.TaskStatus.Queued for task in self._tasks.values())
        return ResourceStatus(
            qrmi.ResourceStatusCode.Online,
            busy=running > 0,
            healthy=True,
            pending_job_count=pending,
            capacity=ResourceCapacity(),
        )

    def target(self) -> Target:
        """Return the device's specifications, as a list of one in JSON."""
        device = {"device_type": self._name, "specs": self._specs()}
        return Target(json.dumps([device], separators=(",", ":")))

    def metadata(self) -> dict[str, str]:
        """Return the name of the device."""
        return {"backend_name": self._name}

    def resource_id(self) -> str:
        """Return the resource's name."""
        return self._name

    def resource_type(self) -> qrmi.ResourceType:
        """Return ``PasqalLocal``, whose payloads and results these are."""
        return qrmi.ResourceType.PasqalLocal

    def task_start(self, payload: qrmi.Payload) -> str:
        """Queue a ``Payload.PasqalCloud`` and return the task's id at once."""
        if not isinstance(payload, qrmi.Payload.PasqalCloud):
            raise qrmi.UnsupportedPayloadError(f"payload type is not supported: {type(payload).__name__}")
        sequence = for_own_device(payload.sequence, self._specs()) or payload.sequence
        self._check(sequence, payload.job_runs)
        number = next(self._numbers)
        task = _Task(str(number), number, sequence, payload.job_runs)
        task.note(f"created with {task.shots} shots")
        with self._lock:
            try:
                self._waiting.put_nowait(task)
            except queue.Full:
                raise qrmi.QrmiError(f"{MOST_WAITING} tasks wait already: fetch results first") from None
            self._tasks[task.identifier] = task
            self._forget_oldest()
            self._start_worker()
        return task.identifier

    def task_status(self, task_id: str) -> qrmi.TaskStatus:
        """Return the state of a task."""
        return self._task(task_id).status

    def task_result(self, task_id: str) -> TaskResult:
        """Return ``{"counter": {bitstring: count}}`` of a task that has completed."""
        task = self._task(task_id)
        if task.result is None:
            raise qrmi.TaskNotReadyError(
                f"unable to retrieve result for task {task_id}: "
                f"results not available (current status: {str(task.status).rpartition('.')[2]})"
            )
        return TaskResult(task.result)

    def task_logs(self, task_id: str) -> str:
        """Return what happened to a task, one line each."""
        return "\n".join(self._task(task_id).log)

    def task_stop(self, task_id: str) -> None:
        """Cancel a task; the result of one that runs is discarded."""
        task = self._task(task_id)
        with self._lock:
            if task.status in _ENDED:
                raise qrmi.QrmiError(f"task {task_id} has already ended")
            task.status = qrmi.TaskStatus.Cancelled
            task.note("cancelled by the user")

    def _specs(self) -> str:
        try:
            from ..emulator.specs import device_specs

            return device_specs(self._name)
        except ImportError as error:
            raise qrmi.QrmiError(f"the emulator needs {error.name}: install qwatch[emulator]") from error

    def _check(self, sequence: str, shots: int) -> None:
        specs = self._specs()
        from ..emulator.specs import validate_sequence

        try:
            validate_sequence(sequence, shots, specs)
        except ValueError as error:
            raise qrmi.InvalidInputError(str(error)) from error

    def _task(self, task_id: str) -> _Task:
        with self._lock:
            task = self._tasks.get(task_id)
        if task is None:
            raise qrmi.TaskNotFoundError(f"task {task_id} is not known, or its result is no longer kept")
        return task

    def _forget_oldest(self) -> None:
        ended = len(self._tasks) - self._waiting.qsize() - 1
        while ended > self._kept_tasks:
            oldest = next(iter(self._tasks.values()))
            if oldest.status not in _ENDED:
                return
            del self._tasks[oldest.identifier]
            ended -= 1

    def _start_worker(self) -> None:
        # The thread of a process that forked does not exist in the child.
        if self._worker is None or not self._worker.is_alive():
            self._worker = threading.Thread(target=self._work, name=f"{self._name}-emulator", daemon=True)
            self._worker.start()

    def _work(self) -> None:
        while True:
            task = self._waiting.get()
            with self._lock:
                if task.status in _ENDED:
                    continue
                task.status = qrmi.TaskStatus.Running
                task.note("started")
            status, result, note = self._execute(task)
            with self._lock:
                if task.status not in _ENDED:
                    task.status, task.result = status, result
                    task.note(note)
                task.sequence = ""

    def _execute(self, task: _Task) -> tuple[qrmi.TaskStatus, str | None, str]:
        from ..emulator.execution import execute

        seed = None if self._seed is None else self._seed + task.number
        try:
            counts = execute(task.sequence, task.shots, noise=self._noise, seed=seed)
        except Exception as error:
            return qrmi.TaskStatus.Failed, None, f"failed: {type(error).__name__}: {error}"
        return qrmi.TaskStatus.Completed, json.dumps({"counter": counts}), "completed"
