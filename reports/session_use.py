"""For how long sessions were held, and for how long they used the device.

Held is the part of a session's life that lies in the period; used is the busy time of its jobs that ended in
the period. Sessions of one device may be held at the same time, so that held time may exceed wall time. Only
sessions of qwatch are in its store: those of a scheduler that is observed are not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, func, select

from ..scheduler.ledger import OWN_SOURCE
from ..scheduler.tables import ledger_jobs, sessions
from .expressions import greatest, least, number
from .job_cube import JobCell
from .model import Period, SessionPart, SessionUse

_LOOKED_AT = 200
_LISTED = 10


def session_use(
    connection: Connection,
    period: Period,
    where: ColumnElement[bool],
    devices: Sequence[str],
    cells: Sequence[JobCell],
    sources: Sequence[str],
) -> SessionPart:
    """Return the use of the sessions of the period; ``where`` and ``cells`` are its jobs.

    The least efficient are those that left most time unused among the 200 that were held longest.
    """
    held = _held(period, devices).subquery()
    count, seconds = connection.execute(
        select(func.count(), func.coalesce(func.sum(held.c.held), 0.0)).select_from(held)
    ).one()
    busy = sum(cell.busy_seconds for cell in cells if cell.source == OWN_SOURCE)
    return SessionPart(
        sessions=count,
        held_seconds=float(seconds),
        busy_seconds=busy if count else 0.0,
        ratio=busy / seconds if seconds > 0 else None,
        least_efficient=_least_efficient(connection, held, where),
        note=_note(sources),
    )


def _note(sources: Sequence[str]) -> str:
    others = [source for source in sources if source != OWN_SOURCE]
    if not others:
        return ""
    return f"The sessions of {', '.join(others)} are not in the ledger: of those nothing is told here."


def _held(period: Period, devices: Sequence[str]) -> Select[Any]:
    columns = sessions.c
    end = func.coalesce(columns.ended_at, number(period.end))
    conditions = [columns.created_at < period.end, end > period.begin]
    if devices:
        conditions.append(columns.qpu_id.in_(devices))
    return select(
        columns.id,
        columns.user_name,
        columns.account,
        columns.qpu_id,
        columns.slurm_job_id,
        (least(end, number(period.end)) - greatest(columns.created_at, number(period.begin))).label("held"),
    ).where(*conditions)


def _least_efficient(connection: Connection, held: Any, where: ColumnElement[bool]) -> list[SessionUse]:
    longest = connection.execute(
        select(held).where(held.c.held > 0).order_by(held.c.held.desc(), held.c.id).limit(_LOOKED_AT)
    ).all()
    if not longest:
        return []
    columns = ledger_jobs.c
    used = {
        row.session: row
        for row in connection.execute(
            select(
                columns.session,
                func.count().label("jobs"),
                func.sum(case((columns.busy_seconds.is_not(None), columns.busy_seconds), else_=0.0)).label(
                    "busy"
                ),
            )
            .where(
                where,
                columns.source == OWN_SOURCE,
                columns.session.in_([str(row.id) for row in longest]),
            )
            .group_by(columns.session)
        )
    }
    uses = []
    for row in longest:
        found = used.get(str(row.id))
        uses.append(
            SessionUse(
                session=str(row.id),
                user=row.user_name,
                account=row.account,
                qpu_id=row.qpu_id,
                slurm_job_id=row.slurm_job_id,
                held_seconds=row.held,
                busy_seconds=0.0 if found is None else found.busy,
                jobs=0 if found is None else found.jobs,
            )
        )
    return sorted(uses, key=lambda use: use.busy_seconds - use.held_seconds)[:_LISTED]
