"""What telemetry costs: job submission with it against none, in each state of the backends; and a call."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from statistics import median
from typing import Any

import httpx
import psutil
import report
import stack
import workload
from fakes import NullExporter
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from prometheus_client import CollectorRegistry
from report import Table
from stack import HERE, Stack

from qwatch.exporters.loki import LokiHandler
from qwatch.exporters.otlp_logs import OtlpLogHandler
from qwatch.telemetry import job_metrics
from qwatch.telemetry.bounded_spans import BoundedSpanProcessor
from qwatch.telemetry.instruments import Instruments
from qwatch.telemetry.json_logging import JsonFormatter

STATES = ("none", "healthy", "refuses", "hangs", "500", "429")
SHOTS = 100

METHOD = """\
POST /jobs by raw HTTP with {clients} keep-alive clients on the same cores, jobs of {duration} s on the device,
so that the dispatcher runs too. Two daemons stand side by side with a store and a device each, and are loaded
in turns (A B, B A, …) for {seconds:g} s after {warm_up:g} s of warm-up, {rounds} pairs a state. Without: log
level error, the SDK disabled, never scraped. With: every span and the metrics by OTLP, the log to Loki, a
scrape every {scrape:g} s. Ratios are of each pair: jobs/s with / without, p99 and the daemon's CPU time a job
without / with; 1 is no cost. Quartiles in brackets. CPU time says most on a machine that others use. The
backends take everything, refuse connections, never answer, answer 500 or 429; they decode nothing, and their
own small work is on the same cores. The row "none" is two daemons without telemetry: how far ratios stray by
themselves."""
CALL_METHOD = """\
CPU time of the calling thread, median of {rounds} rounds of {calls} calls; what exporting threads do is not in
it. Spans have five attributes and go through the batch processor that qwatch sets up."""
_METRICS_SECONDS = 5.0


@contextlib.contextmanager
def backends(port: int, state: str) -> Iterator[None]:
    """Have the backends on ``port`` be in ``state``."""
    if state == "refuses":
        yield
        return
    command = [sys.executable, str(HERE / "telemetry_backends.py"), str(port), state]
    child = subprocess.Popen(command)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield
    finally:
        child.kill()
        child.wait()


@contextlib.contextmanager
def scraped(running: Stack, interval: float) -> Iterator[None]:
    """Scrape a daemon as Prometheus does."""
    stopped = threading.Event()
    headers = {"accept": "application/openmetrics-text;version=1.0.0", "accept-encoding": "gzip"}

    def scrape() -> None:
        with httpx.Client(base_url=running.metrics_url, headers=headers, timeout=30) as client:
            while not stopped.wait(interval):
                client.get("/metrics")

    thread = threading.Thread(target=scrape, daemon=True)
    thread.start()
    yield
    stopped.set()
    thread.join(35)


def loaded(running: Stack, given: Any) -> tuple[float, float, float]:
    """Load a daemon once; return accepted jobs a second, their p99 in seconds, and CPU seconds a job."""
    process = psutil.Process(running.daemon.pid)
    before, accepted = sum(process.cpu_times()[:2]), _accepted(running)
    order = {
        "name": workload.DEVICE,
        "port": running.api_port,
        "session": running.acquire(),
        "clients": given.clients,
        "sequence": workload.sequence(),
        "shots": SHOTS,
        "warm_up": given.warm_up,
        "seconds": given.seconds,
    }
    if running.auth == "local":
        order["token"] = running.credential()["authorization"].removeprefix("Bearer ")
    done = subprocess.run(
        [sys.executable, str(HERE / "http_load.py")],
        input=json.dumps(order),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=given.seconds + 60,
    )
    times = json.loads(done.stdout)["seconds"]
    used = (sum(process.cpu_times()[:2]) - before) / max(_accepted(running) - accepted, 1)
    return len(times) / given.seconds, report.quantile(times, 0.99), used


def _accepted(running: Stack) -> float:
    return sum(running.metric("qpu_jobs_submitted_total").values())


def submission_rows(table: Table, given: Any) -> None:
    """Measure pairs in each state of the backends."""
    port = stack.free_port()
    address = f"http://127.0.0.1:{port}"
    sends = {
        "otlp_endpoint": address,
        "otlp_metrics": True,
        "otlp_metrics_interval": _METRICS_SECONDS,
        "loki_url": address,
    }
    for state in given.states:
        with ExitStack() as exits:
            exits.enter_context(backends(port, "refuses" if state == "none" else state))
            silent: dict[str, Any] = {
                "telemetry": {"log_level": "error"},
                "environment": {"OTEL_SDK_DISABLED": "true"},
            }
            none = exits.enter_context(stack.running(given.duration, **silent))
            if state == "none":
                full = exits.enter_context(stack.running(given.duration, **silent))
            else:
                full = exits.enter_context(stack.running(given.duration, telemetry=sends))
                exits.enter_context(scraped(full, given.scrape))
            pairs = []
            for number in range(given.rounds):
                order = (none, full) if number % 2 == 0 else (full, none)
                found = {id(one): loaded(one, given) for one in order}
                pairs.append((found[id(none)], found[id(full)]))
            lost = full.metric("qwatch_telemetry_dropped_total")
        rates = [with_[0] / without[0] for without, with_ in pairs]
        tails = [without[1] / with_[1] for without, with_ in pairs]
        costs = [without[2] / with_[2] for without, with_ in pairs]
        table.add(
            state,
            median(without[0] for without, _ in pairs),
            median(with_[0] for _, with_ in pairs),
            _spread(rates),
            _spread(tails),
            median(without[2] for without, _ in pairs) * 1000,
            _spread(costs),
            sum(lost.values()),
        )


def _spread(values: list[float]) -> str:
    low, high = report.quantile(values, 0.25), report.quantile(values, 0.75)
    return f"{median(values):.3f} [{low:.2f}, {high:.2f}]"


def call_rows(table: Table, rounds: int, calls: int) -> None:
    """Measure single calls."""
    instruments = Instruments(CollectorRegistry())
    where = {"qpu_id": "BENCH", "job_class": "production"}
    exemplar = {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
    attributes = {"qpu.id": "BENCH", "qpu.job.class": "test", "qpu.job.state": "DONE", "shots": 1, "busy": 0.5}

    def tracer(**options: Any) -> Any:
        provider = TracerProvider(shutdown_on_exit=False, **options)
        provider.add_span_processor(BoundedSpanProcessor(NullExporter(), limit=10**6))
        return provider.get_tracer("bench")

    sampled, unsampled = tracer(), tracer(sampler=ALWAYS_OFF)
    record = logging.makeLogRecord(
        {"name": "bench", "msg": "job %d DONE", "args": (1,), "levelname": "INFO", "levelno": 20}
        | {"qpu_id": "BENCH", "job": 1, "user": "somebody", "state": "DONE", "shots": 100}
    )
    output = logging.StreamHandler(open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    output.setFormatter(JsonFormatter("bench"))
    loki = LokiHandler("http://127.0.0.1:9", "bench", capacity=10**6)
    otlp = OtlpLogHandler(InMemoryLogRecordExporter(), "bench", capacity=10**6)
    rows: dict[str, Callable[[], object]] = {
        "span": lambda: sampled.start_span("run BENCH", attributes=attributes).end(),
        "span, not sampled": lambda: unsampled.start_span("run BENCH", attributes=attributes).end(),
        "counter": lambda: instruments.add(job_metrics.SUBMITTED, **where),
        "histogram": lambda: instruments.observe(job_metrics.WAIT, 2.0, **where),
        "histogram with exemplar": lambda: instruments.observe(job_metrics.WAIT, 2.0, exemplar, **where),
        "log record to standard output": lambda: output.handle(record),
        "log record to Loki": lambda: loki.handle(record),
        "log record by OTLP": lambda: otlp.handle(record),
    }
    for name, call in rows.items():
        times = []
        for _ in range(rounds):
            begun = time.thread_time()
            for _ in range(calls):
                call()
            times.append((time.thread_time() - begun) / calls * 1e6)
            time.sleep(0.05)
        table.add(name, median(times))
    loki.close(0)
    otlp.close(0)


def main() -> None:
    """Measure and print."""
    options = report.parser(__doc__ or "")
    options.add_argument("--states", nargs="*", choices=STATES, default=list(STATES))
    options.add_argument("--rounds", type=int, default=10, help="pairs of runs a state")
    options.add_argument("--seconds", type=float, default=3.0, help="length of a run")
    options.add_argument("--warm-up", type=float, default=0.5)
    options.add_argument("--clients", type=int, default=8)
    options.add_argument("--duration", default="0.1", help="seconds of a job on the device")
    options.add_argument("--scrape", type=float, default=5.0, help="seconds between two scrapes")
    options.add_argument("--calls", type=int, default=2000)
    given = options.parse_args()
    machine = report.machine()
    calls = Table("A call", CALL_METHOD.format(rounds=20, calls=given.calls), ["call", "µs"])
    call_rows(calls, 20, given.calls)
    submission = Table(
        "Submission with telemetry against none",
        METHOD.format(**vars(given)),
        [
            "backends",
            "jobs/s none",
            "jobs/s with",
            "ratio jobs/s",
            "ratio p99",
            "CPU ms a job",
            "ratio CPU",
            "dropped",
        ],
    )
    submission_rows(submission, given)
    report.conclude([calls, submission], machine, given.json)


if __name__ == "__main__":
    main()
