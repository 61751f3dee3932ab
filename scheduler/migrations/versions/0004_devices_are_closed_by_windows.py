"""Devices are closed by windows alone; a window may let the site's own quality jobs run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_CLOSED_BEFORE = """
    INSERT INTO device_windows (qpu_id, kind, message, opened_at, opened_by)
    SELECT qpu_id, 'drain', message, COALESCE(time_as_of, 0), '' FROM devices WHERE NOT accessible
"""
_CLOSED_AGAIN = """
    UPDATE devices SET accessible = false, message = (
        SELECT MAX(message) FROM device_windows
        WHERE device_windows.qpu_id = devices.qpu_id AND closed_at IS NULL
    )
    WHERE qpu_id IN (SELECT qpu_id FROM device_windows WHERE closed_at IS NULL)
"""


def upgrade() -> None:
    # Not in a batch: that copies the table.
    op.add_column(
        "device_windows", sa.Column("allow_qa", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.execute(_CLOSED_BEFORE)
    op.drop_column("devices", "accessible")
    op.drop_column("devices", "message")


def downgrade() -> None:
    op.add_column(
        "devices", sa.Column("accessible", sa.Boolean(), server_default=sa.text("true"), nullable=False)
    )
    op.add_column("devices", sa.Column("message", sa.Text(), server_default="", nullable=False))
    op.execute(_CLOSED_AGAIN)
    op.drop_column("device_windows", "allow_qa")
