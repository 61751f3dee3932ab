"""The series of a daemon: of each device and of itself, at first and when every kind of job has run."""

from __future__ import annotations

import gzip
import os
import time
from dataclasses import dataclass
from statistics import median
from typing import Any

import httpx
import stack
import workload
from report import Table
from scrape import ACCEPT
from stack import Stack

from qwatch.telemetry.labels import JOB_CLASSES

FINAL = ("DONE", "CANCELED", "ERROR")
_PATIENCE = 60.0
_ROUNDS = 5

METHOD = """\
GET of /metrics as OpenMetrics with gzip (ms: median of five), of a daemon with so many devices (all of
them the same timed device). First: as soon as the devices are seen; after: when every device has run a
job of each class ({classes}), without a trace of its own; programs: after those of the first table,
which are traced. A series is a line that is no comment; of a device: with the label qpu_id."""


def series_table() -> Table:
    """Return an empty table for :func:`series_rows`."""
    columns = ["devices", "scrape", "series", "of a device", "others", "KiB", "gzip KiB", "exemplars", "ms"]
    return Table("Series", METHOD.format(classes=", ".join(JOB_CLASSES)), columns)


@dataclass(frozen=True, slots=True)
class Exposition:
    """One answer of /metrics."""

    of_devices: int
    others: int
    exemplars: int
    size: int
    packed: int
    milliseconds: float


def exposition(running: Stack) -> Exposition:
    """Read /metrics, a few times."""
    times = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        answer = httpx.get(f"{running.metrics_url}/metrics", headers={"accept": ACCEPT}, timeout=60)
        times.append((time.perf_counter() - started) * 1000)
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    of_devices = sum('qpu_id="' in line for line in lines)
    exemplars = sum(" # {" in line for line in lines)
    packed = len(gzip.compress(answer.content, 6))
    others = len(lines) - of_devices
    return Exposition(of_devices, others, exemplars, len(answer.content), packed, median(times))


def series_rows(table: Table, devices: int, telemetry: dict[str, Any]) -> tuple[Exposition, Exposition]:
    """Read /metrics of a daemon with so many devices before and after jobs of all classes."""
    with stack.running("0", devices=devices, telemetry=telemetry) as running:
        first = exposition(running)
        for number in range(1, devices + 1):
            run_all_classes(running, workload.DEVICE if number == 1 else f"{workload.DEVICE}_{number}")
        after = exposition(running)
    add(table, devices, "first", first)
    add(table, devices, "after", after)
    return first, after


def add(table: Table, devices: int, when: str, found: Exposition) -> None:
    """Add one answer of /metrics."""
    table.add(
        devices,
        when,
        found.of_devices + found.others,
        found.of_devices / devices,
        found.others,
        found.size / 1024,
        found.packed / 1024,
        found.exemplars,
        found.milliseconds,
    )


def run_all_classes(running: Stack, device: str) -> None:
    """Run one job of each class on a device, one after the other."""
    with httpx.Client(base_url=f"{running.api_url}/devices/{device}", timeout=30) as client:
        body: dict[str, Any] = {"user_id": str(os.getuid()), "slurm_job_id": "1"}
        session = (
            client.post("/sessions", json=body, headers=running.credential()).raise_for_status().json()["id"]
        )
        body = {"sequence": workload.sequence(), "shots": 100}
        for job_class in JOB_CLASSES:
            headers = {"x-warden-session": session, **running.credential()}
            posted = client.post(f"/classes/{job_class}/jobs", json=body, headers=headers).raise_for_status()
            number = posted.json()["id"]
            deadline = time.monotonic() + _PATIENCE
            while True:
                headers = {"x-warden-session": session, **running.credential()}
                state = client.get(f"/jobs/{number}", headers=headers).raise_for_status().json()["status"]
                if state in FINAL:
                    break
                if time.monotonic() > deadline:
                    raise SystemExit(f"job {number} on {device} does not end: {state}")
                time.sleep(0.05)
