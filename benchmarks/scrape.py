"""What observation costs: time and size of a scrape with many devices, and the CPU of an idle daemon."""

from __future__ import annotations

import gzip
import sys
import time
from dataclasses import dataclass

import httpx
import psutil
import report
import stack
from report import Table
from stack import Stack

SCRAPE_METHOD = """\
A real `qwatch serve` with so many devices (all of them the same timed device, so that each is polled), every
collector that needs no other program switched on, nothing to do. A scrape is one GET over loopback on a
connection that stays open, {scrapes} of each kind; the store's fsync is in it."""
IDLE_METHOD = """\
CPU time of the daemon's process over {seconds:.0f} s, user and system, from the kernel's account, as part of
one core. Scraped: once in 15 s, as Prometheus does, with OpenMetrics and gzip; the scrape's share is in it."""
SCRAPE_INTERVAL = 15.0
ACCEPT = "application/openmetrics-text;version=1.0.0"


@dataclass(frozen=True, slots=True)
class Scrapes:
    """Milliseconds of each scrape, and the size of the last answer before compression."""

    times: list[float]
    size: int
    samples: int


def scrape(running: Stack, count: int, **headers: str) -> Scrapes:
    """Scrape ``count`` times after three that do not count."""
    times = []
    with httpx.Client(base_url=running.metrics_url, timeout=60, headers=headers) as client:
        for number in range(count + 3):
            started = time.perf_counter()
            answer = client.get("/metrics")
            if number >= 3:
                times.append((time.perf_counter() - started) * 1000)
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return Scrapes(times, len(answer.content), len(lines))


def idle(running: Stack, seconds: float, scraped: bool) -> float:
    """Return the part of a core that the daemon takes while it has nothing to do."""
    process = psutil.Process(running.daemon.pid)
    headers = {"accept": ACCEPT, "accept-encoding": "gzip"}
    begun, before = time.monotonic(), sum(process.cpu_times()[:2])
    due = begun + SCRAPE_INTERVAL / 2
    with httpx.Client(base_url=running.metrics_url, timeout=60, headers=headers) as client:
        while (now := time.monotonic()) < begun + seconds:
            if scraped and now >= due:
                client.get("/metrics")
                due += SCRAPE_INTERVAL
            time.sleep(min(0.5, max(begun + seconds - now, 0.0)))
    return (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - begun)


def main() -> None:
    """Measure and print."""
    options = report.parser(__doc__)
    options.add_argument("--devices", type=int, nargs="*", default=[1, 10, 100])
    options.add_argument("--scrapes", type=int, default=50)
    options.add_argument("--idle", type=float, default=60.0, help="seconds of idleness to measure")
    given = options.parse_args()
    machine = report.machine()
    scrapes = Table(
        "Scrapes",
        SCRAPE_METHOD.format(scrapes=given.scrapes),
        [
            "devices",
            "text p50 ms",
            "p99 ms",
            "OpenMetrics, gzip p50 ms",
            "p99 ms",
            "KiB",
            "gzip KiB",
            "samples",
        ],
    )
    cost = Table(
        "An idle daemon",
        IDLE_METHOD.format(seconds=given.idle),
        ["devices", "% of a core", "scraped, % of a core"],
    )
    for devices in given.devices:
        with stack.running("0", devices=devices) as running:
            plain = scrape(running, given.scrapes)
            packed = scrape(running, given.scrapes, accept=ACCEPT)
            text = httpx.get(f"{running.metrics_url}/metrics", headers={"accept": ACCEPT}, timeout=60).content
            scrapes.add(
                devices,
                report.quantile(plain.times, 0.5),
                report.quantile(plain.times, 0.99),
                report.quantile(packed.times, 0.5),
                report.quantile(packed.times, 0.99),
                plain.size / 1024,
                len(gzip.compress(text, 6)) / 1024,
                plain.samples,
            )
            if given.idle > 0:
                cost.add(devices, *(100 * idle(running, given.idle, scraped) for scraped in (False, True)))
        print(f"{devices} devices: done", file=sys.stderr)
    report.conclude([scrapes, cost] if given.idle > 0 else [scrapes], machine, given.json)


if __name__ == "__main__":
    main()
