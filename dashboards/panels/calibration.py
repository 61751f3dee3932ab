"""When a device was calibrated, and when it is due again."""

from __future__ import annotations

from ...telemetry import calibration_metrics as calibration
from ...telemetry import labels
from ...telemetry.promql import Matches, increase, select
from .. import palette
from ..grafana import Json, Panel, PrometheusTarget
from ..panel_types import Column, Thresholds, stat, table

RANGE = "$__range"
_DUE: Thresholds = ((None, palette.NEUTRAL), (-1e9, palette.BAD), (0, palette.GOOD))
_FAILED: Thresholds = ((None, palette.NEUTRAL), (0, palette.GOOD), (1, palette.WARNING))
_MERGED: tuple[Json, ...] = ({"id": "merge", "options": {}},)
_EACH = (labels.PROCEDURE.name,)


def _due(of: Matches) -> str:
    """Return in how many seconds each procedure is due; below 0 it is overdue."""
    last, interval = (
        f"max by ({_EACH[0]}) ({select(metric, of)})" for metric in (calibration.LAST, calibration.INTERVAL)
    )
    return f"{last} + {interval} - time()"


def next_due(of: Matches) -> Panel:
    """Say when the next calibration is due."""
    return stat(
        "Calibration due in",
        "Time until the first procedure is due again, as its interval is configured; below 0 it is overdue, "
        "and QPUCalibrationStale fires.",
        "s",
        PrometheusTarget(f"min({_due(of)})", instant=True),
        decimals=1,
        limits=_DUE,
        none="no interval set",
    )


def procedures(of: Matches) -> Panel:
    """Say of each procedure when it was done, and when it is due."""
    done, failed = (
        increase(calibration.CALIBRATIONS, {**of, "result": result}, RANGE, _EACH)
        for result in ("success", "failure")
    )
    last = f"max by ({_EACH[0]}) ({select(calibration.LAST, of)})"
    asked = (
        f"time() - {last}",
        _due(of),
        f"max by ({_EACH[0]}) ({select(calibration.DURATION, of)})",
        done,
        failed,
    )
    return table(
        "Calibrations",
        "Each procedure: how long ago it last succeeded, in what time it is due again (below 0: overdue), how "
        "long it took, and how often it succeeded and failed in the board's time range.",
        *(PrometheusTarget(expression, instant=True, table=True) for expression in asked),
        prepared=_MERGED,
        columns=(
            Column(_EACH[0], "Procedure"),
            Column("Value #A", "Last success", "s", 1, width=105),
            Column("Value #B", "Due in", "s", 1, limits=_DUE, width=95),
            Column("Value #C", "Took", "s", 1, width=85),
            Column("Value #D", "Done", "short", 0, width=60),
            Column("Value #E", "Failed", "short", 0, limits=_FAILED, width=65),
        ),
        none="no calibration was told: qwatch admin calibration",
    )
