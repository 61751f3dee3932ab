"""qwatch itself: is it well, does it lose anything, and do its books agree?"""

from __future__ import annotations

from ...telemetry import labels, log_fields
from ...telemetry import own_metrics as own
from ...telemetry.promql import (
    CLUSTER,
    SCRAPE_LABELS,
    SCRAPE_UP,
    Matches,
    increase,
    none_of,
    quantile,
    rate,
    recorded,
    select,
    summed,
)
from .. import palette
from ..grafana import LokiTarget, Panel, PrometheusTarget
from ..panel_types import (
    FEW_WORDS,
    NONE_OR_NOT_TOLD,
    ONLY_WORDS,
    Thresholds,
    logs,
    stat,
    time_series,
)

RANGE = "$__range"
BAD_IF_ANY: Thresholds = ((None, palette.NEUTRAL), (0, palette.GOOD), (1, palette.BAD))
WARN_IF_ANY: Thresholds = ((None, palette.NEUTRAL), (0, palette.GOOD), (1, palette.WARNING))
STORE_LIMITS: Thresholds = (
    (None, palette.NEUTRAL),
    (0, palette.GOOD),
    (0.1, palette.WARNING),
    (0.5, palette.BAD),
)
"""QwatchStoreSlow fires at half a second."""
_KNOWN = {labels.ACTIVITY.name: none_of("unknown")}
"""The activities that the ledger and the counters must agree on."""
_EACH_TARGET = ", ".join(SCRAPE_LABELS)


def version(site: Matches) -> Panel:
    """Say what is running."""
    named = summed(f"last_over_time({select(own.BUILD_INFO, site, RANGE)})", ("version", "schema"))
    return stat(
        "Version",
        "Version of qwatch and revision of its store's schema. Two of them: an upgrade is under way, or was "
        "left half done.",
        "none",
        PrometheusTarget(named, "{{version}}, schema {{schema}}", instant=True),
        decimals=0,
        show_name=True,
    )


def processes(site: Matches) -> Panel:
    """Say how many of qwatch's processes Prometheus reaches."""
    exposed = f"group by ({_EACH_TARGET}) (last_over_time({select(own.BUILD_INFO, site, RANGE)}))"
    up = recorded(SCRAPE_UP, site)
    return stat(
        "Processes down",
        "Processes of qwatch that were scraped in the board's time range and cannot be scraped now.",
        "short",
        PrometheusTarget(
            f"count(({up} == 0) and on ({_EACH_TARGET}) {exposed}) or 0 * count({exposed})", instant=True
        ),
        decimals=0,
        limits=BAD_IF_ANY,
    )


def series_dropped_now(site: Matches) -> Panel:
    """Say how many samples were left out by the guard."""
    return stat(
        "Samples dropped",
        "Samples left out in the board's time range because their metric has more series than "
        "metrics.most_series allows. Something makes labels without end.",
        "short",
        PrometheusTarget(increase(own.SERIES_DROPPED, site, RANGE), instant=True),
        decimals=0,
        limits=WARN_IF_ANY,
    )


def http_failing(site: Matches) -> Panel:
    """Say which share of requests the API itself failed."""
    count = f"{own.HTTP_DURATION.prometheus_name}_count"

    def counted(of: Matches) -> str:
        return f"sum(increase({recorded(count, {**site, **of})}[{RANGE}]))"

    return stat(
        "HTTP 5xx",
        "Share of the requests to the job API that qwatch itself failed, over the board's time range.",
        "percentunit",
        PrometheusTarget(
            f"({counted({'status': '5xx'})} or 0 * {counted({})}) / ({counted({})} > 0)", instant=True
        ),
        decimals=2,
        limits=((None, palette.NEUTRAL), (0, palette.GOOD), (0.001, palette.WARNING), (0.05, palette.BAD)),
        none="no requests",
    )


def store_write(site: Matches) -> Panel:
    """Say how long a write takes."""
    return stat(
        "Store write, p90",
        "90% of the writes to the store took less, commit included, over the board's time range. Every change "
        "of a job waits for one.",
        "s",
        PrometheusTarget(
            quantile(0.9, own.STORE_DURATION, {**site, "operation": "write"}, RANGE), instant=True
        ),
        decimals=1,
        limits=STORE_LIMITS,
        none=FEW_WORDS,
    )


def ledger_now(site: Matches) -> Panel:
    """Say by how much counters and ledger differ."""
    known = {**site, **_KNOWN}
    return stat(
        "Ledger difference",
        "Largest difference between the time counters and the ledger, of any device and activity; the time "
        "that is unknown is left out. Tolerated: 60 s or 1 %, whichever is more.",
        "s",
        PrometheusTarget(f"max(abs({select(own.LEDGER_DIFFERENCE, known)}))", instant=True),
        decimals=1,
        limits=((None, palette.NEUTRAL), (0, palette.GOOD), (60, palette.WARNING), (600, palette.BAD)),
    )


def requests(site: Matches) -> Panel:
    """Draw the requests to the API."""
    count = f"{own.HTTP_DURATION.prometheus_name}_count"
    return time_series(
        "Requests to the job API",
        "Requests a second by class of their status. 5xx are qwatch's own failures, 4xx are refused requests.",
        "reqps",
        PrometheusTarget(f"sum by (status) (rate({recorded(count, site)}[$__rate_interval]))", "{{status}}"),
        decimals=1,
        stacked=True,
        overrides=palette.coloured_as({"2xx": "green", "3xx": "blue", "4xx": "yellow", "5xx": "red"}),
    )


def request_durations(site: Matches, window: str) -> Panel:
    """Draw how long requests take."""
    return time_series(
        "Slowest routes of the job API",
        "90% of the requests to a route took less, over the window; the five slowest routes.",
        "s",
        PrometheusTarget(
            f"topk(5, {quantile(0.9, own.HTTP_DURATION, site, window, ('method', 'route'))})",
            "{{method}} {{route}}",
        ),
        decimals=1,
        fill=0,
        logarithmic=True,
        none=NONE_OR_NOT_TOLD,
    )


def store(site: Matches, window: str) -> Panel:
    """Draw how long operations of the store take."""
    return time_series(
        "Store",
        "How long reads and writes of the store took, commit included, over the window. Above half a second "
        "for writes QwatchStoreSlow fires.",
        "s",
        *(
            PrometheusTarget(
                quantile(share, own.STORE_DURATION, site, window, ("operation",)), f"{{{{operation}}}} {name}"
            )
            for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
        ),
        decimals=1,
        fill=0,
        logarithmic=True,
        none=NONE_OR_NOT_TOLD,
    )


def _or_none(rates: str, label: str) -> str:
    """Return the rates that are above 0, and where none is, a flat zero by the name of none."""
    return f'{rates} > 0 or on () label_replace(0 * {summed(rates)}, "{label}", "none", "", "")'


def dropped(site: Matches) -> Panel:
    """Draw the telemetry that was lost, and why."""
    each = rate(own.TELEMETRY_DROPPED, site, "$__rate_interval", ("signal", "reason"))
    return time_series(
        "Telemetry dropped",
        "Spans, points and log records a second that did not reach their backend, by signal and reason. Jobs "
        "are not affected. Zero is right.",
        "suffix:/s",
        PrometheusTarget(_or_none(each, "signal"), "{{signal}} {{reason}}"),
        decimals=2,
        soft_maximum=1,
    )


def series_dropped(site: Matches) -> Panel:
    """Draw the samples that the guard left out."""
    each = rate(own.SERIES_DROPPED, site, "$__rate_interval", ("metric",))
    return time_series(
        "Samples dropped by metric",
        "Samples a second left out because their metric has more series than metrics.most_series allows. "
        "Zero is right.",
        "suffix:/s",
        PrometheusTarget(_or_none(each, "metric"), "{{metric}}"),
        decimals=2,
        soft_maximum=1,
    )


def ledger(site: Matches) -> Panel:
    """Draw the differences between counters and ledger."""
    each = (labels.QPU_ID.name,)
    name = select(own.LEDGER_DIFFERENCE, {**site, **_KNOWN})
    return time_series(
        "Counters against ledger",
        "Largest difference between the time counters and the ledger of each device. A step: one of them "
        "missed something, and LedgerMismatch or qwatch report will say so.",
        "s",
        PrometheusTarget(f"max by ({', '.join((CLUSTER, *each))}) (abs({name}))", "{{qpu_id}}"),
        decimals=1,
        fill=0,
    )


def warnings() -> Panel:
    """Show what qwatch complained about."""
    lines = f'{{{log_fields.STREAM_LABELS[0]}=~".+", {log_fields.STREAM_LABELS[2]}=~"warning|error|critical"}}'
    return logs(
        "Warnings and errors",
        "Log lines of qwatch of level warning and above; expand one for its fields and its trace.",
        LokiTarget(lines),
    )


def scrapes(site: Matches) -> Panel:
    """Say how long a scrape takes."""
    exposed = f"group by ({_EACH_TARGET}) ({select(own.BUILD_INFO, site)})"
    duration = recorded("scrape_duration_seconds", site)
    return stat(
        "Scrape takes",
        "How long Prometheus's last scrape of qwatch took, of several processes the longest. Near the scrape's "
        "timeout, data goes missing.",
        "s",
        PrometheusTarget(f"max({duration} and on ({_EACH_TARGET}) {exposed})", instant=True),
        decimals=1,
        limits=((None, palette.NEUTRAL), (0, palette.GOOD), (2, palette.WARNING), (8, palette.BAD)),
    )


def scraped(site: Matches) -> Panel:
    """Say whether all processes are scraped now."""
    exposed = f"group by ({_EACH_TARGET}) (last_over_time({select(own.BUILD_INFO, site, RANGE)}))"
    return stat(
        "Scrape",
        "Whether the last scrape of every process of qwatch succeeded (Prometheus's up).",
        "none",
        PrometheusTarget(f"min({recorded(SCRAPE_UP, site)} and on ({_EACH_TARGET}) {exposed})", instant=True),
        decimals=0,
        words=palette.yes_or_no("up", "down"),
        limits=ONLY_WORDS,
        filled=True,
        none="no target",
    )
