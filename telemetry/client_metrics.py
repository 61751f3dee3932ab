"""The QRMI client library seen from a user's process: sent by OTLP, and the calls by the daemon too."""

from __future__ import annotations

from . import labels
from .catalogue import Kind, Metric, Source

OPERATION_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
TASK_BUCKETS = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0, 86400.0)
POLL_BUCKETS = (1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 500.0, 1000.0, 10000.0)
BYTE_BUCKETS = (256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 16777216.0)

OPERATION_DURATION = Metric(
    "qrmi.client.operation.duration",
    Kind.HISTOGRAM,
    "s",
    "Duration of one call of the QRMI library",
    (labels.OPERATION, labels.RESOURCE_TYPE, labels.QRMI_ERROR_TYPE),
    OPERATION_BUCKETS,
    source=Source.PROGRAM,
)
TASK_DURATION = Metric(
    "qrmi.client.task.duration",
    Kind.HISTOGRAM,
    "s",
    "From task_start to the final state that the program saw",
    (labels.RESOURCE_TYPE, labels.TASK_STATE),
    TASK_BUCKETS,
    source=Source.PROGRAM,
)
STATUS_POLLS = Metric(
    "qrmi.client.status.polls",
    Kind.HISTOGRAM,
    "{poll}",
    "Calls of task_status for one task",
    (labels.RESOURCE_TYPE,),
    POLL_BUCKETS,
    source=Source.PROGRAM,
)
PAYLOAD_SIZE = Metric(
    "qrmi.client.payload",
    Kind.HISTOGRAM,
    "By",
    "Size of a payload sent or a result received",
    (labels.RESOURCE_TYPE, labels.DIRECTION),
    BYTE_BUCKETS,
    source=Source.PROGRAM,
)
CALLS = Metric(
    "qrmi.client.calls",
    Kind.COUNTER,
    "{call}",
    "Calls of the QRMI library in users' processes, as their sessions' summaries tell the daemon",
    (labels.OPERATION, labels.RESOURCE_TYPE, labels.QRMI_ERROR_TYPE),
)
PROGRAM_MEASURE = Metric(
    "qwatch.program.measure",
    Kind.GAUGE,
    "{measure}",
    "Last value of a figure of merit that a program recorded",
    (labels.PROGRAM_MEASURE,),
    source=Source.PROGRAM,
)
PROGRAM_PHASE = Metric(
    "qwatch.program.phase.duration",
    Kind.HISTOGRAM,
    "s",
    "Duration of a phase that a program marked",
    (labels.PROGRAM_PHASE,),
    TASK_BUCKETS,
    source=Source.PROGRAM,
)

METRICS = (OPERATION_DURATION, TASK_DURATION, STATUS_POLLS, PAYLOAD_SIZE, CALLS, PROGRAM_MEASURE, PROGRAM_PHASE)
