"""Several devices at a glance: what each does now, and how old that knowledge is."""

from __future__ import annotations

from ...telemetry import device_metrics as device
from ...telemetry import job_metrics as jobs
from ...telemetry import labels
from ...telemetry.promql import Matches, select, state_number, summed
from .. import palette
from ..grafana import Json, Panel, PrometheusTarget
from ..panel_types import Column, table
from .freshness import AGE_LIMITS
from .queue import WAIT_LIMITS

_EACH = (labels.QPU_ID.name,)
_BY_DEVICE: tuple[Json, ...] = ({"id": "merge", "options": {}},)
_NAME = Column(labels.QPU_ID.name, "QPU")


def _asked(*expressions: str) -> tuple[PrometheusTarget, ...]:
    return tuple(PrometheusTarget(expression, instant=True, table=True) for expression in expressions)


def now(of: Matches) -> Panel:
    """Say of each device whether it takes jobs, how many wait, and how long one more would."""
    return table(
        "QPUs now",
        "State: whether it takes jobs. Activity: what it did when last asked. Waiting: everybody's jobs. "
        "Expected wait: of a job that is queued now, from the shots before it; left out where it is not known.",
        *_asked(
            state_number(device.STATE, "state", of, _EACH),
            state_number(device.ACTIVITY, "activity", of, _EACH),
            summed(select(jobs.QUEUE, {**of, "state": "pending"}), _EACH),
            f"max by ({_EACH[0]}) ({select(jobs.EXPECTED_WAIT, of)})",
        ),
        prepared=_BY_DEVICE,
        columns=(
            _NAME,
            Column("Value #A", "State", "none", words=palette.STATE_WORDS, width=90),
            Column("Value #B", "Activity", "none", words=palette.ACTIVITY_WORDS, width=110),
            Column("Value #C", "Waiting", "short", decimals=0, width=80),
            Column("Value #D", "Expected wait", "s", decimals=0, limits=WAIT_LIMITS, width=120),
        ),
    )


def data_age(of: Matches) -> Panel:
    """Say of each device how old its data is, and whether it answers."""
    last = f"timestamp({select(device.UP, of)})"
    return table(
        "Data of each QPU",
        "Newest sample: how long ago Prometheus last read the QPU's metrics; above a minute the board shows "
        "the past. Poll: whether the QPU answered when qwatch last asked it.",
        *_asked(
            f"time() - max by ({_EACH[0]}) ({last} or max_over_time({last}[$__range:1m]))",
            f"max by ({_EACH[0]}) ({select(device.UP, of)})",
        ),
        prepared=_BY_DEVICE,
        columns=(
            _NAME,
            Column("Value #A", "Newest sample", "s", decimals=0, limits=AGE_LIMITS, width=115),
            Column("Value #B", "Poll", "none", words=palette.yes_or_no("answers", "fails"), width=80),
        ),
    )
