"""A utilization report as values: what every format of it prints.

Times are Unix seconds, lengths are seconds, ratios are 0 to 1. What is not known is None, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From ``begin`` to before ``end``; ``label`` says it for a person in the zone ``timezone``."""

    begin: float
    end: float
    timezone: str
    label: str

    @property
    def seconds(self) -> float:
        """The length of the period."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A stretch of time of which the ledger tells nothing."""

    begin: float
    end: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The seconds of an activity by the counters and by the ledger."""

    activity: str
    counted: float
    ledger: float

    @property
    def seconds(self) -> float:
        """Counters minus ledger."""
        return self.counted - self.ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much of a device's time in the period is known, and how far its two accounts agree."""

    qpu_id: str
    covered_seconds: float
    ratio: float
    gaps: Sequence[Gap]
    gaps_left_out: int
    differences: Sequence[Difference] | None
    """None where nothing can be compared, ``comparison`` then says why."""
    comparison: str
    """How and over what time the difference was computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePartition:
    """Wall time by activity (METRICS.md's, and in its order); the seconds add up to ``wall_seconds``."""

    wall_seconds: float
    seconds: Mapping[str, float]
    utilization: float | None
    """Busy time / wall time."""
    utilization_of_available: float | None
    """Busy time / (wall time - fault - maintenance - unknown)."""
    dispatch_efficiency: float | None
    """Busy time / (busy time + dispatch)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day in the report's zone, or its part that lies in the period; 23 or 25 hours where clocks change."""

    date: str
    begin: float
    end: float
    seconds: Mapping[str, float]
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A stretch of fault; ``end`` is None if it outlasts the period."""

    qpu_id: str
    begin: float
    end: float | None
    seconds: float
    """What of it lies in the period."""
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """How much of the known time a device was not at fault, planned maintenance and calibration apart."""

    ratio: float | None
    """1 - fault / (wall - unknown - maintenance)."""
    target: float | None
    incidents: Sequence[Incident]
    mean_time_between_failures: float | None
    """Time without fault / incidents; None without incidents."""
    mean_time_to_repair: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedWindow:
    """A drain, a maintenance or a calibration that an administrator or the device told."""

    kind: str
    begin: float
    end: float | None
    procedure: str | None
    result: str | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityPoint:
    """One measurement."""

    at: float
    value: float
    uncertainty: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QualitySeries:
    """One measured quality of a device over the period; thinned out if there are very many points."""

    metric: str
    """Dotted name in the catalogue."""
    unit: str
    labels: Mapping[str, str]
    source: str
    points: Sequence[QualityPoint]
    count: int
    first: float
    last: float
    least: float
    greatest: float
    mean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shots:
    """Shots executed and the rate at which they came while the device executed."""

    requested: int
    executed: int
    rate: float | None
    """Shots executed / busy time, in hertz."""
    nominal_rate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePart:
    """What is told of one device."""

    qpu_id: str
    present_from: float
    """When it appears first in the ledger, or the period's begin if that was earlier."""
    present_until: float
    time: TimePartition
    before: TimePartition | None
    """The same of the previous period; None if the device was not there."""
    utilization_target: float | None
    availability: Availability
    days: Sequence[Day]
    heatmap: Sequence[Sequence[float | None]]
    """Utilization by weekday (Monday first) and hour of the day in the report's zone: shape (7, 24)."""
    shots: Shots
    windows: Sequence[PlannedWindow]
    quality: Sequence[QualitySeries]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How many jobs ended so."""

    state: str
    reason: str
    jobs: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """A distribution of lengths of time."""

    count: int
    p50: float | None
    p90: float | None
    p99: float | None
    mean: float | None
    greatest: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassPart:
    """The jobs of one class that ended in the period."""

    job_class: str
    jobs: int
    wait: Quantiles
    run: Quantiles
    turnaround: Quantiles
    objective_within: float | None
    objective_ratio: float | None
    met_ratio: float | None
    """Share of the jobs that started within ``objective_within``; None without an objective or jobs."""

    @property
    def met(self) -> bool | None:
        """Whether the objective was met; None if there is none, or no job."""
        if self.met_ratio is None or self.objective_ratio is None:
            return None
        return self.met_ratio >= self.objective_ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The jobs that share a user, an account, or whatever the report is broken down by."""

    name: str
    jobs: int
    failed: int
    shots: int
    busy_seconds: float
    share: float
    """Of the busy time of all jobs in the report; the shares of a breakdown add up to 1, if there was any."""
    target_share: float | None
    mean_wait: float | None
    cost: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """All jobs by one property; ``others`` sums what is not listed, so that the shares add up."""

    by: str
    groups: Sequence[Group]
    others: Group | None
    count: int
    """How many groups there are in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionUse:
    """One session: how long it held the device, and for how long it used it."""

    session: str
    user: str
    account: str
    qpu_id: str
    slurm_job_id: str | None
    held_seconds: float
    busy_seconds: float
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPart:
    """Sessions that lie in the period, at least in part; ``ratio`` is busy / held."""

    sessions: int
    held_seconds: float
    busy_seconds: float
    ratio: float | None
    least_efficient: Sequence[SessionUse]
    note: str
    """What is not known of sessions, for example beside another scheduler; empty if nothing is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A figure of this period beside that of the previous one."""

    name: str
    unit: str
    """ratio, seconds, hertz or count."""
    now: float | None
    before: float | None

    @property
    def change(self) -> float | None:
        """The relative change; None where there is nothing to compare with."""
        if self.now is None or self.before is None or self.before == 0:
            return None
        return self.now / self.before - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """A job, a user or an hour far outside its past, with the numbers behind it."""

    kind: str
    """job, user, account or hour."""
    subject: str
    at: float | None
    measure: str
    unit: str
    value: float
    usual: float
    """The median of the past."""
    spread: float
    """The scale of the past: 1.4826 times the median absolute deviation, or what bounds it from below."""
    score: float
    """(value - usual) / spread."""
    sample: int
    """How many values the past has."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """What an account used of one class, at which rate."""

    job_class: str
    jobs: int
    busy_seconds: float
    rate: float
    """Per hour of busy time."""
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What was added to an account afterwards, and why."""

    number: int
    at: float
    applies_at: float
    job: str | None
    busy_seconds: float
    cost: float
    reason: str
    made_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What an account owes for the period: its lines and its corrections add up to ``total``."""

    account: str
    currency: str
    lines: Sequence[StatementLine]
    corrections: Sequence[Correction]
    busy_seconds: float
    total: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All of a utilization report."""

    site: str
    version: str
    """Of qwatch."""
    made_at: float
    took_seconds: float
    period: Period
    previous: Period
    sources: Sequence[str]
    """Who filled the ledger: qwatch, or the names of the schedulers that are observed."""
    notes: Sequence[str]
    """What the report cannot know, one sentence each."""
    coverage: Sequence[Coverage]
    devices: Sequence[DevicePart]
    jobs: int
    endings: Sequence[Ending]
    possible_doubles: int
    classes: Sequence[ClassPart]
    breakdown: Breakdown
    """By what was asked for."""
    top_users: Breakdown
    top_accounts: Breakdown
    sessions: SessionPart
    trends: Sequence[Trend]
    anomalies: Sequence[Anomaly]
    statements: Sequence[Statement] | None
    """None if no rate is configured."""
