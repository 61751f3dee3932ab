"""The labels that metrics may carry. Users, accounts, jobs and sessions are never among them."""

from __future__ import annotations

from .catalogue import OTHER, Label

JOB_CLASSES = ("production", "test", "development", "qa")
JOB_STATES = ("pending", "running")
FINAL_JOB_STATES = ("done", "canceled", "error")
JOB_REASONS = (
    "none",
    "user",
    "user_error",
    "device_error",
    "timeout",
    "preempted",
    "admin",
    "middleware_error",
    OTHER,
)
DEVICE_STATES = ("online", "paused", "offline", "unknown")
ACTIVITIES = ("execute", "dispatch", "idle", "held", "calibration", "maintenance", "fault", "unknown")
RESOURCE_TYPES = (
    "ibm-quantum-system",
    "qiskit-runtime-service",
    "ibm-quantum-compute-service",
    "pasqal-cloud",
    "pasqal-local",
    "alice-bob-felis",
    "iqm-server",
    "oqtopus",
    OTHER,
)
OPERATIONS = (
    "acquire",
    "release",
    "is_accessible",
    "status",
    "target",
    "metadata",
    "task_start",
    "task_status",
    "task_result",
    "task_logs",
    "task_stop",
    OTHER,
)
QRMI_ERROR_TYPES = (
    "",
    "AuthenticationFailedError",
    "ConfigError",
    "EnvVarNotSetError",
    "InvalidInputError",
    "QrmiError",
    "ResourceNotFoundError",
    "TaskNotFoundError",
    "TaskNotReadyError",
    "UnsupportedFunctionError",
    "UnsupportedPayloadError",
    "UnsupportedResourceTypeError",
    OTHER,
)

QPU_ID = Label("qpu_id", None, "the resource's name, from the site's configuration")
JOB_CLASS = Label("job_class", JOB_CLASSES, "class of a job")
QUEUE_STATE = Label("state", JOB_STATES, "state of a job that has not ended")
FINAL_STATE = Label("state", FINAL_JOB_STATES, "final state of a job")
REASON = Label("reason", JOB_REASONS, "why a job ended as it did")
DEVICE_STATE = Label("state", DEVICE_STATES, "QRMI's three states of a device, and unknown")
ACTIVITY = Label("activity", ACTIVITIES, "what the device does")
OUTCOME_SHOTS = Label("outcome", ("accepted", "discarded"), "whether a shot counts")
OUTCOME_SESSION = Label("outcome", ("released", "expired", "revoked"), "how a session ended")
PROCEDURE = Label("procedure", None, "what is calibrated: a common procedure, a configured one, or other")
CALIBRATION_RESULT = Label("result", ("success", "failure"), "how a calibration ended")
SLOT_KIND = Label("kind", ("max", "available"), "capacity that the resource tells")
OPERATION = Label("operation", OPERATIONS, "method of the QRMI resource")
RESOURCE_TYPE = Label("resource_type", RESOURCE_TYPES, "QRMI's resource type")
QRMI_ERROR_TYPE = Label("error_type", QRMI_ERROR_TYPES, "class of the error, empty on success")
TASK_STATE = Label("state", ("completed", "failed", "cancelled", "unknown"), "final state of a QRMI task")
DIRECTION = Label("direction", ("sent", "received"), "seen from the user's process")
POLICY = Label("policy", ("fifo", OTHER), "the scheduling policy that decided")
DECISION = Label("decision", ("dispatch", "hold", "reject", "requeue", "preempt"), "what was decided")
DECISION_REASON = Label(
    "reason",
    (
        "none",
        "device_down",
        "device_busy",
        "restart",
        "device_forgot",
        "invalid",
        "unauthorized",
        "window",
        OTHER,
    ),
    "why it was decided",
)
STORE_OPERATION = Label("operation", ("write", "read"), "database operation")
ROUTE = Label("route", None, "route template of the API, never a path with an id")
METHOD = Label("method", ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", OTHER), "HTTP method")
STATUS = Label("status", ("1xx", "2xx", "3xx", "4xx", "5xx", OTHER), "class of the HTTP status")
COLLECTOR = Label("collector", None, "name of a collector, from the configuration")
SIGNAL = Label("signal", ("traces", "metrics", "logs"), "telemetry signal")
DROP_REASON = Label(
    "reason",
    ("queue_full", "refused", "unreachable", "too_old", "invalid", "shutdown", OTHER),
    "why it was dropped",
)
DEVICE_NAME = Label("device", None, "a disk or network interface of the host")
MODE = Label("mode", ("user", "system", "idle", "iowait", OTHER), "CPU mode")
MEMORY_KIND = Label("kind", ("total", "available", "used"), "kind of memory")
DISK_KIND = Label("kind", ("total", "used", "free"), "kind of disk space")
TRAFFIC = Label("direction", ("receive", "transmit"), "seen from the host")
PROCESS_ROLE = Label("process", ("daemon", "worker"), "a process of qwatch")
PROGRAM_MEASURE = Label("measure", None, "name of a figure of merit; a program's own process has 32 at most")
PROGRAM_PHASE = Label("phase", None, "name of a phase; a program's own process has 32 at most")
SENSOR = Label("sensor", None, "a chip of the host with temperature sensors, for example coretemp")
BLOCK_TRAFFIC = Label("direction", ("read", "write"), "seen from the host")
SLURM_JOB_STATES = ("pending", "configuring", "running", "suspended", "completing", OTHER)
PARTITION = Label("partition", None, "partition of Slurm, the first one of a job that names several")
SLURM_STATE = Label("state", SLURM_JOB_STATES, "Slurm's state of a job that has not ended")
LICENSE = Label("license", None, "name of a licence in Slurm")
LICENSE_KIND = Label("kind", ("total", "used", "reserved"), "kind of count")
GRES = Label("gres", None, "name of a GRES in Slurm, with its type if it has one")
GRES_KIND = Label("kind", ("total", "used"), "kind of count")
METRIC = Label("metric", None, "name of a metric, as Prometheus spells it")
ACCOUNT = Label("account", None, "an account that metrics.accounts lists, otherwise `other`")
RETENTION_KIND = Label(
    "kind",
    (
        "payloads_and_results",
        "job_log",
        "jobs",
        "sessions",
        "ledger_jobs",
        "device_activity",
        "quality",
        "audit_log",
    ),
    "kind of data, a key of privacy.retention",
)
RETENTION_ACTION = Label("action", ("deleted", "pseudonymised"), "what became of a row")
