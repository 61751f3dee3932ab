"""The arithmetic from what one job and one device cost to fleets of QPUs: rates, series and gigabytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from report import Table

from qwatch.scheduler.privacy.settings import RetentionSettings

DAY = 86_400.0
SCRAPE_SECONDS = 5.0
"""As compose/prometheus/prometheus.yml scrapes the daemon."""
SAMPLE_BYTES = 2.0
"""The upper end of the 1 to 2 bytes that Prometheus' documentation gives for its storage."""
METRICS_DAYS, LOGS_DAYS, TRACES_DAYS, STORE_DAYS = 90, 30, 30, 365
_GIGA = 1e9

METHOD = """\
Arithmetic, not a measurement: n QPUs, j jobs a QPU and day, all served by one daemon. Series = {fixed} +
n * {device}; samples/s = series / {scrape:g} s; metrics = samples/s * {day:.0f} * {metrics_days} days *
{sample:g} bytes (the upper end that Prometheus documents). Spans/s = n * j * {spans:.2f} / {day:.0f};
traces, as OTLP and with gzip = n * j * {trace:.0f} (or {trace_packed:.0f}) bytes * {traces_days} days;
logs = n * j * {log:.0f} (or {log_packed:.0f}) bytes * {logs_days} days; a backend's own format lies
between or below the two. Store = n * j * {store:.0f} bytes: what the jobs of a day leave of each table,
times its days of retention by default, but at most {store_days} days. Daemon = n * j * {cpu:.2f} ms /
{day:.0f} s + n * {idle:g} % of a core (idle, of an earlier measurement). New series a day: n * j /
{program_jobs} programs, each of which sends its measurements by OTLP under an instance of its own, *
{program_series:.0f}."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What was measured: bytes and counts a job, series, CPU.

    ``store_bytes`` is what a job a day comes to in a year;
    ``spans`` and ``trace_bytes`` have both halves in them, the daemon's and the program's.
    """

    daemon_series: float
    device_series: float
    spans: float
    trace_bytes: float
    trace_packed: float
    lines: float
    log_bytes: float
    log_packed: float
    store_bytes: float
    cpu_milliseconds: float
    program_series: float
    program_jobs: int
    idle_percent: float = 0.03


def stored_in_a_year(groups: Mapping[str, float]) -> float:
    """Return the bytes that one job a day leaves after a year, of the bytes a job in each group of tables."""
    kept = RetentionSettings()
    days = {
        "payload": kept.payloads_and_results,
        "result": kept.payloads_and_results,
        "log": kept.job_log,
        "operational": kept.jobs,
        "ledger": kept.ledger_jobs,
        "activity": kept.device_activity,
        "transient": 0.0,
    }
    return sum(
        size * min(STORE_DAYS if (limit := days[group]) is None else limit, STORE_DAYS)
        for group, size in groups.items()
    )


def table(one: Footprint, qpus: list[int], jobs_a_day: list[int]) -> Table:
    """Return the figures of each fleet."""
    made = Table(
        "Fleets",
        METHOD.format(
            fixed=round(one.daemon_series),
            device=round(one.device_series),
            scrape=SCRAPE_SECONDS,
            day=DAY,
            metrics_days=METRICS_DAYS,
            sample=SAMPLE_BYTES,
            spans=one.spans,
            trace=one.trace_bytes,
            trace_packed=one.trace_packed,
            traces_days=TRACES_DAYS,
            log=one.log_bytes,
            log_packed=one.log_packed,
            logs_days=LOGS_DAYS,
            store=one.store_bytes,
            store_days=STORE_DAYS,
            cpu=one.cpu_milliseconds,
            idle=one.idle_percent,
            program_series=one.program_series,
            program_jobs=one.program_jobs,
        ),
        [
            "QPUs",
            "jobs/QPU/day",
            "jobs/s",
            "series",
            "samples/s",
            f"metrics {METRICS_DAYS} d GB",
            "spans/s",
            f"traces {TRACES_DAYS} d GB",
            "gzip GB",
            "lines/s",
            f"logs {LOGS_DAYS} d GB",
            "gzip GB",
            "store, a year GB",
            "daemon, % of a core",
            "new series a day",
        ],
    )
    for count in qpus:
        for jobs in jobs_a_day:
            daily = count * jobs
            series = one.daemon_series + count * one.device_series
            samples = series / SCRAPE_SECONDS
            made.add(
                count,
                jobs,
                daily / DAY,
                round(series),
                samples,
                samples * DAY * METRICS_DAYS * SAMPLE_BYTES / _GIGA,
                daily * one.spans / DAY,
                daily * one.trace_bytes * TRACES_DAYS / _GIGA,
                daily * one.trace_packed * TRACES_DAYS / _GIGA,
                daily * one.lines / DAY,
                daily * one.log_bytes * LOGS_DAYS / _GIGA,
                daily * one.log_packed * LOGS_DAYS / _GIGA,
                daily * one.store_bytes / _GIGA,
                100 * daily * one.cpu_milliseconds / 1000 / DAY + count * one.idle_percent,
                round(daily / one.program_jobs * one.program_series),
            )
    return made
