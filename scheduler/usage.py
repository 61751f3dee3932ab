"""What a user used in a period: jobs, waits, runs, shots, busy time, and the time that sessions were held.

A job belongs to the period, and to the day, in which it ended: then its row of the ledger is written. What has
not ended is told beside it, if the period includes the present.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Literal

UsageKey = Literal["device", "class", "session", "day", "sdk", "slurm-job"]
HELD_KEYS: tuple[UsageKey | None, ...] = (None, "device", "session", "day", "slurm-job")
"""What held time can be told by: a session has no class and no SDK, its jobs have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """How long something took, in seconds: ``count`` times, mean, quantiles (nearest rank) and longest."""

    count: int
    mean: float
    p50: float
    p90: float
    p99: float
    longest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What was used; lengths in seconds, None for what is not known or does not apply."""

    key: str | None = None
    """What it is of: a device, class, session's number, day, SDK or Slurm job; None where there is none."""
    done: int = 0
    canceled: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    """Jobs in ERROR by reason."""
    pending: int = 0
    running: int = 0
    """Now, as ``running_seconds``: how long those that run have been on the device."""
    running_seconds: float = 0.0
    shots: int = 0
    busy_seconds: float = 0.0
    wait: Durations | None = None
    run: Durations | None = None
    held_seconds: float | None = None

    @property
    def failed(self) -> int:
        """How many jobs ended in ERROR."""
        return sum(self.failures.values())

    @property
    def jobs(self) -> int:
        """How many jobs ended."""
        return self.done + self.canceled + self.failed

    @property
    def efficiency(self) -> float | None:
        """Which share of the held time was busy time; None if nothing was held.

        Not above 1, though a job that runs over the begin of the period is told whole in it.
        """
        if not self.held_seconds:
            return None
        return min((self.busy_seconds + self.running_seconds) / self.held_seconds, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    """What a user used, in all and by a key; ``rest`` is of the groups beyond the first 1,000."""

    begin: float
    end: float
    total: Usage
    groups: Sequence[Usage] = ()
    rest: Usage | None = None
    groups_in_rest: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuestion:
    """Whose usage from ``begin`` to before ``end`` (Unix seconds); of one device, if one is named.

    Days are those of ``zone``.
    """

    uid: int
    begin: float
    end: float
    now: float
    zone: tzinfo
    by: UsageKey | None = None
    qpu_id: str | None = None

    @property
    def includes_now(self) -> bool:
        """Whether the period includes the present."""
        return self.begin <= self.now <= self.end
