"""Which devices a ledger tells of, from when until when, and from which rows on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from ..scheduler.ledger import OWN_SOURCE
from ..scheduler.tables import device_activity, devices, ledger_jobs

REMOVED_AFTER_SECONDS = 3600.0
"""A device of which nothing was stored for so much longer than of another one is not there any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """One device of the ledger; times in Unix seconds."""

    qpu_id: str
    begin: float
    """The first change of its activity, or the start of the first job that an observer read of it."""
    first_change: float
    known_until: float
    """When its time was stored last: what it did since is not written yet."""
    end: float | None
    """When it was there last, if it is not there any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """All devices of a ledger, and who filled it."""

    devices: Sequence[Presence]
    sources: Sequence[str]


def fleet(connection: Connection, chosen: Sequence[str]) -> Fleet:
    """Return the devices that the ledger tells of, only the ``chosen`` ones if there are any."""
    sources = _sources(connection)
    columns = device_activity.c
    first_and_last = (
        select(columns.qpu_id, func.min(columns.since).label("first"), func.max(columns.since).label("last"))
        .group_by(columns.qpu_id)
        .subquery()
    )
    rows = connection.execute(
        select(devices.c.qpu_id, devices.c.time_as_of, first_and_last.c.first, first_and_last.c.last)
        .outerjoin(first_and_last, first_and_last.c.qpu_id == devices.c.qpu_id)
        .order_by(devices.c.qpu_id)
    ).all()
    found: list[tuple[str, float, float, float]] = []
    for row in rows:
        begun = _first_observed(connection, row.qpu_id, sources)
        known = [moment for moment in (row.time_as_of, row.last) if moment is not None]
        if row.first is None and begun is None:
            continue
        first = row.first if row.first is not None else max(known, default=begun or 0.0)
        found.append(
            (row.qpu_id, min(first, first if begun is None else begun), first, max(known, default=first))
        )
    newest = max((known_until for *_, known_until in found), default=0.0)
    return Fleet(
        devices=[
            Presence(
                qpu_id=qpu_id,
                begin=begin,
                first_change=first,
                known_until=known_until,
                end=known_until if newest > known_until + REMOVED_AFTER_SECONDS else None,
            )
            for qpu_id, begin, first, known_until in found
            if not chosen or qpu_id in chosen
        ],
        sources=sources,
    )


def _sources(connection: Connection) -> list[str]:
    """Return who filled the ledger, each found by one step in the index."""
    found: list[str] = []
    statement = select(func.min(ledger_jobs.c.source))
    name = connection.execute(statement).scalar()
    while name is not None:
        found.append(name)
        name = connection.execute(statement.where(ledger_jobs.c.source > name)).scalar()
    return found


def _first_observed(connection: Connection, qpu_id: str, sources: Sequence[str]) -> float | None:
    """Return when the first job that an observer read of a device started."""
    columns = ledger_jobs.c
    others = [source for source in sources if source != OWN_SOURCE]
    if not others:
        return None
    first = connection.execute(
        select(func.min(columns.started_at)).where(columns.source.in_(others), columns.qpu_id == qpu_id)
    ).scalar()
    return None if first is None else float(first)
