"""What a site may change about the rules without touching an expression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..telemetry.promql import Match


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Selectors, thresholds, windows and the runbooks' address; the defaults are what is committed."""

    selector: Mapping[str, str | Match] = field(default_factory=dict)
    """Which devices the rules are about: matchers on ``qpu_id``; none means all."""
    replaced_labels: tuple[str, ...] = ("instance",)
    """Labels that change when a process is replaced; rules sum over them after ``rate``."""
    runbook_base: str = "docs/runbooks"
    """Where the runbooks are found: a folder of the repository, or the address under which it is served."""

    evaluation_interval: str = "30s"
    rate_window: str = "5m"
    """Window of recorded rates: at least four scrapes."""
    drift_window: str = "1h"
    drift_baseline: str = "7d"
    """Drift is the mean of a quality over the first, minus its mean over the second."""
    drift_interval: str = "5m"

    down_for: str = "2m"
    absence_lookback: str = "1d"
    """A device that was seen in this time and is seen no more is missed; afterwards it counts as removed."""
    absence_for: str = "5m"
    starving_window: str = "5m"
    """Jobs waited without a break for this long."""
    starving_share: float = 0.05
    """The device worked, or had an excuse, for less than this share of ``rate_window``."""
    starving_for: str = "2m"

    def runbook(self, alert: str) -> str:
        """Return the address of the runbook of ``alert``."""
        return f"{self.runbook_base.rstrip('/')}/{alert}.md"
