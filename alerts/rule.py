"""What a recording and an alerting rule are, and what alerts share.

``critical`` pages, ``warning`` opens a ticket, ``info`` is shown on boards only. A summary is constant, so
that alerts group by it; values stand in the description.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from ..telemetry import device_metrics as device
from ..telemetry import labels
from ..telemetry.catalogue import Metric
from ..telemetry.promql import Match, select
from .configuration import Configuration
from .durations import Duration


class Severity(StrEnum):
    """How urgently a human is wanted."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Team(StrEnum):
    """Who is wanted."""

    OPERATIONS = "operations"
    """Who is on call for the machine and its queue."""
    QUALITY = "quality"
    """Who calibrates the machine and answers for its results."""
    MIDDLEWARE = "middleware"
    """Who runs qwatch."""


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """A series that Prometheus computes ahead."""

    record: str
    expression: str

    def as_yaml(self) -> dict[str, object]:
        """Return the rule as Prometheus reads it."""
        return {"record": self.record, "expr": self.expression}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertingRule:
    """A condition that a human should know of.

    ``follows`` names the alerts whose cause explains this one too: while they fire for the same device, it
    is inhibited.
    """

    name: str
    severity: Severity
    team: Team
    summary: str
    description: str
    expression: str
    lasting: Duration | None = None
    follows: tuple[str, ...] = ()
    board: str = "qwatch-qpu"

    def as_yaml(self, configuration: Configuration) -> dict[str, object]:
        """Return the rule as Prometheus reads it."""
        return {
            "alert": self.name,
            "expr": self.expression,
            **({"for": str(self.lasting)} if self.lasting else {}),
            "labels": {"severity": self.severity.value, "team": self.team.value},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "dashboard_url": self._dashboard(configuration),
                "runbook_url": configuration.runbook(self.name),
            },
        }

    def _dashboard(self, configuration: Configuration) -> str:
        board = f"{configuration.dashboard_base.rstrip('/')}/d/{quote(self.board)}"
        return f"{board}{{{{ with $labels.qpu_id }}}}?var-qpu_id={{{{ . }}}}{{{{ end }}}}"


DOWN = "QPUDown"
MAINTENANCE = "QPUInMaintenance"


def without(*names: str) -> str:
    """Return a ``without`` clause."""
    return f"without ({', '.join(names)})"


def latest(
    configuration: Configuration, metric: Metric, matched: Mapping[str, str] | None = None, by: str = "max"
) -> str:
    """Return a gauge without the labels that change with a process or that it is matched on."""
    given: dict[str, str | Match] = {**configuration.given(metric), **(matched or {})}
    return f"{by} {without(*configuration.replaced_labels, *(matched or {}))} ({select(metric, given)})"


def counted(
    configuration: Configuration,
    metric: Metric,
    window: Duration,
    matched: Mapping[str, str | Match] | None = None,
    dropped: tuple[str, ...] = (),
) -> str:
    """Return how much a counter grew in ``window``, summed over replaced processes and ``dropped`` labels."""
    given: dict[str, str | Match] = {**configuration.given(metric), **(matched or {})}
    grown = f"increase({select(metric, given, str(window))})"
    return f"sum {without(*configuration.replaced_labels, *dropped)} ({grown})"


def in_maintenance(configuration: Configuration) -> str:
    """Return the condition that a device is in maintenance."""
    return f"{latest(configuration, device.ACTIVITY, {'activity': 'maintenance'})} == 1"


def _state_of_device(metric: Metric, label: str) -> str:
    """Return the template that asks, when the alert fires, in which state the device is."""
    asked = f"max by ({label}) ({metric.prometheus_name}{{{labels.QPU_ID.name}=%q}} == 1)"
    return (
        f"{{{{ range query (printf `{asked}` $labels.qpu_id) }}}}{{{{ .Labels.{label} }}}}"
        "{{ else }}not told{{ end }}"
    )


STATE = f"state {_state_of_device(device.STATE, 'state')}"
ACTIVITY = f"activity {_state_of_device(device.ACTIVITY, 'activity')}"
