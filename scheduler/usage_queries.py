"""The read side of the ledger for one user: sums and quantiles, made by the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, String, and_, case, cast, func, literal, null, select
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from .held_sessions import HeldSession, held_sessions
from .jobs import JobState
from .ledger import OWN_JOB
from .local_days import Day, days_between, place_of
from .slices import SliceState
from .tables import UNFINISHED, jobs, ledger_jobs, slices
from .usage import HELD_KEYS, Durations, Usage, UsageKey, UsageQuestion, UsageReport

MOST_GROUPS = 1000
QUANTILES = (50, 90, 99)
_KINDS = ("wait", "run")


def usage_of(connection: Connection, asked: UsageQuestion) -> UsageReport:
    """Return what a user used; sums and quantiles are made by the database."""
    held = held_sessions(connection, asked.uid, asked.begin, asked.end, asked.now, asked.qpu_id)
    (total,) = _Grouped(connection, replace(asked, by=None), held).usages() or [Usage(held_seconds=0.0)]
    if asked.by is None:
        return UsageReport(begin=asked.begin, end=asked.end, total=total)
    groups = _sorted(_Grouped(connection, asked, held).usages(), asked.by)
    rest = groups[MOST_GROUPS:]
    return UsageReport(
        begin=asked.begin,
        end=asked.end,
        total=total,
        groups=groups[:MOST_GROUPS],
        rest=_summed(rest) if rest else None,
        groups_in_rest=len(rest),
    )


def _sorted(groups: list[Usage], by: UsageKey) -> list[Usage]:
    if by == "day":
        return sorted(groups, key=lambda group: group.key or "")
    if by == "session":
        return sorted(groups, key=lambda group: int(group.key or 0), reverse=True)
    return sorted(groups, key=lambda group: (-group.busy_seconds, -group.jobs, group.key or ""))


def _summed(groups: Sequence[Usage]) -> Usage:
    """Return the sums of groups; what cannot be added is not known of them together."""
    failures: dict[str, int] = {}
    for group in groups:
        for reason, count in group.failures.items():
            failures[reason] = failures.get(reason, 0) + count
    held = [group.held_seconds for group in groups if group.held_seconds is not None]
    return Usage(
        done=sum(group.done for group in groups),
        canceled=sum(group.canceled for group in groups),
        failures=failures,
        pending=sum(group.pending for group in groups),
        running=sum(group.running for group in groups),
        running_seconds=sum(group.running_seconds for group in groups),
        shots=sum(group.shots for group in groups),
        busy_seconds=sum(group.busy_seconds for group in groups),
        held_seconds=sum(held) if held else None,
    )


class _Grouped:
    """The parts of the answer, each by the key that was asked for."""

    def __init__(self, connection: Connection, asked: UsageQuestion, held: Sequence[HeldSession]) -> None:
        self._connection = connection
        self._asked = asked
        self._held = held
        self._days = days_between(asked.begin, asked.end, asked.zone) if asked.by == "day" else []

    def usages(self) -> list[Usage]:
        """Return what was used by each key."""
        found = self._ended()
        for key, lengths in self._durations().items():
            found[key] = replace(found[key], wait=lengths["wait"], run=lengths["run"])
        if self._asked.includes_now:
            for key, (pending, running, seconds) in self._unfinished().items():
                usage = found.get(key) or Usage(key=key)
                found[key] = replace(usage, pending=pending, running=running, running_seconds=seconds)
        if self._asked.by in HELD_KEYS:
            held = self._held_seconds()
            for key in held.keys() | found.keys():
                usage = found.get(key) or Usage(key=key)
                found[key] = replace(usage, held_seconds=held.get(key, 0.0))
        return list(found.values())

    def _ended(self) -> dict[str | None, Usage]:
        rows = self._connection.execute(
            select(
                self._ledger_key().label("key"),
                ledger_jobs.c.state,
                ledger_jobs.c.reason,
                func.count().label("number"),
                func.coalesce(func.sum(ledger_jobs.c.shots_executed), 0).label("shots"),
                func.coalesce(func.sum(ledger_jobs.c.busy_seconds), 0.0).label("busy"),
            )
            .where(self._in_period())
            .group_by("key", ledger_jobs.c.state, ledger_jobs.c.reason)
            .order_by(func.count().desc(), ledger_jobs.c.reason)
        )
        found: dict[str | None, list[Usage]] = {}
        for row in rows:
            key, number = self._told(row.key), int(row.number)
            found.setdefault(key, []).append(
                Usage(
                    done=number if row.state == JobState.DONE.value else 0,
                    canceled=number if row.state == JobState.CANCELED.value else 0,
                    failures={row.reason: number} if row.state == JobState.ERROR.value else {},
                    shots=int(row.shots),
                    busy_seconds=float(row.busy),
                )
            )
        return {key: replace(_summed(parts), key=key) for key, parts in found.items()}

    def _durations(self) -> dict[str | None, dict[str, Durations]]:
        """Return how long jobs that started waited and ran, by key; both in one pass over the ledger."""
        started = ledger_jobs.c.started_at
        each = (
            select(
                self._ledger_key().label("key"),
                (started - ledger_jobs.c.created_at).label("wait"),
                (ledger_jobs.c.ended_at - started).label("run"),
            )
            .where(self._in_period(), started.is_not(None))
            .subquery()
        )
        ranked = select(
            each,
            func.count().over(partition_by=each.c.key).label("number"),
            *(
                func.row_number().over(partition_by=each.c.key, order_by=each.c[kind]).label(f"{kind}_place")
                for kind in _KINDS
            ),
        ).subquery()
        columns = [ranked.c.key, func.count().label("number")]
        for kind in _KINDS:
            length, place = ranked.c[kind], ranked.c[f"{kind}_place"]
            columns += [func.avg(length).label(f"{kind}_mean"), func.max(length).label(f"{kind}_longest")]
            columns += [
                # The nearest rank: the least length that so many per cent do not exceed.
                func.max(case((place == (ranked.c.number * quantile + 99) // 100, length))).label(
                    f"{kind}_p{quantile}"
                )
                for quantile in QUANTILES
            ]
        rows = self._connection.execute(select(*columns).group_by(ranked.c.key)).mappings()
        return {
            self._told(row["key"]): {
                kind: Durations(
                    count=int(row["number"]),
                    **{name: row[f"{kind}_{name}"] for name in ("mean", "p50", "p90", "p99", "longest")},
                )
                for kind in _KINDS
            }
            for row in rows
        }

    def _unfinished(self) -> dict[str | None, tuple[int, int, float]]:
        """Return how many jobs wait and run now, and how long those have been on the device."""
        # Hidden from the planner, which else reads all jobs of the user instead of the few unfinished ones.
        of_user = func.coalesce(jobs.c.uid, -1) == self._asked.uid
        own = and_(UNFINISHED, of_user, *self._of_device(jobs.c.qpu_id))
        is_running = jobs.c.state == JobState.RUNNING.value
        began = func.coalesce(slices.c.started_at, slices.c.posted_at)
        on_device = case(
            (slices.c.ended_at.is_not(None), slices.c.ended_at - began),
            (slices.c.state == SliceState.RUNNING.value, literal(self._asked.now) - began),
            else_=0.0,
        )
        key = self._job_key()
        counts = self._connection.execute(
            select(
                key.label("key"),
                func.count().label("all"),
                func.sum(case((is_running, 1), else_=0)).label("now"),
            )
            .where(own)
            .group_by("key")
        ).all()
        run_now = select(jobs.c.id, key.label("key")).where(own, is_running).subquery()
        busy = self._connection.execute(
            select(run_now.c.key, func.sum(on_device).label("seconds"))
            .join_from(run_now, slices, slices.c.job_id == run_now.c.id)
            .group_by(run_now.c.key)
        )
        seconds = {self._told(row.key): max(float(row.seconds or 0.0), 0.0) for row in busy}
        return {
            (found := self._told(row.key)): (int(row.all) - int(row.now), int(row.now), seconds.get(found, 0.0))
            for row in counts
        }

    def _held_seconds(self) -> dict[str | None, float]:
        found: dict[str | None, float] = {}
        for session in self._held:
            for key, seconds in self._shares(session):
                found[key] = found.get(key, 0.0) + seconds
        return found

    def _shares(self, session: HeldSession) -> Iterable[tuple[str | None, float]]:
        match self._asked.by:
            case "device":
                return [(session.qpu_id, session.seconds)]
            case "session":
                return [(str(session.number), session.seconds)]
            case "slurm-job":
                return [(session.slurm_job_id, session.seconds)]
            case "day":
                return [
                    (day.date.isoformat(), seconds)
                    for day in self._days
                    if (seconds := min(day.end, session.end) - max(day.begin, session.begin)) > 0
                ]
            case _:
                return [(None, session.seconds)]

    def _in_period(self) -> ColumnElement[bool]:
        return and_(
            OWN_JOB,
            ledger_jobs.c.ended_at >= self._asked.begin,
            ledger_jobs.c.ended_at < self._asked.end,
            ledger_jobs.c.uid == self._asked.uid,
            *self._of_device(ledger_jobs.c.qpu_id),
        )

    def _of_device(self, column: ColumnElement[str]) -> list[ColumnElement[bool]]:
        return [] if self._asked.qpu_id is None else [column == self._asked.qpu_id]

    def _ledger_key(self) -> ColumnElement[str | None]:
        if self._asked.by == "day":
            place = place_of(ledger_jobs.c.ended_at, self._days, self._connection.dialect.name)
            return cast(place, String(255))
        if self._asked.by == "session":
            return ledger_jobs.c.session
        return self._column(ledger_jobs.c)

    def _job_key(self) -> ColumnElement[str | None]:
        if self._asked.by == "day":
            return literal(str(_place_now(self._days, self._asked.now)), String(255))
        if self._asked.by == "session":
            return cast(jobs.c.session_id, String(255))
        return self._column(jobs.c)

    def _column(self, columns: ReadOnlyColumnCollection[str, Column[Any]]) -> ColumnElement[str | None]:
        match self._asked.by:
            case "device":
                return columns["qpu_id"]
            case "class":
                return columns["job_class"]
            case "sdk":
                return columns["sdk"]
            case "slurm-job":
                return columns["slurm_job_id"]
        return cast(null(), String(255))

    def _told(self, key: str | None) -> str | None:
        if self._asked.by != "day" or key is None:
            return key
        return self._days[int(key)].date.isoformat()


def _place_now(days: Sequence[Day], now: float) -> int:
    within = (place for place, day in enumerate(days) if day.begin <= now < day.end)
    return next(within, len(days) - 1)
