"""The bodies of what users are told of their usage: lengths in seconds, ratios 0 to 1."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from ..usage import Durations, Usage, UsageKey, UsageReport
from .time_messages import utc


class DurationsReply(BaseModel):
    """How long something took, ``count`` times: mean, quantiles (nearest rank) and the longest."""

    count: int
    mean: float
    p50: float
    p90: float
    p99: float
    longest: float

    @classmethod
    def of(cls, found: Durations | None) -> DurationsReply | None:
        """Return the reply for durations, None for none."""
        if found is None:
            return None
        return cls(
            count=found.count,
            mean=found.mean,
            p50=found.p50,
            p90=found.p90,
            p99=found.p99,
            longest=found.longest,
        )


class UsageEntry(BaseModel):
    """What was used: of jobs that ended in the period, and of those that have not ended.

    ``failures`` are the jobs in ERROR by reason; ``pending``, ``running`` and ``running_seconds`` (how long
    those have been on the device) are of now; ``efficiency`` is busy time / held time.
    """

    key: str | None
    jobs: int
    done: int
    canceled: int
    failed: int
    failures: dict[str, int]
    pending: int
    running: int
    running_seconds: float
    shots: int
    busy_seconds: float
    wait_seconds: DurationsReply | None
    run_seconds: DurationsReply | None
    held_seconds: float | None
    efficiency: float | None

    @classmethod
    def of(cls, found: Usage) -> UsageEntry:
        """Return the reply for a usage."""
        return cls(
            key=found.key,
            jobs=found.jobs,
            done=found.done,
            canceled=found.canceled,
            failed=found.failed,
            failures=dict(found.failures),
            pending=found.pending,
            running=found.running,
            running_seconds=found.running_seconds,
            shots=found.shots,
            busy_seconds=found.busy_seconds,
            wait_seconds=DurationsReply.of(found.wait),
            run_seconds=DurationsReply.of(found.run),
            held_seconds=found.held_seconds,
            efficiency=found.efficiency,
        )


class UsageReply(BaseModel):
    """``GET /usage``: of one user from ``begin`` to before ``end``; ``rest`` are the groups not listed."""

    begin: datetime
    end: datetime
    timezone: str
    user: str
    uid: int
    device: str | None
    by: UsageKey | None
    total: UsageEntry
    groups: list[UsageEntry]
    groups_in_rest: int
    rest: UsageEntry | None

    @classmethod
    def of(
        cls, found: UsageReport, *, user: str, uid: int, device: str | None, by: UsageKey | None, timezone: str
    ) -> UsageReply:
        """Return the reply for a report."""
        return cls(
            begin=utc(found.begin),
            end=utc(found.end),
            timezone=timezone,
            user=user,
            uid=uid,
            device=device,
            by=by,
            total=UsageEntry.of(found.total),
            groups=[UsageEntry.of(group) for group in found.groups],
            groups_in_rest=found.groups_in_rest,
            rest=None if found.rest is None else UsageEntry.of(found.rest),
        )
