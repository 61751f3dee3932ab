"""How much of the period the ledger tells of, and how far the counters are from the ledger.

The counters (``qpu_time_seconds_total``) have no history in the store: they are compared with the ledger over
the device's whole life. Only time that is known can be compared: ``unknown`` is left out, as in
``qwatch_ledger_difference_seconds``, which the daemon tells since its start.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, func, select

from ..scheduler.tables import device_time, slices
from .ledger_intervals import UNKNOWN, stretches
from .model import Coverage, Difference, Gap, Period, TimePartition
from .presence import Presence
from .time_cells import Grid

MOST_SLICES = 3_000_000
"""Of a device with more the whole life is not read for one report."""
_MOST_GAPS = 20
_LEAST_GAP_SECONDS = 1.0
_TOLERANCE_SECONDS = 60.0


def coverage(
    connection: Connection,
    presence: Presence,
    period: Period,
    time: TimePartition,
    life: Mapping[str, float] | None,
    grid: Grid,
) -> Coverage:
    """Return the coverage of one device; ``life`` are its seconds by activity over its whole life, if known."""
    covered = time.wall_seconds - time.seconds[UNKNOWN]
    gaps = _gaps(connection, presence, period, grid)
    longest = sorted(gaps, key=lambda gap: gap.begin - gap.end)[:_MOST_GAPS]
    differences, comparison = _differences(connection, presence, life)
    return Coverage(
        qpu_id=presence.qpu_id,
        covered_seconds=covered,
        ratio=min(max(covered / period.seconds, 0.0), 1.0),
        gaps=sorted(longest, key=lambda gap: gap.begin),
        gaps_left_out=len(gaps) - len(longest),
        differences=differences,
        comparison=comparison,
    )


def life_is_read(connection: Connection, presence: Presence) -> bool:
    """Tell whether the whole life of a device can be read in the time that a report has."""
    columns = slices.c
    first, last = connection.execute(
        select(
            select(func.min(columns.id)).where(columns.qpu_id == presence.qpu_id).scalar_subquery(),
            select(func.max(columns.id)).where(columns.qpu_id == presence.qpu_id).scalar_subquery(),
        )
    ).one()
    return first is None or last - first < MOST_SLICES


def _gaps(connection: Connection, presence: Presence, period: Period, grid: Grid) -> list[Gap]:
    found: list[Gap] = []

    def add(begin: float, end: float, reason: str) -> None:
        begin, end = max(begin, period.begin), min(end, period.end)
        if end - begin < _LEAST_GAP_SECONDS:
            return
        if found and begin - found[-1].end < _LEAST_GAP_SECONDS and (found[-1].reason == reason):
            begin, _ = found.pop().begin, None
        found.append(Gap(begin=begin, end=end, reason=reason))

    add(period.begin, min(presence.begin, period.end), "before the ledger's first entry of the device")
    add(presence.begin, presence.first_change, "before the device was first watched")
    of_period = Grid(size=grid.size, cuts=(period.begin, period.end))
    for row in connection.execute(stretches(presence, of_period, (UNKNOWN,))):
        add(row.begin, row.end, row.reason or "not told")
    after = "after the ledger's last entry of the device"
    add(max(presence.known_until, period.begin), period.end, after)
    return found


def _differences(
    connection: Connection, presence: Presence, life: Mapping[str, float] | None
) -> tuple[list[Difference] | None, str]:
    if life is None:
        return None, f"not compared: the device has more than {MOST_SLICES:,} slices"
    counted = {
        row.activity: row.seconds
        for row in connection.execute(
            select(device_time.c.activity, device_time.c.seconds).where(device_time.c.qpu_id == presence.qpu_id)
        )
    }
    if not counted:
        return None, "not compared: no counters of this device were stored"
    if sum(life.values()) + _TOLERANCE_SECONDS < sum(counted.values()) * 0.99:
        return None, "not compared: the ledger does not reach back to where the counters began"
    return (
        [
            Difference(activity=activity, counted=counted.get(activity, 0.0), ledger=seconds)
            for activity, seconds in life.items()
            if activity != UNKNOWN
        ],
        "counters minus ledger over the device's whole life; the counters have no history by period",
    )
