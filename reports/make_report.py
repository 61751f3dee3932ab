"""Makes a utilization report from a store: every part by the file that is named for it, joined here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from ..scheduler.errors import ConfigurationError
from ..scheduler.ledger import OWN_SOURCE
from ..scheduler.tables import ledger_jobs
from . import anomalies, breakdown, cost
from .availability import availability
from .coverage import coverage, life_is_read
from .days_and_hours import HourlyJobs, days, heatmap, jobs_by_hour
from .device_quality import planned_windows, quality
from .job_anomalies import unusual_jobs
from .job_classes import MEASURES, classes, endings
from .job_cube import JobCell, ended_within, job_cube
from .model import Anomaly, Breakdown, Coverage, DevicePart, Period, Report, Shots, Statement, TimePartition
from .percentiles import by_class
from .presence import Fleet, Presence, fleet
from .read_only_store import ReadOnlyStore
from .session_use import session_use
from .settings import ReportSettings
from .time_cells import Grid, grid
from .time_partition import TimeTable, partition, time_table
from .trends import Figures, trends, whole_fleet

_LISTED = 200
_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a report is to be about."""

    period: Period
    previous: Period
    by: str = "class"
    devices: Sequence[str] = ()
    """Only these; all of the ledger if none is named."""
    nominal_rates: Mapping[str, float] = field(default_factory=dict)
    """Nominal shots a second, by device, from the configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Times:
    presence: Presence
    table: TimeTable
    now: TimePartition
    before: TimePartition | None
    life: Mapping[str, float] | None
    grid: Grid


def make_report(
    store: ReadOnlyStore,
    wanted: Wanted,
    settings: ReportSettings,
    now: float,
    progress: Callable[[str], None] = lambda part: None,
) -> Report:
    """Return the report; ``progress`` is told what is computed.

    Raises:
        ConfigurationError: the store does not serve, or a device is named that it does not know.
    """
    began = time.perf_counter()
    period, previous = wanted.period, wanted.previous
    progress("devices")
    found = store.read(lambda connection: fleet(connection, wanted.devices))
    _check_devices(found, wanted.devices)
    where = ended_within(period.begin, period.end, wanted.devices)
    where_before = ended_within(previous.begin, previous.end, wanted.devices)
    objectives = {str(name): objective for name, objective in settings.targets.wait.items()}

    counting = store.begin(lambda connection: job_cube(connection, where, objectives))
    timing = store.begin(lambda connection: _times(connection, found, wanted))
    measuring = store.begin(lambda connection: by_class(connection, ledger_jobs, where, MEASURES))
    counting_before = store.begin(lambda connection: job_cube(connection, where_before, {}))
    measuring_before = store.begin(
        lambda connection: by_class(connection, ledger_jobs, where_before, ("wait",))
    )
    begin_of_ledger = store.begin(_begin_of_ledger)

    progress("jobs")
    cells = counting.result()
    progress("time")
    times = timing.result()
    progress("past")
    first = begin_of_ledger.result()
    size = times[0].grid.size if times else _HOUR
    hourly = store.begin(
        lambda connection: jobs_by_hour(
            connection, anomalies.begin_of_past(period), period, wanted.devices, size
        )
    )
    searching = store.begin(lambda connection: _anomalies(connection, wanted, cells, first))
    using = store.begin(
        lambda connection: session_use(connection, period, where, wanted.devices, cells, found.sources)
    )
    billing = store.begin(lambda connection: _statements(connection, wanted, settings))
    dividing = store.begin(lambda connection: _breakdown(connection, wanted, settings, cells))
    cells_before = counting_before.result()
    counts = hourly.result()
    progress("devices' history")
    parts = [
        store.read(lambda connection, of=of: _device(connection, of, wanted, settings, cells, counts))  # type: ignore[misc]
        for of in times
    ]
    report = Report(
        site=settings.site,
        version=version("qwatch"),
        made_at=now,
        took_seconds=0.0,
        period=period,
        previous=previous,
        sources=[*found.sources],
        notes=_notes(found, wanted, cells),
        coverage=[covered for covered, _ in parts],
        devices=[device for _, device in parts],
        jobs=sum(cell.jobs for cell in cells),
        endings=endings(cells),
        possible_doubles=sum(cell.doubles for cell in cells),
        classes=classes(cells, measuring.result(), objectives),
        breakdown=dividing.result(),
        top_users=breakdown.of_cells(cells, "user", settings.top, settings.rates, {}),
        top_accounts=breakdown.of_cells(cells, "account", settings.top, settings.rates, settings.shares),
        sessions=using.result(),
        trends=trends(
            Figures(time=whole_fleet([of.now for of in times]), cells=cells, waits=measuring.result()),
            Figures(
                time=whole_fleet([of.before for of in times if of.before is not None]),
                cells=cells_before,
                waits=measuring_before.result(),
            )
            if cells_before or any(of.before is not None for of in times)
            else None,
        ),
        anomalies=[*searching.result(), *anomalies.unusual_hours(counts, size, period, first)],
        statements=billing.result(),
    )
    return replace(report, took_seconds=time.perf_counter() - began)


def _check_devices(found: Fleet, devices: Sequence[str]) -> None:
    known = [presence.qpu_id for presence in found.devices]
    for name in devices:
        if name not in known:
            raise ConfigurationError(f"device {name!r} is not in the ledger")


def _times(connection: Connection, found: Fleet, wanted: Wanted) -> list[_Times]:
    """Return the time of each device: of the period, of the previous one, and of its life if that is read."""
    period, previous = wanted.period, wanted.previous
    zone = ZoneInfo(period.timezone)
    times = []
    for presence in found.devices:
        cuts = {previous.begin, previous.end, period.begin, period.end}
        whole_life = life_is_read(connection, presence)
        if whole_life:
            cuts |= {presence.begin, presence.known_until}
        cells = grid(sorted(cuts), zone)
        table = time_table(connection, presence, found.sources, cells)
        before = partition(table.seconds(previous.begin, previous.end))
        times.append(
            _Times(
                presence=presence,
                table=table,
                now=partition(table.seconds(period.begin, period.end)),
                before=before if before.wall_seconds > 0 else None,
                life=table.seconds(presence.begin, presence.known_until)
                if whole_life and presence.known_until > presence.begin
                else None,
                grid=cells,
            )
        )
    return [of for of in times if of.now.wall_seconds > 0 or wanted.devices]


def _device(
    connection: Connection,
    of: _Times,
    wanted: Wanted,
    settings: ReportSettings,
    cells: Sequence[JobCell],
    jobs: Sequence[HourlyJobs],
) -> tuple[Coverage, DevicePart]:
    presence, period = of.presence, wanted.period
    name = presence.qpu_id
    end = period.end if presence.end is None else min(presence.end, period.end)
    return coverage(connection, presence, period, of.now, of.life, of.grid), DevicePart(
        qpu_id=name,
        present_from=min(max(presence.begin, period.begin), period.end),
        present_until=max(end, period.begin),
        time=of.now,
        before=of.before,
        utilization_target=settings.targets.utilization,
        availability=availability(connection, presence, period, of.now, settings.targets.availability),
        days=days(of.table, period, jobs),
        heatmap=heatmap(of.table, period),
        shots=_shots([cell for cell in cells if cell.qpu_id == name], wanted.nominal_rates.get(name)),
        windows=planned_windows(connection, name, period),
        quality=quality(connection, name, period),
    )


def _shots(cells: Sequence[JobCell], nominal: float | None) -> Shots:
    busy = sum(cell.busy_seconds for cell in cells)
    return Shots(
        requested=sum(cell.shots_requested for cell in cells),
        executed=sum(cell.shots_executed for cell in cells),
        rate=sum(cell.timed_shots for cell in cells) / busy if busy > 0 else None,
        nominal_rate=nominal,
    )


def _breakdown(
    connection: Connection, wanted: Wanted, settings: ReportSettings, cells: Sequence[JobCell]
) -> Breakdown:
    where = ended_within(wanted.period.begin, wanted.period.end, wanted.devices)
    if wanted.by in ("partition", "session", "slurm-job"):
        return breakdown.of_rows(connection, where, cells, wanted.by, _LISTED, settings.rates)
    targets = settings.shares if wanted.by == "account" else {}
    return breakdown.of_cells(cells, wanted.by, _LISTED, settings.rates, targets)


def _statements(connection: Connection, wanted: Wanted, settings: ReportSettings) -> Sequence[Statement] | None:
    # What an account owes is for all devices together.
    return None if wanted.devices else cost.statements(connection, wanted.period, settings.rates)


def _anomalies(
    connection: Connection, wanted: Wanted, cells: Sequence[JobCell], first: float | None
) -> list[Anomaly]:
    return [
        *anomalies.unusual_users(connection, wanted.period, wanted.previous, wanted.devices, cells, first),
        *unusual_jobs(connection, wanted.period, wanted.devices),
    ]


def _begin_of_ledger(connection: Connection) -> float | None:
    """Return when the first job of the ledger ended."""
    first = connection.execute(select(func.min(ledger_jobs.c.ended_at))).scalar()
    return None if first is None else float(first)


def _notes(found: Fleet, wanted: Wanted, cells: Sequence[JobCell]) -> list[str]:
    notes = []
    if not found.devices:
        notes.append("The ledger has no device yet: no daemon has written to this store.")
    if not cells:
        notes.append("No job ended in the period.")
    timed, jobs = sum(cell.timed for cell in cells), sum(cell.jobs for cell in cells)
    if timed < jobs:
        notes.append(f"Of {jobs - timed} jobs the busy time is not known: they count as none of it.")
    for source in found.sources:
        if source != OWN_SOURCE:
            notes.append(
                f"{source} does not tell whose fault an error was, classes, SDKs, or sessions: "
                "what is said of those is what the observer was configured with, or unknown."
            )
    if wanted.devices:
        notes.append(f"Only {', '.join(wanted.devices)}; statements are for all devices and left out.")
    return notes
