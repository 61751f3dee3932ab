"""A ledger made up of plain rows, and the store that has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, create_engine, delete, insert

from qwatch.reports.make_report import Wanted, make_report
from qwatch.reports.model import Report
from qwatch.reports.period import Asked, periods
from qwatch.reports.read_only_store import open_store
from qwatch.reports.settings import ReportSettings
from qwatch.scheduler import schema
from qwatch.scheduler.tables import (
    device_activity,
    device_time,
    device_windows,
    devices,
    job_payloads,
    jobs,
    ledger_jobs,
    ledger_quality,
    ledger_slurm_jobs,
    sessions,
    slices,
)

_FILLED = (
    slices,
    job_payloads,
    jobs,
    sessions,
    ledger_jobs,
    ledger_quality,
    ledger_slurm_jobs,
    device_activity,
    device_time,
    device_windows,
    devices,
)


@dataclass(kw_only=True)
class Ledger:
    """What is in it; times in Unix seconds."""

    as_of: Mapping[str, float] = field(default_factory=dict)
    changes: Sequence[tuple[str, float, str, str]] = ()
    """Device, since, activity, reason."""
    slices: Sequence[tuple[str, float, float | None]] = ()
    """Device, posted, end as it was observed (None: still running)."""
    jobs: Sequence[Mapping[str, Any]] = ()
    sessions: Sequence[Mapping[str, Any]] = ()
    slurm_jobs: Mapping[str, str] = field(default_factory=dict)
    """Partition by Slurm job."""
    counters: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    windows: Sequence[Mapping[str, Any]] = ()
    quality: Sequence[Mapping[str, Any]] = ()


def a_job(**given: Any) -> dict[str, Any]:
    """Return a row of a finished job; ``ended_at`` must be given."""
    row = {
        "source": "qwatch",
        "session": "1",
        "slurm_job_id": None,
        "user_name": "ada",
        "account": "chem",
        "qpu_id": "FRESNEL",
        "resource_type": "pasqal-local",
        "job_class": "production",
        "sdk": None,
        "shots_requested": 10,
        "shots_executed": 10,
        "created_at": given["ended_at"] - 60.0,
        "started_at": given["ended_at"] - 20.0,
        "busy_seconds": 20.0,
        "state": "DONE",
        "reason": "none",
        "possible_double": False,
    }
    return row | given


class Store:
    """A store that is filled anew for each ledger."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine: Engine = create_engine(url)
        schema.upgrade(self.engine)

    def fill(self, ledger: Ledger) -> None:
        with self.engine.begin() as connection:
            for table in _FILLED:
                connection.execute(delete(table))
            names = dict.fromkeys([*ledger.as_of, *(change[0] for change in ledger.changes)])
            rows: list[tuple[Any, Sequence[Mapping[str, Any]]]] = [
                (devices, [{"qpu_id": name, "time_as_of": ledger.as_of.get(name)} for name in names]),
                (
                    device_activity,
                    [
                        {"qpu_id": name, "since": since, "activity": activity, "reason": reason}
                        for name, since, activity, reason in ledger.changes
                    ],
                ),
                (
                    ledger_jobs,
                    [{"job": str(number)} | dict(job) for number, job in enumerate(ledger.jobs)],
                ),
                (sessions, [_session(number, row) for number, row in enumerate(ledger.sessions, start=1)]),
                (
                    ledger_slurm_jobs,
                    [
                        {"slurm_job_id": number, "partition": partition, "seen_at": 0.0}
                        for number, partition in ledger.slurm_jobs.items()
                    ],
                ),
                (
                    device_time,
                    [
                        {"qpu_id": name, "activity": activity, "seconds": seconds}
                        for name, counted in ledger.counters.items()
                        for activity, seconds in counted.items()
                    ],
                ),
                (device_windows, ledger.windows),
                (ledger_quality, ledger.quality),
            ]
            for table, found in rows:
                if found:
                    connection.execute(insert(table), [dict(row) for row in found])
            self._fill_slices(connection, ledger.slices)

    def _fill_slices(self, connection: Any, found: Sequence[tuple[str, float, float | None]]) -> None:
        if not found:
            return
        session = connection.execute(
            insert(sessions).values(_session(9999, {"created_at": -1.0, "ended_at": 0.0}))
        ).inserted_primary_key[0]
        for name, posted, end in found:
            job = connection.execute(
                insert(jobs).values(
                    session_id=session,
                    uid=1,
                    user_name="ada",
                    account="chem",
                    qpu_id=name,
                    resource_type="pasqal-local",
                    job_class="production",
                    shots_requested=1,
                    state="DONE" if end is not None else "RUNNING",
                    received_at=posted,
                    created_at=posted,
                )
            ).inserted_primary_key[0]
            connection.execute(
                insert(slices).values(
                    job_id=job,
                    qpu_id=name,
                    shots=1,
                    state="running" if end is None else "done",
                    claimed_at=posted,
                    posted_at=posted,
                    observed_end_at=end,
                )
            )

    def report(
        self,
        begin: str | float,
        end: str | float,
        *,
        zone: str = "UTC",
        now: float = 4e9,
        settings: ReportSettings | None = None,
        **wanted: Any,
    ) -> Report:
        """Return the report of a period, told as texts or in Unix seconds."""
        texts = [moment if isinstance(moment, str) else iso(moment) for moment in (begin, end)]
        period, previous = periods(Asked(begin=texts[0], end=texts[1]), ZoneInfo(zone), now)
        return self.report_of(Wanted(period=period, previous=previous, **wanted), settings, now)

    def report_of(self, wanted: Wanted, settings: ReportSettings | None = None, now: float = 4e9) -> Report:
        with open_store(self.url) as store:
            return make_report(store, wanted, settings or ReportSettings(), now)


def iso(moment: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(moment, UTC).isoformat()


def _session(number: int, given: Mapping[str, Any]) -> dict[str, Any]:
    row = {
        "id": number,
        "token_sha256": f"{number:064}",
        "uid": 1,
        "user_name": "ada",
        "account": "chem",
        "slurm_job_id": None,
        "qpu_id": "FRESNEL",
        "created_by": 0,
        "ended_at": None,
    }
    return row | dict(given)
