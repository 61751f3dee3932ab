"""The ledger of jobs and quality samples, windows of devices, the audit log, settings made at run time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ENDED_BEFORE = """
    INSERT INTO ledger_jobs (source, job, session, slurm_job_id, uid, user_name, account, qpu_id, resource_type,
        job_class, sdk, shots_requested, shots_executed, created_at, started_at, ended_at, busy_seconds, state,
        reason, possible_double, trace_id)
    SELECT 'qwatch', CAST(id AS VARCHAR(255)), CAST(session_id AS VARCHAR(255)), slurm_job_id, uid, user_name,
        account, qpu_id, resource_type, job_class, sdk, shots_requested, shots_executed, created_at, started_at,
        ended_at, busy_seconds, state, reason, possible_double, trace_id
    FROM jobs WHERE ended_at IS NOT NULL ORDER BY ended_at, id
"""


def upgrade() -> None:
    op.create_table(
        "ledger_jobs",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("job", sa.String(255), nullable=False),
        sa.Column("session", sa.String(255), nullable=False),
        sa.Column("slurm_job_id", sa.String(255)),
        sa.Column("cluster", sa.String(255)),
        sa.Column("uid", sa.Integer()),
        sa.Column("user_name", sa.String(255), nullable=False),
        sa.Column("account", sa.String(255), nullable=False),
        sa.Column("qpu_id", sa.String(255), nullable=False),
        sa.Column("resource_type", sa.String(64), nullable=False),
        sa.Column("job_class", sa.String(16), nullable=False),
        sa.Column("sdk", sa.String(64)),
        sa.Column("shots_requested", sa.Integer()),
        sa.Column("shots_executed", sa.Integer()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double()),
        sa.Column("ended_at", sa.Double(), nullable=False),
        sa.Column("busy_seconds", sa.Double()),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("possible_double", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("trace_id", sa.String(32)),
        sqlite_autoincrement=True,
    )
    op.create_index("ledger_jobs_once", "ledger_jobs", ["source", "qpu_id", "job"], unique=True)
    op.create_index("ledger_jobs_by_time", "ledger_jobs", ["ended_at"])
    op.create_table(
        "ledger_quality",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("qpu_id", sa.String(255), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("metric", sa.String(64), nullable=False),
        sa.Column("labels", sa.String(255), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("uncertainty", sa.Double()),
        sqlite_autoincrement=True,
    )
    op.create_index("ledger_quality_latest", "ledger_quality", ["qpu_id", "metric", "at"])
    op.create_table(
        "device_windows",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("qpu_id", sa.String(255), sa.ForeignKey("devices.qpu_id"), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("procedure", sa.String(64)),
        sa.Column("result", sa.String(16)),
        sa.Column("message", sa.Text(), nullable=False, server_default=""),
        sa.Column("note", sa.Text(), nullable=False, server_default=""),
        sa.Column("opened_at", sa.Double(), nullable=False),
        sa.Column("opened_by", sa.String(255), nullable=False),
        sa.Column("announced_end_at", sa.Double()),
        sa.Column("closed_at", sa.Double()),
        sa.Column("closed_by", sa.String(255)),
        sqlite_autoincrement=True,
    )
    still_open = sa.text("closed_at IS NULL")
    op.create_index(
        "device_windows_open",
        "device_windows",
        ["qpu_id"],
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("uid", sa.Integer(), nullable=False),
        sa.Column("user_name", sa.String(255), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("target", sa.String(255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False, server_default="{}"),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_log_by_time", "audit_log", ["at"])
    op.create_table(
        "site_settings",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text(), nullable=False),
    )
    op.execute(_ENDED_BEFORE)


def downgrade() -> None:
    for table in ("site_settings", "audit_log", "device_windows", "ledger_quality", "ledger_jobs"):
        op.drop_table(table)
