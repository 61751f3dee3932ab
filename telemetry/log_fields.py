"""The fields a log record may carry besides its message (Loki structured metadata, not stream labels)."""

from __future__ import annotations

QPU_ID = "qpu_id"
JOB = "job"
SESSION = "session_hash"
USER = "user"
UID = "uid"
ACCOUNT = "account"
SLURM_JOB_ID = "slurm_job_id"
JOB_CLASS = "job_class"
STATE = "state"
REASON = "reason"
SHOTS = "shots"
DEVICE_JOB = "device_job"
ROUTE = "route"
STATUS = "status"
PEER = "peer"
SECONDS = "seconds"
COLLECTOR = "collector"
SDK = "sdk"
RESOURCE_TYPE = "resource_type"
CALLS = "calls"
ERRORS = "errors"
POLLS = "polls"
BYTES_SENT = "bytes_sent"
BYTES_RECEIVED = "bytes_received"
WAIT_SECONDS = "wait_seconds"
RUN_SECONDS = "run_seconds"
MEASURE = "measure"
PHASE = "phase"
VALUE = "value"
UNIT = "unit"
ITERATION = "iteration"
ACTION = "action"
TARGET = "target"

FIELDS = (
    QPU_ID,
    JOB,
    SESSION,
    USER,
    UID,
    ACCOUNT,
    SLURM_JOB_ID,
    JOB_CLASS,
    STATE,
    REASON,
    SHOTS,
    DEVICE_JOB,
    ROUTE,
    STATUS,
    PEER,
    SECONDS,
    COLLECTOR,
    SDK,
    RESOURCE_TYPE,
    CALLS,
    ERRORS,
    POLLS,
    BYTES_SENT,
    BYTES_RECEIVED,
    WAIT_SECONDS,
    RUN_SECONDS,
    MEASURE,
    PHASE,
    VALUE,
    UNIT,
    ITERATION,
    ACTION,
    TARGET,
)

STREAM_LABELS = ("service_name", "qpu_id", "level")
"""The only labels of a Loki stream."""
