"""What the live views show: one snapshot for ``qwatch top`` and the status page.

Times are in UTC, durations in seconds. What stands in :class:`Snapshot` itself is public and names nobody;
``own`` is there for a user who proved who they are, ``administration`` for one who administers. A viewer counts
elapsed times itself, from ``at``: a snapshot does not change because time passes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA = 1
"""Raised when a field is renamed, removed or given another meaning; a new field leaves it as it is."""


class View(BaseModel):
    """A part of the snapshot; a reader ignores fields that it does not know."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class OpenWindow(View):
    """A window that closes a device to users: maintenance, calibration or drain."""

    kind: str
    since: datetime
    announced_end: datetime | None = None


class ClassQueue(View):
    """What waits of one job class, and when a job that is queued now would start.

    With ``at_once`` it would start as soon as it is queued, and ``expected_start`` is null. It is also null if
    it cannot be told: before the first slice taught how long shots take, while the device takes no work and no
    end was announced, and where the scheduler is another one. One in the past means at any moment.
    """

    job_class: str
    waiting: int
    running: int = 0
    oldest_created_at: datetime | None = None
    expected_start: datetime | None = None
    at_once: bool = False


class RunningWork(View):
    """What runs on a device: whose it is, is not public.

    Progress is (now - started_at) / (expected_end - started_at); past ``expected_end`` it takes longer than was
    predicted. ``shots`` are those of the slice on the device.
    """

    started_at: datetime | None
    expected_end: datetime | None = None
    job_class: str | None = None
    shots: int | None = None


class TimePartition(View):
    """Where the wall time between two moments went, in seconds by activity; the sum is ``until - since``.

    At most the last hour; less if the daemon was started since.
    """

    since: datetime
    until: datetime
    seconds: dict[str, float]


class QualityReading(View):
    """The newest value of one quality metric; ``name``, ``unit`` and ``labels`` as in the catalogue."""

    name: str
    labels: dict[str, str]
    value: float
    unit: str
    at: datetime
    source: str


class LastCalibration(View):
    """When a procedure last ended with success, and whether the last one did."""

    procedure: str
    last_success_at: datetime | None
    last_ended_at: datetime
    succeeded: bool


class DeviceView(View):
    """One device; state and activity are words of the catalogue's labels of these names."""

    name: str
    state: str
    state_since: datetime
    activity: str
    activity_since: datetime
    accessible: bool
    message: str
    simulator: bool | None
    windows: list[OpenWindow] = Field(default_factory=list)
    queue: list[ClassQueue] = Field(default_factory=list)
    waiting: int | None = None
    running: RunningWork | None = None
    last_hour: TimePartition | None = None
    quality: list[QualityReading] = Field(default_factory=list)
    calibrations: list[LastCalibration] = Field(default_factory=list)


class Totals(View):
    """Sums over the devices; null where no device tells."""

    devices: int
    online: int
    executing: int
    waiting: int | None
    running: int | None


class WaitingJob(View):
    """A job that waits; ``place`` 1 is next on its device, null beyond what is counted."""

    id: int
    device: str
    job_class: str
    shots: int
    created_at: datetime
    place: int | None
    expected_start: datetime | None
    user: str | None = None
    account: str | None = None


class ActiveJob(View):
    """A job that runs; progress as in :class:`RunningWork`."""

    id: int
    device: str
    job_class: str
    shots: int
    shots_executed: int
    created_at: datetime
    started_at: datetime | None
    expected_end: datetime | None
    cancel_requested: bool = False
    user: str | None = None
    account: str | None = None


class EndedJob(View):
    """A job that ended: state DONE, CANCELED or ERROR, reason as in METRICS."""

    id: int
    device: str
    job_class: str
    state: str
    reason: str
    message: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime
    busy_seconds: float
    user: str | None = None
    account: str | None = None


class Jobs(View):
    """Jobs by what they do; each list is bounded, ``waiting_total`` counts all that wait.

    Waiting jobs in the order in which they are expected to start; ended ones newest first.
    """

    waiting: list[WaitingJob] = Field(default_factory=list)
    waiting_total: int = 0
    running: list[ActiveJob] = Field(default_factory=list)
    ended: list[EndedJob] = Field(default_factory=list)


class Own(View):
    """The viewer's own jobs; ``user`` and ``account`` of its jobs are not set."""

    uid: int
    user: str
    jobs: Jobs


class Alert(View):
    """A firing alert, as Alertmanager tells."""

    name: str
    severity: str
    device: str | None
    summary: str
    since: datetime
    runbook_url: str | None = None


class Administration(View):
    """What administrators see besides: everybody's jobs, with user and account.

    ``sessions`` counts those that are held, by device. ``alerts`` is null if no Alertmanager is configured, or
    if it does not answer: ``alerts_error`` then says why.
    """

    jobs: Jobs
    sessions: dict[str, int]
    alerts: list[Alert] | None = None
    alerts_error: str | None = None


class Snapshot(View):
    """Everything that a viewer may see at one moment."""

    schema_version: int = SCHEMA
    at: datetime
    version: str
    role: Literal["all", "observer"]
    started_at: datetime
    """When this daemon started."""
    totals: Totals
    devices: list[DeviceView]
    own: Own | None = None
    administration: Administration | None = None
