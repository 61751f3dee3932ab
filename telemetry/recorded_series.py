"""The series that the recording rules make: named once, for rules and dashboards.

Their form is ``level:metric:operation``. The windows in the names are those of the committed rules; the test
profile, in which every window is shorter, keeps the names.
"""

from __future__ import annotations

from dataclasses import dataclass

from .promql import TimeRatio

PENDING = "qpu_id:qpu_queue_jobs:pending"
"""Jobs that wait for a device, of all classes."""
RATE_WINDOW = "5m"

SHORT_WINDOWS = ("5m", "30m", "1h", "2h", "6h")
"""Windows over which jobs are counted from the counters themselves."""
LONG_WINDOWS = ("1d", "3d")
"""Windows over which jobs are summed up from steps."""
PERIOD = "30d"
"""The period that an objective's budget is for."""
STEP = "5m"


def time_rate(window: str = RATE_WINDOW) -> str:
    """Return the name of the time partition: shares of wall time by qpu_id and activity."""
    return f"qpu_id_activity:qpu_time_seconds:rate{window}"


def time_ratio(ratio: TimeRatio, window: str = RATE_WINDOW) -> str:
    """Return the name of a ratio of times by qpu_id."""
    return f"qpu_id:qpu_{ratio.name}:ratio_rate{window}"


@dataclass(frozen=True, slots=True)
class ObjectiveSeries:
    """The series of one objective; each has the labels qpu_id and job_class."""

    name: str
    title: str
    meaning: str

    def _named(self, operation: str) -> str:
        return f"qpu_id_job_class:qpu_{self.name}:{operation}"

    def jobs(self, window: str) -> str:
        """Return the series of the jobs that count within ``window``."""
        return self._named(f"jobs_increase{window}")

    def bad(self, window: str) -> str:
        """Return the series of the jobs within ``window`` that missed the objective."""
        return self._named(f"bad_increase{window}")

    def jobs_step(self) -> str:
        """Return the series of the jobs in steps of time that do not overlap: long windows are their sums."""
        return self._named(f"jobs_step{STEP}")

    def bad_step(self) -> str:
        """Return the same of the jobs that missed the objective."""
        return self._named(f"bad_step{STEP}")

    def burn_rate(self, window: str) -> str:
        """Return the series of the burn rate: 1 uses up the budget in just its period; absent without jobs."""
        return self._named(f"burn_rate{window}")

    @property
    def target(self) -> str:
        """The series of the share of jobs that is to meet the objective."""
        return self._named("target_ratio")

    @property
    def budget_left(self) -> str:
        """The series of the share of the period's budget that is left; below 0 it is overdrawn."""
        return self._named(f"budget_left_ratio{PERIOD}")


JOB_SUCCESS = ObjectiveSeries(
    "job_success",
    "Job success",
    "Share of the jobs that end well, of all that do not end by their user's, an administrator's or a "
    "policy's doing.",
)
QUEUE_WAIT = ObjectiveSeries(
    "queue_wait",
    "Queue wait",
    "Share of the jobs that start within the time that their class is promised.",
)
OBJECTIVES = (JOB_SUCCESS, QUEUE_WAIT)
