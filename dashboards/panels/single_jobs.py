"""What happened to single jobs: log lines and traces, where users, accounts and job ids live."""

from __future__ import annotations

from ...telemetry import attributes, log_fields
from ..grafana import LokiTarget, Panel, TempoTarget
from ..panel_types import logs, traces


def log_lines(qpu_id: str) -> Panel:
    """Show what qwatch logged about the device."""
    lines = f'{{{log_fields.QPU_ID}=~"{qpu_id}"}} | json | line_format "{{{{.level}}}} {{{{.message}}}}"'
    return logs(
        "Log lines",
        "What qwatch logged about the chosen devices; job, user and account are in each line's details.",
        LokiTarget(lines),
    )


def recent_traces(qpu_id: str) -> Panel:
    """Show traces that ran on the device."""
    return traces(
        "Traces",
        "Traces of jobs on the chosen devices in the time range; a row opens its trace.",
        TempoTarget(f'{{ span.{attributes.QPU_ID} =~ "{qpu_id}" }}'),
    )
