"""How far what is told of the devices' time is from what the ledger says."""

from __future__ import annotations

from collections.abc import Iterable

from ..scheduler.scheduler import Scheduler
from ..telemetry import own_metrics
from .interface import Sample


class LedgerCollector:
    """Tells the differences as they were computed last, in the background."""

    name = "ledger"
    metrics = (own_metrics.LEDGER_DIFFERENCE,)

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def collect(self) -> Iterable[Sample]:
        """Return the differences of every device that was compared."""
        for name, differences in self._scheduler.ledger_comparison.differences.items():
            for activity, seconds in differences.items():
                yield Sample(own_metrics.LEDGER_DIFFERENCE, {"qpu_id": name, "activity": activity}, seconds)
