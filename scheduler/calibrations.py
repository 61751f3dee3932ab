"""The calibrations that have ended, summed up from their windows."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, case, func, select

from .tables import device_windows
from .windows import WindowKind


@dataclass(frozen=True, slots=True)
class CalibrationSummary:
    """The ended calibrations of one device by one procedure; times in Unix seconds, a duration in seconds."""

    qpu_id: str
    procedure: str
    succeeded: int
    failed: int
    last_success_at: float | None
    last_ended_at: float
    last_duration: float


def summaries(connection: Connection) -> list[CalibrationSummary]:
    """Return what has ended, by device and procedure."""
    columns = device_windows.c
    success = columns.result == "success"
    by_procedure = (
        select(
            columns.qpu_id,
            columns.procedure,
            func.sum(case((success, 1), else_=0)),
            func.sum(case((success, 0), else_=1)),
            func.max(case((success, columns.closed_at))),
            func.max(columns.id),
        )
        .where(columns.kind == WindowKind.CALIBRATION.value, columns.closed_at.is_not(None))
        .group_by(columns.qpu_id, columns.procedure)
    )
    rows = connection.execute(by_procedure).all()
    last = {
        row.id: row
        for row in connection.execute(
            select(columns.id, columns.opened_at, columns.closed_at).where(
                columns.id.in_([row[5] for row in rows])
            )
        )
    }
    return [
        CalibrationSummary(*row[:5], last[row[5]].closed_at, last[row[5]].closed_at - last[row[5]].opened_at)
        for row in rows
    ]
