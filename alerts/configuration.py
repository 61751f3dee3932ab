"""What a site may change about rules and routing without touching an expression."""

# ruff: noqa: RUF009 - a Duration cannot be changed, so that instances may share it

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ..telemetry import labels
from ..telemetry.catalogue import Metric
from ..telemetry.promql import Match
from .durations import Duration

TEST_SCALE = 1 / 60
"""By what the test profile shortens every span of time."""

_T = Duration.of


def _fixed(values: Mapping[str, Duration]) -> Mapping[str, Duration]:
    return MappingProxyType(dict(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Selectors, thresholds, windows, objectives and addresses; the defaults are what is committed.

    Every span of time is a :class:`Duration`, so that :meth:`scaled` shortens them all for a test. What is
    measured in seconds but is no waiting (a clock's offset, the latency of a commit) is a plain number.
    """

    selector: Mapping[str, str | Match] = field(default_factory=dict)
    """Which devices the rules are about: matchers on ``qpu_id``; none means all."""
    replaced_labels: tuple[str, ...] = ("instance",)
    """Labels that change when a process is replaced; rules sum over them after ``rate``."""
    runbook_base: str = "alerts/runbooks"
    """Where the runbooks are found: a folder of the repository, or the address under which it is served."""
    dashboard_base: str = "http://localhost:3000"
    """Where Grafana is."""

    evaluation_interval: Duration = _T("30s")
    rate_window: Duration = _T("5m")
    """Window of recorded rates: at least four scrapes."""
    drift_window: Duration = _T("1h")
    drift_baseline: Duration = _T("7d")
    """Drift is the mean of a quality over the first, minus its mean over the second."""
    drift_interval: Duration = _T("5m")

    # Devices.
    down_for: Duration = _T("2m")
    absence_lookback: Duration = _T("1d")
    """A device that was seen in this time and is seen no more is missed; afterwards it counts as removed."""
    absence_for: Duration = _T("5m")
    paused_for: Duration = _T("30m")
    """A device that is closed outside of maintenance for this long was perhaps forgotten."""
    maintenance_overrun: Duration = _T("15m")
    """Maintenance may last this long beyond its announced end."""
    flapping_window: Duration = _T("30m")
    flapping_changes: int = 6
    """So many changes between online and not online within the window: three times away and back."""
    utilization_window: Duration = _T("1d")
    utilization_target: float = 0.3
    """The site's target for the utilization of the available time."""
    utilization_known: float = 0.5
    """Of at least this share of the window it must be known what the device did, and it was available."""
    utilization_for: Duration = _T("1h")
    clock_offset: float = 5.0
    """Seconds by which a device's clock may differ from the daemon's."""
    clock_for: Duration = _T("5m")

    # Queue and sessions.
    starving_window: Duration = _T("5m")
    """Jobs waited without a break for this long."""
    starving_share: float = 0.05
    """The device worked, or had an excuse, for less than this share of ``rate_window``."""
    starving_for: Duration = _T("2m")
    oldest_job: Mapping[str, Duration] = field(
        default_factory=lambda: _fixed(
            {"production": _T("4h"), "test": _T("1h"), "development": _T("1d"), "qa": _T("1d")}
        )
    )
    """How long the oldest job of a class may have waited."""
    oldest_job_for: Duration = _T("5m")
    session_idle_window: Duration = _T("5m")
    session_idle_for: Duration = _T("30m")
    """Sessions that are held for so long, while nothing is asked of an idle device, block it."""
    growing_window: Duration = _T("1h")
    growing_factor: float = 2.0
    """The queue is this many times as long as it was a window ago."""
    growing_jobs: int = 50
    """A shorter queue may grow as it likes."""
    growing_for: Duration = _T("15m")

    # Jobs.
    job_run: Duration = _T("1h")
    """A slice that runs for longer is stuck."""
    failure_window: Duration = _T("30m")
    failure_share: float = 0.2
    failure_jobs: int = 3
    """Fewer failures within the window are not looked at."""
    client_window: Duration = _T("30m")
    client_error_share: float = 0.1
    client_errors: int = 5
    """Fewer errors of the client library within the window are not looked at."""

    # Calibration and quality.
    calibration_overdue: float = 1.2
    """A calibration is overdue when it is so many of its intervals old."""
    calibration_window: Duration = _T("1d")
    calibration_failures: int = 2
    rabi_deviation: float = 0.03
    """The Rabi frequency may differ from the nominal one by this share."""
    readout_factor: float = 1.5
    """Readout errors may be so many times what the device is specified for."""
    benchmark_fidelity: float = 0.9
    quality_sigmas: float = 4.0
    """Beyond doubt is what exceeds its limit, and is so many of its own standard deviations."""
    quality_for: Duration = _T("5m")
    probe_window: Duration = _T("3h")
    probe_failures: int = 2

    # qwatch itself.
    loop_age: Duration = _T("2m")
    """The dispatch loop turns at least this often while no job runs."""
    collector_for: Duration = _T("5m")
    dropped_window: Duration = _T("10m")
    dropped_for: Duration = _T("5m")
    store_write_seconds: float = 0.5
    """Seconds within which nine of ten writes to the store are to be committed."""
    store_for: Duration = _T("10m")
    api_error_share: float = 0.05
    api_errors: int = 3
    """Fewer errors within ``rate_window`` are not looked at."""
    api_for: Duration = _T("2m")
    ledger_share: float = 0.01
    ledger_window: Duration = _T("1d")
    ledger_seconds: float = 60.0
    """The ledger may differ from the counters by the larger of this and a share of the window."""
    ledger_for: Duration = _T("15m")
    disk_free_share: float = 0.05
    disk_window: Duration = _T("6h")
    """The time from which it is extrapolated when the disk will be full."""
    disk_ahead: Duration = _T("1d")
    disk_for: Duration = _T("15m")

    # Objectives: shares of jobs by class. Below 0.931 the fastest burn rate could never be reached.
    job_success: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType(
            {"production": 0.99, "test": 0.95, "development": 0.95, "qa": 0.95}
        )
    )
    queue_wait: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType(
            {"production": 0.95, "test": 0.95, "development": 0.95, "qa": 0.95}
        )
    )
    queue_wait_within: Mapping[str, Duration] = field(
        default_factory=lambda: _fixed(
            {"production": _T("1h"), "test": _T("10m"), "development": _T("2h"), "qa": _T("2h")}
        )
    )
    """The time within which a job of a class is to start: the bound of a bucket of the histogram."""
    objective_jobs: int = 20
    """With fewer jobs in the long window a burn rate is chance."""
    objective_bad: int = 3
    """With fewer bad jobs in the long window, too."""
    scale: float = 1.0
    """By what every span of time was shortened."""

    # Alertmanager.
    group_wait: Duration = _T("30s")
    group_interval: Duration = _T("5m")
    repeat_urgent: Duration = _T("1h")
    repeat: Duration = _T("12h")
    dead_man_interval: Duration = _T("1m")
    dead_man_url: str = "http://localhost:9095/watchdog"
    """Who is told that alerting works, and calls when it is not told any more."""
    smtp_host: str = "localhost:25"
    smtp_from: str = "alertmanager@localhost"
    smtp_tls: bool = True
    mail: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType(
            {
                "operations": "qpu-operations@localhost",
                "quality": "qpu-quality@localhost",
                "middleware": "qwatch-administrators@localhost",
            }
        )
    )
    """The address of each team."""
    chat_url_file: str = "/etc/alertmanager/chat_url"
    """A file with the address of a Slack-compatible incoming webhook (Slack, Mattermost, Rocket.Chat)."""
    templates: str = "templates/*.tmpl"
    """Where Alertmanager finds the templates, beside its configuration."""

    def runbook(self, alert: str) -> str:
        """Return the address of the runbook of ``alert``."""
        return f"{self.runbook_base.rstrip('/')}/{alert}.md"

    def given(self, metric: Metric) -> Mapping[str, str | Match]:
        """Return the matchers for ``metric``: the selector, where it is about devices."""
        return self.selector if labels.QPU_ID in metric.labels else {}

    def scaled(self, factor: float = TEST_SCALE) -> Configuration:
        """Return the same configuration with every span of time multiplied by ``factor``."""
        changed: dict[str, object] = {}
        for known in dataclasses.fields(self):
            value = getattr(self, known.name)
            if isinstance(value, Duration):
                changed[known.name] = value.scaled(factor)
            elif known.name in ("oldest_job", "queue_wait_within"):
                changed[known.name] = {key: each.scaled(factor) for key, each in value.items()}
        changed["scale"] = self.scale * factor
        return dataclasses.replace(self, **changed)  # type: ignore[arg-type]

    def window(self, name: str) -> Duration:
        """Return the window that a series is named for, as long as it is here."""
        return Duration.of(name).scaled(self.scale)
