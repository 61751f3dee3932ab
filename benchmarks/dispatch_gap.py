"""The idle gap between two queued jobs, and the utilization, from the device's own log."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import report
import stack
from report import Table

METHOD = """\
{jobs} jobs are queued at once in a real `qwatch serve` with a timed device (timed_device.py), which starts
a job the moment that it is posted. Gap: next start minus this end, in the device's own log; utilization:
sum of the executions / (last end - first start). The first jobs, of which nothing is known yet, are
included."""


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution on the device, in Unix seconds."""

    shots: int
    start: float
    end: float


def measure(duration: str, count: int, patience: float) -> list[Execution]:
    """Queue ``count`` jobs of ``duration`` (see timed_device.py) and return their executions."""
    with stack.running(duration) as running:
        session = running.acquire()
        for number in range(count):
            running.submit(session, 100 + number)
        deadline = time.monotonic() + patience
        done: list[Execution] = []
        while len(done) < count and time.monotonic() < deadline:
            time.sleep(0.25)
            done = executions(running.executions)
        return done


def executions(log: Path) -> list[Execution]:
    """Read the executions that ended from a device's log, in their order."""
    starts: dict[int, float] = {}
    found = []
    for line in log.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event["event"] == "start":
            starts[event["uid"]] = event["at"]
        elif event["status"] == "DONE":
            found.append(Execution(event["shots"], starts[event["uid"]], event["at"]))
    return sorted(found, key=lambda execution: execution.start)


def add_row(table: Table, duration: str, done: list[Execution], asked: int) -> None:
    """Append what the executions say."""
    gaps = [after.start - before.end for before, after in pairwise(done)]
    busy = sum(execution.end - execution.start for execution in done)
    mean = sum(gaps) / len(gaps) if gaps else float("nan")
    shots = [execution.shots for execution in done]
    table.add(
        f"{duration.replace('..', ' to ')} s",
        f"{len(done)} of {asked}",
        mean * 1000,
        report.quantile(gaps, 0.5) * 1000,
        report.quantile(gaps, 0.99) * 1000,
        100 * busy / (done[-1].end - done[0].start) if len(done) > 1 else float("nan"),
        len(shots) - len(set(shots)),
    )


def main() -> None:
    """Measure and print."""
    options = report.parser(__doc__)
    options.add_argument(
        "--durations",
        nargs="*",
        default=["1"],
        help="seconds, 'overhead+shots/rate' or 'low..high', each a row",
    )
    options.add_argument("--jobs", type=int, default=50)
    options.add_argument("--patience", type=float, default=600.0, help="most seconds to wait for a row")
    given = options.parse_args()
    table = Table(
        "Idle gap between queued jobs",
        METHOD.format(jobs=given.jobs),
        ["job length", "jobs", "mean ms", "p50 ms", "p99 ms", "utilization %", "run twice"],
    )
    machine = report.machine()
    for duration in given.durations:
        add_row(table, duration, measure(duration, given.jobs, given.patience), given.jobs)
        print(f"{duration}: done", file=sys.stderr)
    report.conclude([table], machine, given.json)


if __name__ == "__main__":
    main()
