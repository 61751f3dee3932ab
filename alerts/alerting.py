"""Every alert, from the files of its area."""

from __future__ import annotations

from . import device, jobs, objectives, quality, queue, qwatch_itself
from .configuration import Configuration
from .rule import AlertingRule, Severity

__all__ = ["AREAS", "AlertingRule", "Severity", "alerting_rules"]

AREAS = {
    "device": device.alerts,
    "queue": queue.alerts,
    "jobs": jobs.alerts,
    "quality": quality.alerts,
    "objectives": objectives.alerts,
    "qwatch": qwatch_itself.alerts,
}
"""What makes the alerts of each area; the areas are the groups of the rule file and the files of its tests."""


def alerting_rules(configuration: Configuration) -> list[AlertingRule]:
    """Return every alert."""
    return [rule for make in AREAS.values() for rule in make(configuration)]
