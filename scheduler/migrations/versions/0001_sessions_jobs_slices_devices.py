"""Sessions, jobs, slices, devices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "credentials_seen",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("sha256"),
    )
    with op.batch_alter_table("credentials_seen", schema=None) as batch_op:
        batch_op.create_index("ix_credentials_seen_expires_at", ["expires_at"], unique=False)

    op.create_table(
        "devices",
        sa.Column("qpu_id", sa.String(length=255), nullable=False),
        sa.Column("accessible", sa.Boolean(), server_default=sa.text("(true)"), nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("specs", sa.Text(), nullable=True),
        sa.Column("time_as_of", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("qpu_id"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("uid", sa.Integer(), nullable=False),
        sa.Column("user_name", sa.String(length=255), nullable=False),
        sa.Column("account", sa.String(length=255), nullable=False),
        sa.Column("slurm_job_id", sa.String(length=255), nullable=True),
        sa.Column("qpu_id", sa.String(length=255), nullable=False),
        sa.Column("created_by", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("token_sha256"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.create_index(
            "sessions_open",
            ["qpu_id"],
            unique=False,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )

    op.create_table(
        "device_activity",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("qpu_id", sa.String(length=255), nullable=False),
        sa.Column("activity", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["qpu_id"],
            ["devices.qpu_id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("device_activity", schema=None) as batch_op:
        batch_op.create_index("device_activity_by_time", ["qpu_id", "since"], unique=False)

    op.create_table(
        "device_time",
        sa.Column("qpu_id", sa.String(length=255), nullable=False),
        sa.Column("activity", sa.String(length=32), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["qpu_id"],
            ["devices.qpu_id"],
        ),
        sa.PrimaryKeyConstraint("qpu_id", "activity"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.Integer(), nullable=False),
        sa.Column("user_name", sa.String(length=255), nullable=False),
        sa.Column("account", sa.String(length=255), nullable=False),
        sa.Column("slurm_job_id", sa.String(length=255), nullable=True),
        sa.Column("qpu_id", sa.String(length=255), nullable=False),
        sa.Column("resource_type", sa.String(length=64), nullable=False),
        sa.Column("job_class", sa.String(length=16), nullable=False),
        sa.Column("sdk", sa.String(length=64), nullable=True),
        sa.Column("shots_requested", sa.Integer(), nullable=False),
        sa.Column("shots_executed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32), server_default="none", nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("busy_seconds", sa.Double(), server_default="0", nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("possible_double", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("traceparent", sa.String(length=55), nullable=True),
        sa.Column("trace_id", sa.String(length=32), nullable=True),
        sa.Column("spans_emitted", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["sessions.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.create_index("jobs_of_user", ["uid", "id"], unique=False)
        batch_op.create_index(
            "jobs_unfinished",
            ["qpu_id", "state", "id"],
            unique=False,
            sqlite_where=sa.text("state IN ('PENDING', 'RUNNING')"),
            postgresql_where=sa.text("state IN ('PENDING', 'RUNNING')"),
        )
        batch_op.create_index(
            "jobs_without_spans",
            ["id"],
            unique=False,
            sqlite_where=sa.text("ended_at IS NOT NULL AND NOT spans_emitted"),
            postgresql_where=sa.text("ended_at IS NOT NULL AND NOT spans_emitted"),
        )

    op.create_table(
        "job_log",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["jobs.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("job_log", schema=None) as batch_op:
        batch_op.create_index("ix_job_log_job_id", ["job_id"], unique=False)

    op.create_table(
        "job_payloads",
        sa.Column("job_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["jobs.id"],
        ),
        sa.PrimaryKeyConstraint("job_id"),
    )
    op.create_table(
        "job_results",
        sa.Column("job_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("results", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["jobs.id"],
        ),
        sa.PrimaryKeyConstraint("job_id"),
    )
    op.create_table(
        "slices",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("qpu_id", sa.String(length=255), nullable=False),
        sa.Column("shots", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("device_uid", sa.String(length=255), nullable=True),
        sa.Column("uid_before", sa.String(length=255), nullable=True),
        sa.Column("claimed_at", sa.Double(), nullable=False),
        sa.Column("posted_at", sa.Double(), nullable=True),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("observed_end_at", sa.Double(), nullable=True),
        sa.Column("fetched_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["jobs.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("slices", schema=None) as batch_op:
        batch_op.create_index("ix_slices_job_id", ["job_id"], unique=False)
        batch_op.create_index("slices_by_uid", ["qpu_id", "id"], unique=False)
        batch_op.create_index(
            "slices_open",
            ["qpu_id"],
            unique=False,
            sqlite_where=sa.text("state IN ('claimed', 'running')"),
            postgresql_where=sa.text("state IN ('claimed', 'running')"),
        )


def downgrade() -> None:
    with op.batch_alter_table("slices", schema=None) as batch_op:
        batch_op.drop_index(
            "slices_open",
            sqlite_where=sa.text("state IN ('claimed', 'running')"),
            postgresql_where=sa.text("state IN ('claimed', 'running')"),
        )
        batch_op.drop_index("slices_by_uid")
        batch_op.drop_index("ix_slices_job_id")

    op.drop_table("slices")
    op.drop_table("job_results")
    op.drop_table("job_payloads")
    with op.batch_alter_table("job_log", schema=None) as batch_op:
        batch_op.drop_index("ix_job_log_job_id")

    op.drop_table("job_log")
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index(
            "jobs_without_spans",
            sqlite_where=sa.text("ended_at IS NOT NULL AND NOT spans_emitted"),
            postgresql_where=sa.text("ended_at IS NOT NULL AND NOT spans_emitted"),
        )
        batch_op.drop_index(
            "jobs_unfinished",
            sqlite_where=sa.text("state IN ('PENDING', 'RUNNING')"),
            postgresql_where=sa.text("state IN ('PENDING', 'RUNNING')"),
        )
        batch_op.drop_index("jobs_of_user")

    op.drop_table("jobs")
    op.drop_table("device_time")
    with op.batch_alter_table("device_activity", schema=None) as batch_op:
        batch_op.drop_index("device_activity_by_time")

    op.drop_table("device_activity")
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.drop_index(
            "sessions_open",
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )

    op.drop_table("sessions")
    op.drop_table("devices")
    with op.batch_alter_table("credentials_seen", schema=None) as batch_op:
        batch_op.drop_index("ix_credentials_seen_expires_at")

    op.drop_table("credentials_seen")
