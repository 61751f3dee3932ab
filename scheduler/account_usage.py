"""The read side of accounting: busy time of the ended jobs by device and account, as exact sums."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, Connection, cast, func, select

from .ledger import OWN_SOURCE
from .tables import ledger_jobs

UNITS_A_SECOND = 2**20
"""Sums are of whole units, so that they are the same in whatever order they are made: a counter that came out
a rounding error lower after a restart would count as reset. A power of two, so that nothing rounds."""


@dataclass(frozen=True, slots=True)
class AccountUsage:
    """Busy time of one account on one device, in units."""

    qpu_id: str
    account: str
    busy_units: int


def units(seconds: float) -> int:
    """Return whole units of a job's busy time, as :func:`of_all` counts them."""
    return int(seconds * UNITS_A_SECOND)


def of_all(connection: Connection) -> list[AccountUsage]:
    """Return the usage of every account; reads the whole ledger, so ask once and go on from there."""
    scaled = ledger_jobs.c.busy_seconds * UNITS_A_SECOND
    if connection.dialect.name != "sqlite":  # whose cast cuts off; others round
        scaled = func.floor(scaled)
    rows = connection.execute(
        select(ledger_jobs.c.qpu_id, ledger_jobs.c.account, func.sum(cast(scaled, BigInteger)))
        .where(ledger_jobs.c.source == OWN_SOURCE, ledger_jobs.c.busy_seconds.is_not(None))
        .group_by(ledger_jobs.c.qpu_id, ledger_jobs.c.account)
    )
    return [AccountUsage(qpu_id, account, int(total)) for qpu_id, account, total in rows]
