"""What instrumentation costs: microseconds a QRMI call, beside the bare call, and memory over many tasks."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import psutil
import qrmi
import report
import workload
from fakes import FakeResource, NullExporter
from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk.metrics import MeterProvider as SdkMeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from report import Table

from qwatch.qrmi.instrument import instrument
from qwatch.qrmi.interface import Resource
from qwatch.telemetry.bounded_spans import BoundedSpanProcessor

CALLS = 100
POLLS = 3
WARM_UP_TASKS = 5000

METHOD = """\
A resource whose methods return constants, bare and instrumented in turns of {calls} calls in one process,
{rounds} rounds; medians. Sampled: the batch processor that qwatch sets up, to an exporter that drops the
spans; it sends between the turns, outside of the time. In both cases with an SDK, metrics are recorded too.
A task is task_start with a payload of {size} bytes, {polls} polls, task_result."""

MEMORY_METHOD = """\
Resident memory of a process of its own: after {warm_up} tasks, and after {tasks} more. Abandoned: no task's
result is ever fetched."""


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What the user's program has set up."""

    spans: TracerProvider | None
    metrics: MeterProvider | None

    def flush(self) -> None:
        """Send what waits."""
        if self.spans is not None:
            self.spans.force_flush()


def set_up(mode: str) -> Telemetry:
    """Return the telemetry of a mode."""
    if mode == "no SDK":
        return Telemetry(None, None)
    metrics = SdkMeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    if mode == "not sampled":
        return Telemetry(TracerProvider(ALWAYS_OFF, shutdown_on_exit=False), metrics)
    spans = TracerProvider(shutdown_on_exit=False)
    spans.add_span_processor(BoundedSpanProcessor(NullExporter()))
    return Telemetry(spans, metrics)


MODES = ("sampled", "not sampled", "no SDK")


@contextmanager
def without_collector() -> Iterator[None]:
    """Keep garbage collections out of a timed turn; they come between turns."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def seconds_of(call: Callable[[], object], times: int = CALLS) -> float:
    """Return the seconds of one call, as the mean of ``times``."""
    started = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - started) / times


def whole_task(resource: Resource, payload: qrmi.Payload) -> None:
    """One task as a program runs it."""
    task = resource.task_start(payload)
    for _ in range(POLLS):
        resource.task_status(task)
    resource.task_result(task)


def calls_of(resource: Resource, payload: qrmi.Payload) -> dict[str, Callable[[], object]]:
    """Return what is measured, by name."""
    running = resource.task_start(payload)
    return {
        "status": resource.status,
        "target": resource.target,
        "task_status": lambda: resource.task_status(running),
        "task_result": lambda: resource.task_result(running),
        "task_start": lambda: resource.task_start(payload),
        "a whole task": lambda: whole_task(resource, payload),
    }


def compare(mode: str, rounds: int) -> dict[str, tuple[float, float]]:
    """Return the medians, bare and instrumented, in microseconds, by call."""
    telemetry = set_up(mode)
    payload = qrmi.Payload.PasqalCloud(workload.sequence(), 100)
    bare = FakeResource()
    traced = instrument(FakeResource(), tracer_provider=telemetry.spans, meter_provider=telemetry.metrics)
    token = traced.acquire()
    kinds = (calls_of(bare, payload), calls_of(traced, payload))
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in kinds[0]}
    for round_number in range(rounds + 2):
        for name, taken in times.items():
            with without_collector():
                for kind in (0, 1) if round_number % 2 else (1, 0):
                    seconds = seconds_of(kinds[kind][name])
                    if round_number >= 2:
                        taken[kind].append(seconds)
            telemetry.flush()
    traced.release(token)
    traced.close()
    return {name: (median(taken[0]) * 1e6, median(taken[1]) * 1e6) for name, taken in times.items()}


def growth(mode: str, tasks: int, fetched: bool) -> tuple[float, float]:
    """Return the resident memory after the warm-up and at the end, in MiB; to be called in a fresh process."""
    telemetry = set_up(mode)
    payload = qrmi.Payload.PasqalCloud(workload.sequence(), 100)
    traced = instrument(FakeResource(), tracer_provider=telemetry.spans, meter_provider=telemetry.metrics)
    traced.acquire()
    seen = []
    for count in (WARM_UP_TASKS, tasks):
        for _ in range(count):
            if fetched:
                whole_task(traced, payload)
            else:
                traced.task_start(payload)
        telemetry.flush()
        gc.collect()
        seen.append(psutil.Process().memory_info().rss / 2**20)
    return seen[0], seen[1]


def growth_in_a_process(mode: str, tasks: int, fetched: bool) -> tuple[float, float]:
    """Call :func:`growth` in a fresh process."""
    command = [sys.executable, __file__, "--memory-of", mode, "--tasks", str(tasks)]
    done = subprocess.run(
        [*command, *([] if fetched else ["--abandon"])],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=600,
    )
    before, after = json.loads(done.stdout)
    return before, after


def main() -> None:
    """Measure and print."""
    options = report.parser(__doc__)
    options.add_argument("--rounds", type=int, default=100)
    options.add_argument("--tasks", type=int, default=100_000, help="tasks of the memory measurement; 0: none")
    options.add_argument("--memory-of", choices=MODES, help="only the memory of one mode, in this process")
    options.add_argument("--abandon", action="store_true", help="with --memory-of: fetch no result")
    given = options.parse_args()
    if given.memory_of:
        print(json.dumps(growth(given.memory_of, given.tasks, not given.abandon)))
        return
    machine = report.machine()
    costs = Table(
        "Instrumented QRMI calls",
        METHOD.format(calls=CALLS, rounds=given.rounds, size=len(workload.sequence()), polls=POLLS),
        ["call", "telemetry", "bare µs", "instrumented µs", "overhead µs"],
    )
    for mode in MODES:
        for name, (bare, traced) in compare(mode, given.rounds).items():
            costs.add(name, mode, bare, traced, traced - bare)
    tables = [costs]
    if given.tasks:
        memory = Table(
            "Memory over many tasks",
            MEMORY_METHOD.format(warm_up=WARM_UP_TASKS, tasks=given.tasks),
            ["telemetry", "tasks", "MiB before", "MiB after", "bytes a task"],
        )
        for mode in MODES:
            for fetched in (True, False):
                before, after = growth_in_a_process(mode, given.tasks, fetched)
                name = "fetched" if fetched else "abandoned"
                memory.add(mode, name, before, after, (after - before) * 2**20 / given.tasks)
        tables.append(memory)
    report.conclude(tables, machine, given.json)


if __name__ == "__main__":
    main()
