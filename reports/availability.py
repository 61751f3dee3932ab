"""Availability and the incidents behind it.

An incident is a stretch of fault; its cause is the reason that was written down with it. A restart of qwatch
amidst one (of whose time nothing is known) does not make it two. Those that touch the period are told; of each
only the time at fault within the period counts.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from .ledger_intervals import UNKNOWN, stretches
from .model import Availability, Incident, Period, TimePartition
from .presence import Presence
from .time_cells import Grid

_RESTART_SECONDS = 3600.0
"""The longest time without knowledge that is taken as a restart of qwatch."""
_LOOKED_BACK_SECONDS = 400 * 86_400.0
_FAULT = "fault"


def availability(
    connection: Connection, presence: Presence, period: Period, time: TimePartition, target: float | None
) -> Availability:
    """Return the availability of one device in the period of which ``time`` is the partition."""
    incidents = _incidents(connection, presence, period)
    counted = time.wall_seconds - time.seconds[UNKNOWN] - time.seconds["maintenance"]
    without = time.wall_seconds - time.seconds[UNKNOWN] - time.seconds[_FAULT]
    return Availability(
        ratio=max(1.0 - time.seconds[_FAULT] / counted, 0.0) if counted > 0 else None,
        target=target,
        incidents=incidents,
        mean_time_between_failures=max(without, 0.0) / len(incidents) if incidents else None,
        mean_time_to_repair=sum(found.seconds for found in incidents) / len(incidents) if incidents else None,
    )


def _incidents(connection: Connection, presence: Presence, period: Period) -> list[Incident]:
    """Return the incidents that touch the period, in order; their bounds are those that they really had."""
    # One that goes on from before is followed back over the restarts that it lasted through.
    grid = Grid(size=3600, cuts=(period.begin - _LOOKED_BACK_SECONDS, period.end))
    found = connection.execute(stretches(presence, grid, (_FAULT, UNKNOWN)))
    incidents: list[Incident] = []
    restart = (-1.0, -1.0)
    for row in found:
        last = incidents[-1] if incidents else None
        if row.activity == UNKNOWN:
            # A restart right after a fault, by whose end it may go on.
            if last is not None and row.begin in (last.end, restart[1]):
                restart = (restart[0] if row.begin == restart[1] else row.begin, row.end)
            continue
        seconds = max(row.end - max(row.begin, period.begin), 0.0)
        goes_on = last is not None and (
            last.end == row.begin
            or (restart == (last.end, row.begin) and row.begin - restart[0] <= _RESTART_SECONDS)
        )
        if last is not None and goes_on:
            incidents[-1] = replace(last, end=row.end, seconds=last.seconds + seconds)
        else:
            incidents.append(
                Incident(
                    qpu_id=presence.qpu_id,
                    begin=row.begin,
                    end=row.end,
                    seconds=seconds,
                    cause=row.reason or "not told",
                )
            )
    # Where the period ends, or what is known of the device does, an incident's end is not known.
    last_moment = min(period.end, presence.known_until)
    return [
        replace(incident, end=None) if (incident.end or last_moment) >= last_moment else incident
        for incident in incidents
        if incident.seconds > 0
    ]
