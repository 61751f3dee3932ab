"""qwatch itself: scheduler, store, HTTP, collectors, exporters."""

from __future__ import annotations

from . import labels
from .catalogue import Kind, Label, Metric

LOOP_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
STORE_BUCKETS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
HTTP_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

BUILD_INFO = Metric(
    "qwatch.build.info",
    Kind.GAUGE,
    "",
    "Always 1; what is running",
    (
        Label("version", None, "of the package"),
        Label("revision", None, "of the source, if known"),
        Label("schema", None, "revision of the store's schema"),
    ),
)
DECISIONS = Metric(
    "qwatch.scheduler.decisions",
    Kind.COUNTER,
    "{decision}",
    "Decisions of the scheduler",
    (labels.QPU_ID, labels.POLICY, labels.DECISION, labels.DECISION_REASON),
)
LAST_LOOP = Metric(
    "qwatch.scheduler.last_loop.timestamp",
    Kind.GAUGE,
    "s",
    "Unix time of the last turn of a device's dispatch loop",
    (labels.QPU_ID,),
)
LOOP_DURATION = Metric(
    "qwatch.scheduler.loop.duration",
    Kind.HISTOGRAM,
    "s",
    "Time to choose and claim the next slice",
    (labels.QPU_ID,),
    LOOP_BUCKETS,
)
STORE_DURATION = Metric(
    "qwatch.store.operation.duration",
    Kind.HISTOGRAM,
    "s",
    "Duration of an operation on the store, commit included",
    (labels.STORE_OPERATION,),
    STORE_BUCKETS,
)
HTTP_DURATION = Metric(
    "qwatch.http.request.duration",
    Kind.HISTOGRAM,
    "s",
    "Duration of a request to the job API",
    (labels.ROUTE, labels.METHOD, labels.STATUS),
    HTTP_BUCKETS,
)
COLLECTOR_SUCCESS = Metric(
    "qwatch.collector.success",
    Kind.GAUGE,
    "",
    "1 if the collector's last update succeeded",
    (labels.COLLECTOR,),
)
COLLECTOR_DURATION = Metric(
    "qwatch.collector.duration",
    Kind.GAUGE,
    "s",
    "Duration of the collector's last update",
    (labels.COLLECTOR,),
)
COLLECTOR_LAST_SUCCESS = Metric(
    "qwatch.collector.last_success.timestamp",
    Kind.GAUGE,
    "s",
    "Unix time of the collector's last success",
    (labels.COLLECTOR,),
)
TELEMETRY_DROPPED = Metric(
    "qwatch.telemetry.dropped",
    Kind.COUNTER,
    "{item}",
    "Spans, points and log records that did not reach their backend",
    (labels.SIGNAL, labels.DROP_REASON),
)
LEDGER_DIFFERENCE = Metric(
    "qwatch.ledger.difference",
    Kind.GAUGE,
    "s",
    "Wall time by activity as the counters tell it minus as the ledger does, since the process started",
    (labels.QPU_ID, labels.ACTIVITY),
)
SERIES_DROPPED = Metric(
    "qwatch.series.dropped",
    Kind.COUNTER,
    "{sample}",
    "Samples left out because their metric has as many series as metrics.most_series allows",
    (labels.METRIC,),
)
RETENTION_ROWS = Metric(
    "qwatch.retention.rows",
    Kind.COUNTER,
    "{row}",
    "Rows that were deleted, or whose names were replaced by pseudonyms, because of their age",
    (labels.RETENTION_KIND, labels.RETENTION_ACTION),
)

METRICS = (
    BUILD_INFO,
    DECISIONS,
    LAST_LOOP,
    LOOP_DURATION,
    STORE_DURATION,
    HTTP_DURATION,
    COLLECTOR_SUCCESS,
    COLLECTOR_DURATION,
    COLLECTOR_LAST_SUCCESS,
    TELEMETRY_DROPPED,
    LEDGER_DIFFERENCE,
    SERIES_DROPPED,
    RETENTION_ROWS,
)
