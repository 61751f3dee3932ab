"""How many series a metric may have, so that no mistake makes series without end."""

from __future__ import annotations

from .catalogue import Metric
from .labels import QPU_ID

MOST_SERIES = 1000


class SeriesGuard:
    """The most series of each metric: ``most``, and for a metric of devices so many for each device.

    A histogram counts as one series for each combination of its labels.
    """

    def __init__(self, most: int = MOST_SERIES, devices: int = 1) -> None:
        self._most = most
        self._devices = max(1, devices)

    def limit(self, metric: Metric) -> int:
        """Return how many series the metric may have."""
        return self._most * self._devices if QPU_ID in metric.labels else self._most


def is_open(metric: Metric) -> bool:
    """Return whether the metric has a label without enumeration besides the device: it may reach its limit."""
    return any(label.values is None and label is not QPU_ID for label in metric.labels)
