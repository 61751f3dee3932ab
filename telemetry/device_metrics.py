"""Facts about devices."""

from __future__ import annotations

from . import labels
from .catalogue import Kind, Label, Metric

GAP_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

INFO = Metric(
    "qpu.info",
    Kind.GAUGE,
    "",
    "Always 1; the device's description, to be joined by qpu_id",
    (
        labels.QPU_ID,
        Label("vendor", None, "maker of the device, from its specs or the configuration"),
        Label("technology", None, "for example neutral-atom"),
        Label("model", None, "name in the device's specs"),
        labels.RESOURCE_TYPE,
        Label("simulator", ("true", "false"), "whether the device is simulated"),
    ),
)
UP = Metric("qpu.up", Kind.GAUGE, "", "1 if the last poll of the device succeeded", (labels.QPU_ID,))
STATE = Metric(
    "qpu.state",
    Kind.GAUGE,
    "",
    "1 for the state that the device is in, 0 for the others",
    (labels.QPU_ID, labels.DEVICE_STATE),
)
ACTIVITY = Metric(
    "qpu.activity",
    Kind.GAUGE,
    "",
    "1 for what the device does now, 0 for the others",
    (labels.QPU_ID, labels.ACTIVITY),
)
HEALTHY = Metric("qpu.healthy", Kind.GAUGE, "", "1 if the resource reports itself healthy", (labels.QPU_ID,))
PENDING_JOBS = Metric(
    "qpu.pending_jobs", Kind.GAUGE, "{job}", "Pending jobs that the resource itself reports", (labels.QPU_ID,)
)
SLOTS = Metric(
    "qpu.slots",
    Kind.GAUGE,
    "{slot}",
    "Slots that the resource itself reports",
    (labels.QPU_ID, labels.SLOT_KIND),
)
STATE_LAST_CHANGE = Metric(
    "qpu.state.last_change.timestamp",
    Kind.GAUGE,
    "s",
    "Unix time of the last change of the device's state",
    (labels.QPU_ID,),
)
MAINTENANCE_END = Metric(
    "qpu.maintenance.end.timestamp",
    Kind.GAUGE,
    "s",
    "Unix time at which the present maintenance is announced to end; absent without one",
    (labels.QPU_ID,),
)
TIME = Metric(
    "qpu.time",
    Kind.COUNTER,
    "s",
    "Wall time by what the device did: the rates over all activities sum to 1",
    (labels.QPU_ID, labels.ACTIVITY),
)
SHOTS = Metric(
    "qpu.shots",
    Kind.COUNTER,
    "{shot}",
    "Shots that the device executed",
    (labels.QPU_ID, labels.OUTCOME_SHOTS),
)
SHOT_RATE_NOMINAL = Metric(
    "qpu.shot_rate.nominal", Kind.GAUGE, "Hz", "Shot rate that the device is specified for", (labels.QPU_ID,)
)
CLOCK_OFFSET = Metric(
    "qpu.clock.offset",
    Kind.GAUGE,
    "s",
    "Device's clock minus the daemon's: the least that agrees with the last slice's times; absent before one",
    (labels.QPU_ID,),
)
DISPATCH_GAP = Metric(
    "qpu.dispatch.gap",
    Kind.HISTOGRAM,
    "s",
    "Idle gap of the device between two slices while work waits",
    (labels.QPU_ID,),
    GAP_BUCKETS,
)
ACCOUNT_BUSY = Metric(
    "qpu.account.busy",
    Kind.COUNTER,
    "s",
    "Busy time by account, counted when a job has ended; only with metrics.accounts",
    (labels.QPU_ID, labels.ACCOUNT),
)

METRICS = (
    INFO,
    UP,
    STATE,
    ACTIVITY,
    HEALTHY,
    PENDING_JOBS,
    SLOTS,
    STATE_LAST_CHANGE,
    MAINTENANCE_END,
    TIME,
    SHOTS,
    SHOT_RATE_NOMINAL,
    DISPATCH_GAP,
    CLOCK_OFFSET,
    ACCOUNT_BUSY,
)
