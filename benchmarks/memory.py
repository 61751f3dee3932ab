"""Memory of each process, bytes of the store per job, and what a long history costs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import report
import stack
import workload
from history import fill
from report import Table
from sqlalchemy import Connection, create_engine
from stack import Stack

from qwatch.scheduler import jobs, queue_state

MEBIBYTE = 2**20
BODY_BYTES = 50 * MEBIBYTE

MEMORY_METHOD = """\
Resident memory, in parentheses the most it ever was. Jobs run to their end on a timed device that takes no
time (the daemon) and on the emulated QPU (itself and its simulation process). The body of {body} MiB goes
to POST /jobs."""
STORE_METHOD = """\
SQLite after a checkpoint, {jobs} jobs with their sequence ({size} bytes), log, slice and a small result."""
HISTORY_METHOD = """\
A store filled with that many jobs (without sequences, which no query reads); the device is down, so that
what waits goes on waiting. Query: the next job of a device, and the queue's counts, by the scheduler's own
functions, median of 200. Scrape: /metrics over HTTP, median of 20 and the slowest."""


def resident(process: psutil.Process) -> str:
    """Return what a process holds in memory now and the most it ever held, in MiB."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    most = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return f"{process.memory_info().rss / MEBIBYTE:.0f} ({most / 1024:.0f}) MiB"


def run_jobs(running: Stack, session: str, count: int, patience: float) -> int:
    """Submit ``count`` jobs and wait until they have ended; return how many did."""
    ended = 0
    finished = _ended(running)
    deadline = time.monotonic() + patience
    with httpx.Client(base_url=running.api_url, timeout=10) as client:
        body = {"sequence": workload.sequence(), "shots": 100}
        for _ in range(count):
            client.post("/jobs", json=body, headers={"x-warden-session": session, **running.credential()})
    while ended < count and time.monotonic() < deadline:
        time.sleep(0.2)
        ended = _ended(running) - finished
    return ended


def _ended(running: Stack) -> int:
    return int(sum(running.metric("qpu_jobs_finished_total").values()))


def refuse_large_body(running: Stack, session: str, declared: bool) -> str:
    """Send a body of 50 MiB, with its length in the header or not; return what came back and when."""

    def pieces() -> Iterator[bytes]:
        yield b'{"shots": 100, "sequence": "'
        for _ in range(BODY_BYTES // MEBIBYTE):
            yield b"x" * MEBIBYTE
        yield b'"}'

    content = b"".join(pieces()) if declared else pieces()
    headers = {"x-warden-session": session, "content-type": "application/json", **running.credential()}
    started = time.perf_counter()
    try:
        answer = httpx.post(f"{running.api_url}/jobs", content=content, headers=headers, timeout=60)
        seen = str(answer.status_code)
    except httpx.HTTPError as error:
        seen = f"{type(error).__name__} (the connection was closed)"
    return f"{seen} after {(time.perf_counter() - started) * 1000:.0f} ms"


def daemon_rows(table: Table, store: Table, count: int, patience: float) -> None:
    """Measure the daemon: idle, after jobs, after large bodies; and what a job takes in the store."""
    with stack.running("0") as running:
        daemon = psutil.Process(running.daemon.pid)
        session = running.acquire()
        table.add("daemon", "idle", resident(daemon), "")
        empty = _stored(running)
        started = time.monotonic()
        ended = run_jobs(running, session, count, patience)
        table.add(
            "daemon",
            f"{ended} jobs run",
            resident(daemon),
            f"{ended / (time.monotonic() - started):.0f} jobs/s",
        )
        store.add(ended, (_stored(running) - empty) / max(ended, 1))
        for declared in (True, False):
            answer = refuse_large_body(running, session, declared)
            name = f"one body of {BODY_BYTES // MEBIBYTE} MiB, {'length told' if declared else 'in chunks'}"
            table.add("daemon", name, resident(daemon), answer)


def _stored(running: Stack) -> int:
    engine = create_engine(f"sqlite:///{running.store}")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(FULL)")
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        size = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    engine.dispose()
    return int(pages) * int(size)


def emulator_rows(table: Table, count: int, patience: float) -> None:
    """Measure the emulated QPU and its simulation process: idle, and after jobs."""
    with stack.folder() as directory:
        port = stack.free_port()
        settings = directory / "emulator.json"
        settings.write_text(json.dumps({"overhead": 0.0}), encoding="utf-8")
        command = [sys.executable, "-m", "qwatch.cli.main", "emulate", "--port", str(port)]
        command += ["--name", workload.DEVICE, "--shot-rate", "1e6", "--settings", str(settings)]
        with stack.running("0", device_command=command, device_port=port, directory=directory) as running:
            session = running.acquire()
            _emulator_rows(table, running, "idle", "")
            started = time.monotonic()
            ended = run_jobs(running, session, count, patience)
            rate = f"{ended / (time.monotonic() - started):.0f} jobs/s"
            _emulator_rows(table, running, f"{ended} jobs run", rate)


def _emulator_rows(table: Table, running: Stack, situation: str, note: str) -> None:
    server = psutil.Process(running.device.pid)
    table.add("emulated QPU", situation, resident(server), note)
    for child in server.children(recursive=True):
        table.add("its simulation process", situation, resident(child), "")


def history_rows(table: Table, history: int, pending: int) -> None:
    """Measure queries and scrapes with jobs in the store."""
    with stack.folder() as directory:
        database = directory / "qwatch.db"
        fill(database, history, pending)
        with stack.running("0", status="DOWN", directory=directory) as running:
            following = _median_of(
                database, lambda connection: jobs.oldest_pending(connection, workload.DEVICE)
            )
            counts = _median_of(database, queue_state.counts)
            scrapes = []
            for _ in range(20):
                started = time.perf_counter()
                httpx.get(f"{running.metrics_url}/metrics", timeout=60)
                scrapes.append((time.perf_counter() - started) * 1000)
            daemon = psutil.Process(running.daemon.pid)
            table.add(
                history,
                pending,
                following,
                counts,
                report.quantile(scrapes, 0.5),
                max(scrapes),
                resident(daemon),
            )


def _median_of(database: Path, query: Callable[[Connection], object]) -> float:
    engine = create_engine(f"sqlite:///{database}")
    times = []
    for _ in range(200):
        with engine.connect() as connection:
            started = time.perf_counter()
            query(connection)
            times.append((time.perf_counter() - started) * 1000)
    engine.dispose()
    return report.quantile(times, 0.5)


def main() -> None:
    """Measure and print."""
    options = report.parser(__doc__)
    options.add_argument("--jobs", type=int, default=10_000, help="jobs that the daemon runs")
    options.add_argument("--emulated-jobs", type=int, default=100, help="jobs that the emulated QPU runs")
    options.add_argument("--history", type=int, default=100_000)
    options.add_argument("--pending", type=int, default=20_000)
    options.add_argument("--patience", type=float, default=600.0, help="longest time to wait for jobs, seconds")
    given = options.parse_args()
    machine = report.machine()
    memory = Table(
        "Memory",
        MEMORY_METHOD.format(body=BODY_BYTES // MEBIBYTE),
        ["process", "after", "resident (most)", "note"],
    )
    store = Table(
        "Store", STORE_METHOD.format(jobs=given.jobs, size=len(workload.sequence())), ["jobs", "bytes a job"]
    )
    daemon_rows(memory, store, given.jobs, given.patience)
    emulator_rows(memory, given.emulated_jobs, given.patience)
    history = Table(
        "A long history",
        HISTORY_METHOD,
        ["ended", "pending", "next job ms", "counts ms", "scrape ms", "slowest ms", "daemon"],
    )
    for ended, pending in (
        (0, 0),
        (given.history // 10, 0),
        (given.history, 0),
        (given.history, given.pending),
    ):
        history_rows(history, ended, pending)
    report.conclude([memory, store, history], machine, given.json)


if __name__ == "__main__":
    main()
