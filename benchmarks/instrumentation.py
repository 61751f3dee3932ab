"""What instrumentation costs: microseconds a QRMI call, beside the bare call, and memory over many tasks."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import psutil
import qrmi
import report
import workload
from fakes import FakeResource, NullExporter
from opentelemetry import trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk.metrics import MeterProvider as SdkMeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from report import Table
from spans_alone import SpansAlone

from qwatch.qrmi.instrument import instrument
from qwatch.qrmi.interface import Resource
from qwatch.qrmi.measurements import MEASUREMENTS
from qwatch.qrmi.session_spans import MOST_IN_ONE_TRACE
from qwatch.telemetry.bounded_spans import BoundedSpanProcessor

CALLS = 60
POLLS = 3
WARM_UP_TASKS = 5000

METHOD = """\
A resource whose methods return constants, in three kinds that take turns of {calls} tasks in one process:
bare, instrumented, and with the same spans made by hand (spans_alone.py: as many, with as many attributes,
events and links, made current, ended by the same processor; nothing measured, no task remembered). {rounds}
rounds; medians over all calls of a kind. A task is task_start with a payload of {size} bytes, {polls} polls,
of which the last says completed, task_result, status. Overhead: instrumented less bare; spans alone: by hand
less bare; times: their ratio. Sampled: the batch processor that qwatch sets up, to an exporter that drops the
spans. Spans are sent, and measurements handed to the SDK, between the turns: in a program that happens while
calls wait for the network. A session has {calls} tasks, but for a long one: its tasks, from the 200th on,
have a trace each with a link to the session. task_start starts two spans and ends one, task_result starts one
and ends two, the last poll makes one, status one."""

IMPORT_METHOD = """\
CPU time of an import in a fresh process, median of {rounds}. BaseInstrumentor is that of
opentelemetry-instrumentation, whose interface QRMIInstrumentor has and which it does not import; a program
started by `opentelemetry-instrument` has imported it already."""

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
        MEASUREMENTS.hand_on()


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
LONG = "sampled, long session"


@contextmanager
def without_collector() -> Iterator[None]:
    """Keep garbage collections out of a timed turn; they come between turns."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def whole_task(resource: Resource, payload: qrmi.Payload) -> None:
    """One task as a program runs it."""
    task = resource.task_start(payload)
    for _ in range(POLLS):
        resource.task_status(task)
    resource.task_result(task)


OPERATIONS = ("task_start", "task_status", "task_status, last", "task_result", "status")
Times = dict[str, list[float]]


def timed_task(resource: Resource, payload: qrmi.Payload, times: Times) -> None:
    """One task, with the seconds of each call."""
    clock = time.perf_counter
    begun = clock()
    task = resource.task_start(payload)
    times["task_start"].append(clock() - begun)
    for number in range(POLLS):
        begun = clock()
        resource.task_status(task)
        times["task_status" if number < POLLS - 1 else "task_status, last"].append(clock() - begun)
    begun = clock()
    resource.task_result(task)
    times["task_result"].append(clock() - begun)
    begun = clock()
    resource.status()
    times["status"].append(clock() - begun)


def no_times() -> Times:
    """Return a place for the times of each call."""
    return {name: [] for name in OPERATIONS}


def compare(mode: str, rounds: int) -> list[tuple[str, float, float, float]]:
    """Return each call's medians in microseconds: bare, spans alone, instrumented."""
    telemetry = set_up("sampled" if mode == LONG else mode)
    payload = qrmi.Payload.PasqalCloud(workload.sequence(), 100)
    traced = instrument(FakeResource(POLLS), tracer_provider=telemetry.spans, meter_provider=telemetry.metrics)
    by_hand = SpansAlone(
        trace.get_tracer("benchmark", tracer_provider=telemetry.spans), linked=mode == LONG, polls=POLLS
    )
    kinds = [(resource, no_times()) for resource in (FakeResource(POLLS), by_hand, traced)]
    token = traced.acquire()
    for _ in range(MOST_IN_ONE_TRACE if mode == LONG else 0):
        whole_task(traced, payload)
        traced.status()
    for round_number in range(rounds + 2):
        if mode != LONG:
            traced.release(token)
            token = traced.acquire()
        for turn in range(len(kinds)):
            resource, times = kinds[(round_number + turn) % len(kinds)]
            kept = times if round_number >= 2 else no_times()
            with without_collector():
                for _ in range(CALLS):
                    timed_task(resource, payload, kept)
            telemetry.flush()
    traced.release(token)
    traced.close()
    bare, spans, instrumented = (times for _, times in kinds)
    return [
        (name, median(bare[name]) * 1e6, median(spans[name]) * 1e6, median(instrumented[name]) * 1e6)
        for name in OPERATIONS
    ]


IMPORTS = {
    "qrmi": "import qrmi",
    "qwatch.qrmi.instrument": "import qrmi, qwatch.qrmi.instrument",
    "qwatch.qrmi.instrumentor": "import qrmi, qwatch.qrmi.instrumentor",
    "BaseInstrumentor": "import qrmi, opentelemetry.instrumentation.instrumentor",
    "QRMIInstrumentor": "import qrmi; from qwatch.qrmi.instrumentor import QRMIInstrumentor",
    "QRMIInstrumentor, and instrumented": (
        "import qrmi; from qwatch.qrmi.instrumentor import QRMIInstrumentor; QRMIInstrumentor().instrument()"
    ),
}


def import_table(rounds: int) -> Table:
    """Return what imports cost."""
    table = Table("Imports", IMPORT_METHOD.format(rounds=rounds), ["import", "ms", "ms more than qrmi"])
    times: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for _ in range(rounds):
        for name, program in IMPORTS.items():
            text = f"import time; begun = time.process_time(); {program}; print(time.process_time() - begun)"
            done = subprocess.run([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True, check=True)
            times[name].append(float(done.stdout))
    library = median(times["qrmi"])
    for name, taken in times.items():
        table.add(name, median(taken) * 1e3, (median(taken) - library) * 1e3)
    return table


def growth(mode: str, tasks: int, fetched: bool) -> tuple[float, float]:
    """Return the resident memory after the warm-up and at the end, in MiB; to be called in a fresh process."""
    telemetry = set_up(mode)
    payload = qrmi.Payload.PasqalCloud(workload.sequence(), 100)
    traced = instrument(FakeResource(POLLS), tracer_provider=telemetry.spans, meter_provider=telemetry.metrics)
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
        ["call", "telemetry", "bare µs", "instrumented µs", "overhead µs", "spans alone µs", "times"],
    )
    for mode in ("sampled", LONG, "not sampled", "no SDK"):
        for name, bare, spans, traced in compare(mode, given.rounds):
            alone = spans - bare
            costs.add(name, mode, bare, traced, traced - bare, alone, (traced - bare) / alone)
    tables = [costs, import_table(11)]
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
