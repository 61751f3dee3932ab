"""What a source tells at all: an observer, or a device with a small API, leaves things out."""

from __future__ import annotations

from ...telemetry import (
    calibration_metrics,
    device_metrics,
    job_metrics,
    labels,
    own_metrics,
    quality_metrics,
)
from ...telemetry.catalogue import Kind, Metric
from ...telemetry.promql import CLUSTER, Matches, matchers, select
from .. import palette
from ..grafana import Json, Panel, PrometheusTarget
from ..panel_types import Column, table

EACH = (CLUSTER, labels.QPU_ID.name)
"""What tells devices apart: two sites may use the same name."""
TOLD: tuple[tuple[str, Metric], ...] = (
    ("State", device_metrics.STATE),
    ("Time", device_metrics.TIME),
    ("Shots", device_metrics.SHOTS),
    ("Queue", job_metrics.QUEUE),
    ("Waits", job_metrics.WAIT),
    ("Ends", job_metrics.FINISHED),
    ("Dispatch", own_metrics.LAST_LOOP),
    ("Sessions", job_metrics.SESSIONS_ACTIVE),
    ("Quality", quality_metrics.SAMPLE_TIMESTAMP),
    ("Calibrat.", calibration_metrics.LAST),
)
_WORDS: list[Json] = [
    {
        "type": "value",
        "options": {
            "1": {"text": "told", "color": palette.GOOD, "index": 0},
            "0": {"text": "not told", "color": palette.NOT_KNOWN, "index": 1},
        },
    }
]


def what_is_told(of: Matches) -> Panel:
    """Say of each device which kinds of data its source tells now."""
    each = ", ".join(EACH)
    none = f"0 * group by ({each}) ({select(device_metrics.INFO, of)})"

    def told(metric: Metric) -> str:
        suffix = "_count" if metric.kind is Kind.HISTOGRAM else ""
        return f"group by ({each}) ({metric.prometheus_name}{suffix}{matchers(metric, of)}) or {none}"

    targets = [PrometheusTarget(told(metric), instant=True, table=True) for _, metric in TOLD]
    columns = [
        Column(f"Value #{chr(ord('A') + number)}", title, "none", decimals=0, words=_WORDS, width=74)
        for number, (title, _) in enumerate(TOLD)
    ]
    return table(
        "What each source tells",
        "Which kinds of data there are of each QPU now. Where it says not told, the panels about it are empty: "
        "an observer knows what the other scheduler tells, a device what its API has; nothing is made up.",
        *targets,
        prepared=({"id": "merge", "options": {}},),
        columns=(
            Column(CLUSTER, "Cluster", width=90),
            Column(labels.QPU_ID.name, "QPU"),
            *columns,
        ),
    )
