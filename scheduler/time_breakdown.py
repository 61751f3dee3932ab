"""Where the time of a job and of its session went: a partition, whose parts add up to the whole.

A job's time, from its creation until its results were fetched for the first time:

- ``queue``: it waited for the device;
- ``dispatch``: it was sent to the device, and the device had not begun;
- ``device``: the device executed it;
- ``fetch``: it had ended on the device, and its results were on their way to the user.

A session's time, from its begin to its end, or until its last job's time ends. Where several jobs overlap, the
device wins over dispatch, queue and fetch, in this order. What is left over, the session held with nothing
queued or running, is

- ``classical``: between the first job's creation and the last fetch, or within a phase that the program told;
- ``idle``: everything else; of it the scheduler knows nothing that the program did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

QUEUE, DISPATCH, DEVICE, FETCH, CLASSICAL, IDLE = "queue", "dispatch", "device", "fetch", "classical", "idle"
JOB_PARTS = (QUEUE, DISPATCH, DEVICE, FETCH)
SESSION_PARTS = (CLASSICAL, QUEUE, DISPATCH, DEVICE, FETCH, IDLE)
_PRECEDENCE = (DEVICE, DISPATCH, QUEUE, FETCH)


@dataclass(frozen=True, slots=True)
class SliceTimes:
    """When a slice was written, taken by the device, executed, and fetched; all in Unix seconds.

    ``given_back``: the job was put back to the queue after it.
    """

    claimed_at: float
    posted_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    fetched_at: float | None = None
    given_back: bool = False


@dataclass(frozen=True, slots=True)
class JobTimes:
    """When a job was created, ended, and its results fetched for the first time; all in Unix seconds."""

    created_at: float
    ended_at: float | None = None
    fetched_at: float | None = None
    slices: Sequence[SliceTimes] = ()


class Interval(NamedTuple):
    """A stretch of time of one part; begin and end in Unix seconds."""

    begin: float
    end: float
    part: str


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A stretch of time, in Unix seconds, the seconds of each part of it, and when which part was on."""

    begin: float
    end: float
    seconds: dict[str, float]
    intervals: Sequence[Interval]
    """They follow each other without a gap."""


def job_breakdown(times: JobTimes, now: float) -> Breakdown:
    """Return where a job's time went, until ``now`` if it has not ended."""
    found = job_intervals(times, now)
    end = found[-1].end if found else times.created_at
    return Breakdown(times.created_at, end, _sums(JOB_PARTS, found), found)


def session_breakdown(
    begin: float,
    end: float | None,
    jobs: Iterable[JobTimes],
    phases: Iterable[tuple[float, float]],
    now: float,
) -> Breakdown:
    """Return where a session's time went, until ``now`` if it is open.

    Args:
        begin: when the session began.
        end: when it ended, None while it is open.
        jobs: its jobs.
        phases: begin and end of the phases of its program.
        now: the present.
    """
    by_job = [interval for times in jobs for interval in job_intervals(times, now)]
    begin = min([begin, *(interval.begin for interval in by_job)])
    until = max([begin, now if end is None else end, *(interval.end for interval in by_job)])
    intervals = [*by_job, *(Interval(*phase, CLASSICAL) for phase in phases)]
    if by_job:
        # Between its first job and its last fetch the program is at work, with or without the device.
        first, last = min(item.begin for item in by_job), max(item.end for item in by_job)
        intervals.append(Interval(first, last, CLASSICAL))
    whole = _swept(intervals, begin, until)
    return Breakdown(begin, until, _sums(SESSION_PARTS, whole), whole)


def job_intervals(times: JobTimes, now: float) -> list[Interval]:
    """Return the consecutive parts of a job's time, without gaps.

    Clocks of device and host may disagree by a little: what lies outside its place is cut off.
    """
    walk = _Walk(times.created_at, now if times.ended_at is None else times.ended_at)
    doing = QUEUE
    fetched: float | None = None
    for item in sorted(times.slices, key=lambda item: item.claimed_at):
        if doing == FETCH and fetched is not None:
            walk.to(fetched, FETCH)
            doing = QUEUE
        walk.to(item.claimed_at, doing)
        doing, fetched = _walk_slice(walk, item), item.fetched_at
    if times.ended_at is None and doing == FETCH and fetched is not None:
        walk.to(fetched, FETCH)
        doing = QUEUE
    walk.to(walk.limit, doing)
    if times.ended_at is not None and times.fetched_at is not None:
        walk.limit = max(walk.limit, times.fetched_at)
        walk.to(times.fetched_at, FETCH)
    return walk.found


def _walk_slice(walk: _Walk, item: SliceTimes) -> str:
    """Pass a slice; return what its job does afterwards."""
    sent = item.started_at if item.started_at is not None else item.posted_at
    if sent is None:
        return QUEUE if item.given_back else DISPATCH
    walk.to(sent, DISPATCH)
    if item.ended_at is None:
        # Of a slice that was given back nothing tells what the device did with it.
        return QUEUE if item.given_back else DEVICE
    walk.to(item.ended_at, DEVICE)
    return FETCH


class _Walk:
    """Collects intervals that follow each other from ``begin`` to ``limit``."""

    def __init__(self, begin: float, limit: float) -> None:
        self.found: list[Interval] = []
        self.limit = max(limit, begin)
        self._at = begin

    def to(self, moment: float, part: str) -> None:
        moment = min(moment, self.limit)
        if moment > self._at:
            self.found.append(Interval(self._at, moment, part))
            self._at = moment


def _swept(intervals: Iterable[Interval], begin: float, end: float) -> list[Interval]:
    """Return what held at each moment between ``begin`` and ``end``, by precedence."""
    changes: list[tuple[float, int, str]] = []
    for interval in intervals:
        first, last = max(interval.begin, begin), min(interval.end, end)
        if first < last:
            changes += ((first, 1, interval.part), (last, -1, interval.part))
    changes.sort()
    walk, active = _Walk(begin, end), Counter[str]()
    for moment, step, part in changes:
        walk.to(moment, _foremost(active))
        active[part] += step
    walk.to(end, _foremost(active))
    return _joined(walk.found)


def _joined(intervals: Iterable[Interval]) -> list[Interval]:
    """Return neighbours of the same part as one."""
    found: list[Interval] = []
    for interval in intervals:
        if found and found[-1].part == interval.part:
            found[-1] = found[-1]._replace(end=interval.end)
        else:
            found.append(interval)
    return found


def _foremost(active: Counter[str]) -> str:
    for part in (*_PRECEDENCE, CLASSICAL):
        if active[part] > 0:
            return part
    return IDLE


def _sums(parts: Sequence[str], intervals: Iterable[Interval]) -> dict[str, float]:
    seconds = dict.fromkeys(parts, 0.0)
    for interval in intervals:
        seconds[interval.part] += interval.end - interval.begin
    return seconds
