"""What a scrape costs the store: the queue's collector with a long history and jobs that wait."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from pathlib import Path

import report
import stack
import workload
from history import fill
from prometheus_client import CollectorRegistry
from report import Table
from sqlalchemy import create_engine, text

from qwatch.collectors.queue import QueueCollector
from qwatch.scheduler.scheduler import Scheduler
from qwatch.scheduler.settings import ApiSettings, DeviceSettings, SchedulerSettings, StoreSettings
from qwatch.telemetry.instruments import Instruments

METHOD = """\
A store filled with that many jobs that have ended and that wait (without sequences, which no query reads). The
collector runs in this process on the store's read side, {rounds} times after ten that do not count; the file
was just written, so it is in the system's cache."""


def measure(database: Path, rounds: int) -> list[float]:
    """Return the milliseconds of each round of the collector."""
    device = DeviceSettings(name=workload.DEVICE, url="http://127.0.0.1:1", simulator=True)
    scheduler = Scheduler(
        ApiSettings(),
        StoreSettings(url=f"sqlite:///{database}"),
        [device],
        SchedulerSettings(),
        Instruments(CollectorRegistry()),
    )
    collector = QueueCollector(scheduler)
    times = []
    gc.collect()
    for _ in range(rounds + 10):
        started = time.perf_counter()
        list(collector.collect())
        times.append((time.perf_counter() - started) * 1000)
    asyncio.run(scheduler.store.stop())
    return times[10:]


def main() -> None:
    """Measure and print."""
    options = report.parser(__doc__)
    options.add_argument("--history", type=int, default=1_000_000, help="jobs that have ended")
    options.add_argument("--pending", type=int, nargs="*", default=[0, 100, 1000, 10_000])
    options.add_argument("--rounds", type=int, default=200)
    given = options.parse_args()
    machine = report.machine()
    table = Table(
        "A scrape of the queue",
        METHOD.format(rounds=given.rounds),
        ["ended", "pending", "p50 ms", "p99 ms", "store MiB"],
    )
    for ended in dict.fromkeys((0, given.history)):
        with stack.folder() as directory:
            database = directory / "qwatch.db"
            fill(database, ended, max(given.pending))
            for pending in sorted(given.pending, reverse=True):
                end_all_but(database, pending)
                times = measure(database, given.rounds)
                size = os.path.getsize(database) / 2**20
                table.add(ended, pending, report.quantile(times, 0.5), report.quantile(times, 0.99), size)
    report.conclude([table], machine, given.json)


def end_all_but(database: Path, pending: int) -> None:
    """Let so many jobs wait and end the others."""
    engine = create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE jobs SET state = 'DONE', started_at = created_at, ended_at = created_at"
                " WHERE state = 'PENDING' AND id <= (SELECT max(id) FROM jobs) - :pending"
            ),
            {"pending": pending},
        )
    engine.dispose()


if __name__ == "__main__":
    main()
