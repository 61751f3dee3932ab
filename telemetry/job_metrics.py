"""Facts about the queue, jobs and sessions."""

from __future__ import annotations

from . import labels
from .catalogue import Kind, Metric

WAIT_BUCKETS = (
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    1800.0,
    3600.0,
    7200.0,
    14400.0,
    43200.0,
    86400.0,
)
RUN_BUCKETS = (
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    1800.0,
    3600.0,
    7200.0,
    14400.0,
)
SHOT_BUCKETS = (1.0, 10.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0, 100000.0)
SESSION_BUCKETS = (1.0, 10.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 86400.0)

SUBMITTED = Metric(
    "qpu.jobs.submitted",
    Kind.COUNTER,
    "{job}",
    "Jobs accepted into the queue",
    (labels.QPU_ID, labels.JOB_CLASS),
)
FINISHED = Metric(
    "qpu.jobs.finished",
    Kind.COUNTER,
    "{job}",
    "Jobs that ended, by final state and reason",
    (labels.QPU_ID, labels.JOB_CLASS, labels.FINAL_STATE, labels.REASON),
)
QUEUE = Metric(
    "qpu.queue.jobs",
    Kind.GAUGE,
    "{job}",
    "Jobs that have not ended",
    (labels.QPU_ID, labels.JOB_CLASS, labels.QUEUE_STATE),
)
OLDEST = Metric(
    "qpu.queue.oldest_job.created.timestamp",
    Kind.GAUGE,
    "s",
    "Unix time at which the oldest pending job was created; absent if none waits",
    (labels.QPU_ID, labels.JOB_CLASS),
)
EXPECTED_WAIT = Metric(
    "qpu.queue.expected_wait",
    Kind.GAUGE,
    "s",
    "How long a job that is queued now would wait; absent if that cannot be told",
    (labels.QPU_ID,),
)
WAIT = Metric(
    "qpu.job.wait.duration",
    Kind.HISTOGRAM,
    "s",
    "From the creation of a job to its first start",
    (labels.QPU_ID, labels.JOB_CLASS),
    WAIT_BUCKETS,
    exemplars=True,
)
RUN = Metric(
    "qpu.job.run.duration",
    Kind.HISTOGRAM,
    "s",
    "From the first start of a job to its end",
    (labels.QPU_ID, labels.JOB_CLASS),
    RUN_BUCKETS,
    exemplars=True,
)
TURNAROUND = Metric(
    "qpu.job.turnaround.duration",
    Kind.HISTOGRAM,
    "s",
    "From the creation of a job to its end",
    (labels.QPU_ID, labels.JOB_CLASS),
    WAIT_BUCKETS,
    exemplars=True,
)
SHOTS = Metric(
    "qpu.job.shots",
    Kind.HISTOGRAM,
    "{shot}",
    "Shots that a job asks for",
    (labels.QPU_ID, labels.JOB_CLASS),
    SHOT_BUCKETS,
)
RUNNING_START = Metric(
    "qpu.running_job.start.timestamp",
    Kind.GAUGE,
    "s",
    "Unix time at which the running job started; absent if none runs",
    (labels.QPU_ID,),
)
SESSIONS_ACTIVE = Metric(
    "qpu.sessions.active", Kind.GAUGE, "{session}", "Sessions that are held now", (labels.QPU_ID,)
)
SESSIONS = Metric(
    "qpu.sessions",
    Kind.COUNTER,
    "{session}",
    "Sessions that ended, by how",
    (labels.QPU_ID, labels.OUTCOME_SESSION),
)
SESSION_DURATION = Metric(
    "qpu.session.duration",
    Kind.HISTOGRAM,
    "s",
    "From the acquisition of a session to its end",
    (labels.QPU_ID, labels.OUTCOME_SESSION),
    SESSION_BUCKETS,
)
SESSION_IDLE = Metric(
    "qpu.session.idle",
    Kind.COUNTER,
    "s",
    "Time for which sessions were held while nothing of theirs was queued or running, summed over sessions",
    (labels.QPU_ID,),
)

METRICS = (
    SUBMITTED,
    FINISHED,
    QUEUE,
    OLDEST,
    EXPECTED_WAIT,
    WAIT,
    RUN,
    TURNAROUND,
    SHOTS,
    RUNNING_START,
    SESSIONS_ACTIVE,
    SESSIONS,
    SESSION_DURATION,
    SESSION_IDLE,
)
