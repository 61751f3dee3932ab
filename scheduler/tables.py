"""The store's tables. Times are Unix seconds; the payloads and results stand apart so that scans stay short."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()

sessions = Table(
    "sessions",
    metadata,
    Column("id", Integer, primary_key=True),
    # The token itself is a credential and is never stored.
    Column("token_sha256", String(64), nullable=False, unique=True),
    Column("uid", Integer, nullable=False),
    Column("user_name", String(255), nullable=False),
    Column("account", String(255), nullable=False),
    Column("slurm_job_id", String(255)),
    Column("qpu_id", String(255), nullable=False),
    Column("created_by", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("outcome", String(16)),
    sqlite_autoincrement=True,
)
OPEN_SESSION = text("sessions.ended_at IS NULL")
Index(
    "sessions_open",
    sessions.c.qpu_id,
    sqlite_where=text("ended_at IS NULL"),
    postgresql_where=text("ended_at IS NULL"),
)
Index("sessions_of_user", sessions.c.uid, sessions.c.id)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("session_id", ForeignKey("sessions.id"), nullable=False),
    Column("uid", Integer, nullable=False),
    Column("user_name", String(255), nullable=False),
    Column("account", String(255), nullable=False),
    Column("slurm_job_id", String(255)),
    Column("qpu_id", String(255), nullable=False),
    Column("resource_type", String(64), nullable=False),
    Column("job_class", String(16), nullable=False),
    Column("sdk", String(64)),
    Column("shots_requested", Integer, nullable=False),
    Column("shots_executed", Integer, nullable=False, server_default="0"),
    Column("state", String(16), nullable=False),
    Column("reason", String(32), nullable=False, server_default="none"),
    Column("message", Text),
    Column("received_at", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("busy_seconds", Double, nullable=False, server_default="0"),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    Column("possible_double", Boolean, nullable=False, server_default=text("false")),
    Column("traceparent", String(55)),
    Column("trace_id", String(32)),
    Column("spans_emitted", Boolean, nullable=False, server_default=text("false")),
    Column("results_fetched_at", Double),
    sqlite_autoincrement=True,
)
UNFINISHED = text("state IN ('PENDING', 'RUNNING')")
"""Literal, not bound, so that a planner can prove that the partial index applies."""
Index(
    "jobs_unfinished",
    jobs.c.qpu_id,
    jobs.c.state,
    jobs.c.id,
    sqlite_where=UNFINISHED,
    postgresql_where=UNFINISHED,
)
Index(
    "jobs_waiting",
    jobs.c.qpu_id,
    jobs.c.job_class,
    jobs.c.state,
    jobs.c.created_at,
    jobs.c.started_at,
    sqlite_where=UNFINISHED,
    postgresql_where=UNFINISHED,
)
Index("jobs_of_user", jobs.c.uid, jobs.c.id)
WITHOUT_SPANS = text("ended_at IS NOT NULL AND NOT spans_emitted")
Index("jobs_without_spans", jobs.c.id, sqlite_where=WITHOUT_SPANS, postgresql_where=WITHOUT_SPANS)

job_payloads = Table(
    "job_payloads",
    metadata,
    Column("job_id", ForeignKey("jobs.id"), primary_key=True, autoincrement=False),
    Column("sequence", Text, nullable=False),
)

job_results = Table(
    "job_results",
    metadata,
    Column("job_id", ForeignKey("jobs.id"), primary_key=True, autoincrement=False),
    Column("results", Text, nullable=False),
)

job_log = Table(
    "job_log",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job_id", ForeignKey("jobs.id"), nullable=False, index=True),
    Column("at", Double, nullable=False),
    Column("line", Text, nullable=False),
    # Of what the job's program told: measure or phase, and the figure or the phase's seconds.
    Column("kind", String(16)),
    Column("value", Double),
)

slices = Table(
    "slices",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job_id", ForeignKey("jobs.id"), nullable=False, index=True),
    Column("qpu_id", String(255), nullable=False),
    Column("shots", Integer, nullable=False),
    # claimed: written before the device is told; running: the device answered with its uid.
    Column("state", String(16), nullable=False),
    Column("device_uid", String(255)),
    Column("uid_before", String(255)),
    Column("claimed_at", Double, nullable=False),
    Column("posted_at", Double),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("observed_end_at", Double),
    Column("fetched_at", Double),
    sqlite_autoincrement=True,
)
OPEN_SLICE = text("state IN ('claimed', 'running')")
Index("slices_open", slices.c.qpu_id, sqlite_where=OPEN_SLICE, postgresql_where=OPEN_SLICE)
Index("slices_by_uid", slices.c.qpu_id, slices.c.id)

devices = Table(
    "devices",
    metadata,
    Column("qpu_id", String(255), primary_key=True),
    Column("specs", Text),
    Column("time_as_of", Double),
)

device_time = Table(
    "device_time",
    metadata,
    Column("qpu_id", ForeignKey("devices.qpu_id"), primary_key=True),
    Column("activity", String(32), primary_key=True),
    Column("seconds", Double, nullable=False),
)

device_activity = Table(
    "device_activity",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("qpu_id", ForeignKey("devices.qpu_id"), nullable=False),
    Column("activity", String(32), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("since", Double, nullable=False),
)
Index("device_activity_by_time", device_activity.c.qpu_id, device_activity.c.since)

credentials_seen = Table(
    "credentials_seen",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("expires_at", Double, nullable=False, index=True),
)

# The ledger: rows are appended and never changed, except to give up a person's name.

ledger_jobs = Table(
    "ledger_jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    # qwatch, or the name of the source that an observer reads.
    Column("source", String(64), nullable=False),
    Column("job", String(255), nullable=False),
    Column("session", String(255), nullable=False),
    Column("slurm_job_id", String(255)),
    Column("cluster", String(255)),
    Column("uid", Integer),
    Column("user_name", String(255), nullable=False),
    Column("account", String(255), nullable=False),
    Column("qpu_id", String(255), nullable=False),
    Column("resource_type", String(64), nullable=False),
    Column("job_class", String(16), nullable=False),
    Column("sdk", String(64)),
    Column("shots_requested", Integer),
    Column("shots_executed", Integer),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double, nullable=False),
    Column("busy_seconds", Double),
    Column("state", String(16), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("possible_double", Boolean, nullable=False, server_default=text("false")),
    Column("trace_id", String(32)),
    sqlite_autoincrement=True,
)
Index("ledger_jobs_once", ledger_jobs.c.source, ledger_jobs.c.qpu_id, ledger_jobs.c.job, unique=True)
Index("ledger_jobs_by_time", ledger_jobs.c.ended_at)
Index("ledger_jobs_of_user", ledger_jobs.c.uid, ledger_jobs.c.ended_at)

ledger_quality = Table(
    "ledger_quality",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("qpu_id", String(255), nullable=False),
    Column("at", Double, nullable=False),
    # Who measured: a feed's name, or quality_job.
    Column("source", String(64), nullable=False),
    # Dotted name in the catalogue, and its labels besides the device's as JSON with sorted keys.
    Column("metric", String(64), nullable=False),
    Column("labels", String(255), nullable=False),
    Column("value", Double, nullable=False),
    # One standard deviation, in the unit of the value; null if it is not known.
    Column("uncertainty", Double),
    sqlite_autoincrement=True,
)
Index("ledger_quality_latest", ledger_quality.c.qpu_id, ledger_quality.c.metric, ledger_quality.c.at)

ledger_corrections = Table(
    "ledger_corrections",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Double, nullable=False),
    # The moment whose period the correction belongs to.
    Column("applies_at", Double, nullable=False),
    Column("account", String(255), nullable=False),
    Column("user_name", String(255)),
    Column("qpu_id", String(255)),
    Column("job", String(255)),
    # What is added to the account: negative gives back.
    Column("busy_seconds", Double, nullable=False, server_default="0"),
    Column("cost", Double, nullable=False, server_default="0"),
    Column("reason", Text, nullable=False),
    Column("made_by", String(255), nullable=False),
    sqlite_autoincrement=True,
)
Index("ledger_corrections_by_time", ledger_corrections.c.applies_at)

ledger_slurm_jobs = Table(
    "ledger_slurm_jobs",
    metadata,
    # What Slurm told of a job that a session belongs to; a number that Slurm used again has the newest.
    Column("slurm_job_id", String(255), primary_key=True),
    Column("cluster", String(255)),
    Column("partition", String(255), nullable=False),
    Column("account", String(255)),
    Column("seen_at", Double, nullable=False),
)

device_windows = Table(
    "device_windows",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("qpu_id", ForeignKey("devices.qpu_id"), nullable=False),
    # drain, maintenance or calibration.
    Column("kind", String(16), nullable=False),
    # Of a calibration: what is calibrated, and how it ended (success, failure).
    Column("procedure", String(64)),
    Column("result", String(16)),
    # What users see, and what only operators see.
    Column("message", Text, nullable=False, server_default=""),
    Column("note", Text, nullable=False, server_default=""),
    # Whether the site's own quality jobs may run in it.
    Column("allow_qa", Boolean, nullable=False, server_default=text("false")),
    Column("opened_at", Double, nullable=False),
    Column("opened_by", String(255), nullable=False),
    Column("announced_end_at", Double),
    Column("closed_at", Double),
    Column("closed_by", String(255)),
    sqlite_autoincrement=True,
)
OPEN_WINDOW = text("closed_at IS NULL")
Index("device_windows_open", device_windows.c.qpu_id, sqlite_where=OPEN_WINDOW, postgresql_where=OPEN_WINDOW)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Double, nullable=False),
    Column("uid", Integer, nullable=False),
    Column("user_name", String(255), nullable=False),
    Column("address", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("target", String(255), nullable=False),
    Column("reason", Text, nullable=False),
    # What was set, as JSON.
    Column("details", Text, nullable=False, server_default="{}"),
    sqlite_autoincrement=True,
)
Index("audit_log_by_time", audit_log.c.at)

site_settings = Table(
    "site_settings",
    metadata,
    # What an administrator set at run time, as JSON; it goes before the configuration file.
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
