"""Corrections of the ledger, what Slurm told of its jobs, indexes of waiting jobs and of a user's rows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_UNFINISHED = sa.text("state IN ('PENDING', 'RUNNING')")


def upgrade() -> None:
    op.create_table(
        "ledger_corrections",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("applies_at", sa.Double(), nullable=False),
        sa.Column("account", sa.String(255), nullable=False),
        sa.Column("user_name", sa.String(255)),
        sa.Column("qpu_id", sa.String(255)),
        sa.Column("job", sa.String(255)),
        sa.Column("busy_seconds", sa.Double(), nullable=False, server_default="0"),
        sa.Column("cost", sa.Double(), nullable=False, server_default="0"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_by", sa.String(255), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ledger_corrections_by_time", "ledger_corrections", ["applies_at"])
    op.create_table(
        "ledger_slurm_jobs",
        sa.Column("slurm_job_id", sa.String(255), primary_key=True),
        sa.Column("cluster", sa.String(255)),
        sa.Column("partition", sa.String(255), nullable=False),
        sa.Column("account", sa.String(255)),
        sa.Column("seen_at", sa.Double(), nullable=False),
    )
    op.create_index(
        "jobs_waiting",
        "jobs",
        ["qpu_id", "job_class", "state", "created_at", "started_at"],
        sqlite_where=_UNFINISHED,
        postgresql_where=_UNFINISHED,
    )
    op.create_index("ledger_jobs_of_user", "ledger_jobs", ["uid", "ended_at"])
    op.create_index("sessions_of_user", "sessions", ["uid", "id"])


def downgrade() -> None:
    op.drop_index("sessions_of_user", "sessions")
    op.drop_index("ledger_jobs_of_user", "ledger_jobs")
    op.drop_index("jobs_waiting", "jobs")
    op.drop_table("ledger_slurm_jobs")
    op.drop_index("ledger_corrections_by_time", "ledger_corrections")
    op.drop_table("ledger_corrections")
