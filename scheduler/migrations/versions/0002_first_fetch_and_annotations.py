"""When a job's results were fetched first; what programs tell in the log of their jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not in a batch: that copies the table, and a column that may be null is added in place by every database.
    op.add_column("jobs", sa.Column("results_fetched_at", sa.Double(), nullable=True))
    op.add_column("job_log", sa.Column("kind", sa.String(length=16), nullable=True))
    op.add_column("job_log", sa.Column("value", sa.Double(), nullable=True))


def downgrade() -> None:
    op.drop_column("job_log", "value")
    op.drop_column("job_log", "kind")
    op.drop_column("jobs", "results_fetched_at")
