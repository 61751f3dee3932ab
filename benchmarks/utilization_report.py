"""What a utilization report over many jobs costs: seconds and memory of the real command, on SQLite."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import report
import stack
from report import Table
from sqlalchemy import Connection, create_engine, insert

from qwatch.scheduler import schema
from qwatch.scheduler.tables import (
    device_activity,
    devices,
    ledger_jobs,
    ledger_quality,
    metadata,
    sessions,
    slices,
)

METHOD = """\
A store on SQLite with {jobs:,} jobs that ended in the month that is reported and {past:,} in the year before
it (one device, about 400 users of 40 accounts with very different shares, four classes, a slice a job, a
session of 50 jobs, an idle time after every tenth job, a fault after every 30,000th, a quality sample an hour).
`qwatch report --format FORMAT --out FILE` runs as a process of its own, {rounds} times after one that does not
count, so that the file is in the system's cache: seconds from its start to its end, interpreter and imports
included, seconds that the report itself says it took, and CPU seconds and greatest resident memory of the
process."""

_MONTH = "2026-10"
_BEGIN, _END = 1_790_812_800.0, 1_793_491_200.0
_YEAR = 365 * 86_400.0
_AT_ONCE = 20_000
_CHILD = """\
import resource, runpy, sys
sys.argv = ["qwatch", *sys.argv[1:]]
try:
    runpy.run_module("qwatch.cli.main", run_name="__main__")
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    print("used", used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def fill(database: Path, jobs: int, past: int) -> None:
    """Make the store."""
    engine = create_engine(f"sqlite:///{database}")
    schema.upgrade(engine)
    chance = random.Random(1)
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.execute(insert(devices), [{"qpu_id": "FRESNEL", "time_as_of": _END}])
        _insert(connection, ledger_quality.name, _quality())
        rows = _rows(chance, jobs, past)
        while batch := [row for _, row in zip(range(_AT_ONCE), rows, strict=False)]:
            for table in (ledger_jobs, slices, device_activity, sessions):
                _insert(connection, table.name, (row for name, row in batch if name == table.name))
    engine.dispose()


def _insert(connection: Connection, table: str, rows: Iterator[dict[str, Any]]) -> None:
    if found := list(rows):
        connection.execute(insert(metadata.tables[table]), found)


def _quality() -> Iterator[dict[str, Any]]:
    for hour in range(int((_END - _BEGIN) / 3600)):
        yield {
            "qpu_id": "FRESNEL",
            "at": _BEGIN + hour * 3600.0,
            "source": "quality_job",
            "metric": "qpu.rabi_frequency.deviation",
            "labels": '{"channel": "global"}',
            "value": 0.001 * (hour % 24),
            "uncertainty": 0.001,
        }


def _rows(chance: random.Random, jobs: int, past: int) -> Iterator[tuple[str, dict[str, Any]]]:
    number = 0
    for begin, end, count in ((_BEGIN - _YEAR, _BEGIN, past), (_BEGIN, _END, jobs)):
        step = (end - begin) / max(count, 1)
        for place in range(count):
            number += 1
            yield from _job(chance, number, begin + place * step, step)


def _job(chance: random.Random, number: int, begin: float, step: float) -> Iterator[tuple[str, dict[str, Any]]]:
    user = min(int(chance.expovariate(1 / 40)), 400)
    session, new_session = divmod(number, 50)
    length = chance.uniform(0.2, 0.9) * step
    start, end = begin + 0.05 * step, begin + 0.05 * step + length
    if number % 10 == 0:
        fault = number % 30_000 == 0
        yield "device_activity", _activity("fault" if fault else "idle", begin + 0.01 * step)
        yield "device_activity", _activity("dispatch", begin + 0.02 * step)
    error = chance.random() < 0.05
    who = {"user_name": f"user{user:03}", "account": f"account{user % 40:02}", "qpu_id": "FRESNEL"}
    slurm = {"slurm_job_id": str(100_000 + session)}
    if new_session == 0:
        held = {"created_at": begin, "ended_at": begin + 60 * step, "outcome": "released"}
        token = {"token_sha256": f"{session:064}", "uid": 1000 + user, "created_by": 0}
        yield "sessions", {"id": session + 1} | who | slurm | held | token
    yield (
        "ledger_jobs",
        who
        | slurm
        | {
            "source": "qwatch",
            "job": str(number),
            "session": str(session + 1),
            "uid": 1000 + user,
            "resource_type": "pasqal-local",
            "job_class": chance.choice(("production",) * 6 + ("test", "development", "qa")),
            "sdk": chance.choice(("pulser", "qiskit", None)),
            "shots_requested": 100,
            "shots_executed": 0 if error else 100,
            "created_at": start - chance.expovariate(1 / 900),
            "started_at": start,
            "ended_at": end,
            "busy_seconds": length,
            "state": "ERROR" if error else "DONE",
            "reason": "device_error" if error else "none",
            "possible_double": False,
            "trace_id": f"{number:032x}",
        },
    )
    yield (
        "slices",
        {
            "job_id": number,
            "qpu_id": "FRESNEL",
            "shots": 100,
            "state": "done",
            "device_uid": str(number),
            "claimed_at": begin + 0.03 * step,
            "posted_at": start,
            "started_at": start,
            "ended_at": end,
            "observed_end_at": end,
            "fetched_at": end,
        },
    )


def _activity(activity: str, since: float) -> dict[str, Any]:
    return {"qpu_id": "FRESNEL", "activity": activity, "reason": "", "since": since}


def measure(database: Path, how: str, rounds: int) -> dict[str, list[float]]:
    """Return seconds of each round, those of the report alone, CPU seconds, and the memory in MiB."""
    whole, alone, processor, memory = [], [], [], []
    out = database.parent / f"report.{how}"
    options = ["report", "--store", str(database), "--month", _MONTH, "--timezone", "UTC", "--format", how]
    for _ in range(rounds + 1):
        began = time.perf_counter()
        child = subprocess.run(
            [sys.executable, "-c", _CHILD, *options, "--out", str(out)],
            check=True,
            capture_output=True,
            text=True,
        )
        whole.append(time.perf_counter() - began)
        *_, seconds, peak = child.stdout.split()
        processor.append(float(seconds))
        memory.append(int(peak) / 1024)
        if how == "json":
            alone.append(float(json.loads(out.read_text(encoding="utf-8"))["took_seconds"]))
    return {"whole": whole[1:], "alone": alone[1:], "processor": processor[1:], "memory": memory[1:]}


def main() -> None:
    """Measure and print."""
    options = report.parser(__doc__)
    options.add_argument("--jobs", type=int, nargs="*", default=[1_000_000], help="jobs in the period")
    options.add_argument("--past", type=int, default=200_000, help="jobs in the year before it")
    options.add_argument("--formats", nargs="*", default=["json", "md"], help="json, md, csv, html")
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    machine = report.machine()
    table = Table(
        "A utilization report",
        METHOD.format(jobs=max(given.jobs), past=given.past, rounds=given.rounds),
        ["format", "jobs", "command s", "most s", "report alone s", "CPU s", "MiB", "store MiB"],
    )
    for jobs in given.jobs:
        with stack.folder() as directory:
            database = directory / "qwatch.db"
            fill(database, jobs, given.past)
            size = os.path.getsize(database) / 2**20
            for how in given.formats:
                told = measure(database, how, given.rounds)
                middle, processor = (report.quantile(told[name], 0.5) for name in ("whole", "processor"))
                inner = report.quantile(told["alone"], 0.5) if told["alone"] else None
                most = max(told["whole"])
                table.add(how, jobs, middle, most, inner, processor, max(told["memory"]), size)
    report.conclude([table], machine, given.json)


if __name__ == "__main__":
    main()
