"""The promise: whatever backends do, jobs run, memory stays flat, drops are counted, all recovers by itself.

A real daemon under a steady load of jobs, a real Prometheus, and receivers of OTLP and of Loki's push that are
healthy, refuse connections, take them and never answer, answer 500, answer 429. Both fail together, for 30 s a
state; `make test-long` has a run of ten minutes.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

MEBIBYTE = 2**20
JOBS_A_SECOND = 20.0
MOST_SPANS, MOST_LINES = 300, 100
"""Most that wait: small, so that each state fills the queues many times over."""
SPANS = {"POST /jobs", "queue EMU", "run EMU", "slice EMU"}


@dataclass
class Backends:
    """Both receivers, through all their restarts on the same ports."""

    start_otlp: Callable[[int], Any]
    start_loki: Callable[[int], Any]
    ports: tuple[int, int]
    hang: Any
    reply: Callable[..., Any]
    all: list[Any] = field(default_factory=list)

    def start(self) -> None:
        self.all += [self.start_otlp(self.ports[0]), self.start_loki(self.ports[1])]

    def fail(self, state: str) -> None:
        if state == "refuses":
            for receiver in self.all[-2:]:
                receiver.close()
            return
        answers = {"hangs": self.hang, "500": self.reply(500, "broken"), "429": self.reply(429, "too many")}
        for receiver in self.all[-2:]:
            receiver.always = answers[state]

    def recover(self, state: str) -> None:
        if state == "refuses":
            self.start()
        for receiver in self.all[-2:]:
            receiver.always = None
            receiver.let_go.set()

    def spans(self) -> list[Any]:
        return [span for receiver in self.all[0::2] for span in receiver.spans]

    def messages(self) -> list[str]:
        return [text for receiver in self.all[1::2] for text in receiver.messages]

    def by_job(self) -> dict[int, Counter[str]]:
        """Return the names of each job's spans, by the trace that they share."""
        traces: dict[bytes, Counter[str]] = defaultdict(Counter)
        numbers: dict[bytes, int] = {}
        for span in self.spans():
            traces[span.trace_id][span.name] += 1
            if span.name == "POST /jobs":
                found = {item.key: item.value.string_value for item in span.attributes}
                numbers[span.trace_id] = int(found["qrmi.task.id"])
        return {number: traces[trace] for trace, number in numbers.items()}


class Load:
    """Submits jobs at a steady rate from a thread; every job is to become DONE."""

    def __init__(self, daemon: Any, sequence: str) -> None:
        self._daemon = daemon
        self._sequence = sequence
        self._session = daemon.acquire()
        self.jobs: list[int] = []

    @contextmanager
    def going(self) -> Iterator[None]:
        stop = threading.Event()
        failures: list[BaseException] = []

        def submit() -> None:
            try:
                while not stop.wait(1 / JOBS_A_SECOND):
                    self.jobs.append(self._daemon.submit(self._session, self._sequence, 10))
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=submit, daemon=True)
        thread.start()
        yield
        stop.set()
        thread.join(60)
        assert not failures, failures[0]

    def some(self, number: int) -> list[int]:
        """Submit so many jobs, wait for them, and return them."""
        begun = len(self.jobs)
        for _ in range(number):
            self.jobs.append(self._daemon.submit(self._session, self._sequence, 10))
        found = self.jobs[begun:]
        self.wait(found)
        return found

    def wait(self, jobs: list[int]) -> None:
        for number in jobs:
            assert self._daemon.finished(number)["status"] == "DONE"


@contextmanager
def prometheus(program: Path, folder: Path, target: str, port: int) -> Iterator[str]:
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 5s, scrape_timeout: 5s}\n"
        f"scrape_configs: [{{job_name: qwatch, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    command = [program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def scrapers_that_do_not_read(target: str) -> Iterator[None]:
    """Connections to the metrics port that ask for nothing, or ask and never read."""
    host, _, port = target.partition(":")
    connections = []
    for number in range(20):
        connection = socket.create_connection((host, int(port)), timeout=10)
        if number % 2:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        connections.append(connection)
    yield
    for connection in connections:
        connection.close()


def scrapes(url: str) -> float:
    """Return how many scrapes there were so far, all of which must have succeeded."""
    if httpx.get(f"{url}/-/ready", timeout=30).status_code != 200:
        return 0.0
    query = httpx.get(f"{url}/api/v1/query", params={"query": "count_over_time(up[1h])"}, timeout=30)
    total = query.json()["data"]["result"]
    failed = httpx.get(f"{url}/api/v1/query", params={"query": "min_over_time(up[1h])"}, timeout=30)
    if not total:
        return 0.0
    assert failed.json()["data"]["result"][0]["value"][1] == "1", "a scrape failed"
    return float(total[0]["value"][1])


def keep_the_promise(
    seconds: float, daemon: Any, sequence: str, backends: Backends, prometheus_url: str, wait_until: Any
) -> None:
    process = psutil.Process(daemon.pid)
    load = Load(daemon, sequence)

    def dropped(signal: str) -> float:
        return float(daemon.metric("qwatch_telemetry_dropped_total", signal=signal))

    def nothing_is_lost(jobs: list[int]) -> None:
        """Every job has all its spans and both its lines, each once."""

        def there() -> bool:
            found, lines = backends.by_job(), Counter(backends.messages())
            return all(
                set(found.get(number, ())) >= SPANS
                and lines[f"job {number} DONE"]
                and lines[f"job {number} queued"]
                for number in jobs
            )

        wait_until(there, "something was lost", 90)
        found, lines = backends.by_job(), Counter(backends.messages())
        expected = found[jobs[0]]
        for number in jobs:
            assert found[number] == expected
            assert lines[f"job {number} queued"] == lines[f"job {number} DONE"] == 1

    # (a) healthy: as many spans and lines arrive as were made.
    wait_until(lambda: scrapes(prometheus_url) > 0, "Prometheus does not scrape")
    for _ in range(4):
        nothing_is_lost(load.some(25))
    assert sum(dropped(signal) for signal in ("traces", "logs", "metrics")) == 0
    before = process.memory_info().rss

    for state in ("refuses", "hangs", "500", "429"):
        begun, scraped = len(load.jobs), scrapes(prometheus_url)
        lost = {signal: dropped(signal) for signal in ("traces", "logs", "metrics")}
        backends.fail(state)
        with load.going():
            time.sleep(seconds / 2)
            half = process.memory_info().rss
            time.sleep(seconds / 2)
        load.wait(load.jobs[begun:])
        grown = (process.memory_info().rss - half) / MEBIBYTE
        print(f"{state}: {len(load.jobs) - begun} jobs, memory {grown:+.1f} MiB", end="; ")
        assert grown < 10, f"{state}: memory grew by {grown:.1f} MiB in the second half"
        for signal, count in lost.items():
            print(f"{signal} dropped {dropped(signal) - count:.0f}", end=" ")
            assert dropped(signal) > count, f"{state}: no {signal} were counted as dropped"
        print()
        assert scrapes(prometheus_url) > scraped

        # Recovery by itself: when what waited has gone, nothing new is lost.
        backends.recover(state)

        def again() -> bool:
            (number,) = load.some(1)
            time.sleep(1.5)
            return number in backends.by_job() and f"job {number} DONE" in backends.messages()

        wait_until(again, f"{state}: it does not recover", 120)
        nothing_is_lost(load.some(10))
    grown = (process.memory_info().rss - before) / MEBIBYTE
    assert grown < 40, f"memory grew by {grown:.1f} MiB over all states"


@pytest.fixture
def stand(
    tmp_path: Path,
    run_daemon: Any,
    run_device: Any,
    device_at: Any,
    sequence_text: str,
    require_program: Any,
    free_port: Callable[[], int],
    otlp_at: Any,
    loki_at: Any,
    hang: Any,
    reply: Any,
    wait_until: Any,
) -> Iterator[Callable[[float], None]]:
    program = require_program("prometheus", package="prometheus")
    backends = Backends(otlp_at, loki_at, (free_port(), free_port()), hang, reply)
    backends.start()
    telemetry = {
        "otlp_endpoint": f"http://127.0.0.1:{backends.ports[0]}",
        "otlp_metrics": True,
        "otlp_metrics_interval": 1,
        "loki_url": f"http://127.0.0.1:{backends.ports[1]}",
        "span_limit": MOST_SPANS,
        "log_capacity": MOST_LINES,
    }
    with (
        run_device(shot_rate=1e6) as qpu,
        run_daemon(devices=[device_at(qpu.url)], telemetry=telemetry) as daemon,
        prometheus(program, tmp_path, daemon.metrics_url.removeprefix("http://"), free_port()) as url,
        scrapers_that_do_not_read(daemon.metrics_url.removeprefix("http://")),
    ):
        yield lambda seconds: keep_the_promise(seconds, daemon, sequence_text, backends, url, wait_until)
        backends.fail("hangs")
        assert daemon.stop() == 0, "a hanging backend must not keep the daemon from stopping"


@pytest.mark.timeout(600)
def test_backends_that_fail_hurt_no_work(stand: Callable[[float], None]) -> None:
    stand(float(os.environ.get("QWATCH_TEST_STATE_SECONDS", "30")))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_backends_that_fail_for_ten_minutes_hurt_no_work(stand: Callable[[float], None]) -> None:
    stand(150.0)
