"""Asks Slurm for partition, cluster and account of the jobs that sessions belong to, for the ledger.

Each is asked for once, in the background and many to a command: while its session is held, or soon after, for
Slurm forgets a job a few minutes after its end.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence

from sqlalchemy import Column, Connection, Table, func, or_, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from ..scheduler.store import Store
from ..scheduler.tables import ledger_jobs, ledger_slurm_jobs, sessions
from . import slurm_output
from .background import BackgroundReader
from .command import CommandError
from .settings import SlurmSettings
from .slurm_command import run_slurm
from .slurm_output import BOOKING_FIELDS, SlurmBooking, output_format

Newer = Callable[[Connection, int | None, int], tuple[int, list[str]]]
"""Returns the newest number there is, and the Slurm jobs beyond a number that the ledger does not know."""

_AT_ONCE = 200
_MOST_WANTED = 5000
_MOST_TRIES = 3
_LOOKED_BACK = 1000
_USED_AGAIN_SECONDS = 30 * 86_400.0
"""A number that was told this long before belongs to another job by now."""
_NUMBER = re.compile(r"[1-9][0-9]{0,9}")


def of_sessions(connection: Connection, after: int | None, limit: int) -> tuple[int, list[str]]:
    """The Slurm jobs of our own sessions."""
    return _newer(connection, sessions, sessions.c.created_at, after, limit)


def of_ledger(connection: Connection, after: int | None, limit: int) -> tuple[int, list[str]]:
    """The Slurm jobs that another scheduler told with its jobs."""
    return _newer(connection, ledger_jobs, ledger_jobs.c.ended_at, after, limit)


class SlurmJobs:
    """Fills ``ledger_slurm_jobs`` every ``slurm.interval`` seconds, if Slurm is asked at all."""

    def __init__(self, settings: SlurmSettings, store: Store, newer: Newer) -> None:
        self._settings = settings
        self._store = store
        self._newer = newer
        self._after: int | None = None
        self._wanted: dict[str, int] = {}
        self._cluster: str | None = None
        self._reader = BackgroundReader("slurm_jobs", self._read, settings.interval, settings.stale_after)

    def start(self) -> None:
        """Begin to ask."""
        if self._settings.enabled:
            self._reader.start()

    def stop(self) -> None:
        """Ask no more."""
        if self._settings.enabled:
            self._reader.stop()

    def _read(self, stopping: threading.Event) -> int:
        """Ask for what is new and for what Slurm did not know before; return how many it told."""
        after = self._after
        self._after, new = self._store.read_now(lambda connection: self._newer(connection, after, _MOST_WANTED))
        for number in new:
            if _NUMBER.fullmatch(number) and len(self._wanted) < _MOST_WANTED:
                self._wanted.setdefault(number, 0)
        told = 0
        asked = list(self._wanted)
        for start in range(0, len(asked), _AT_ONCE):
            told += self._ask(asked[start : start + _AT_ONCE], stopping)
        return told

    def _ask(self, numbers: Sequence[str], stopping: threading.Event) -> int:
        if self._cluster is None:
            printed = run_slurm(self._settings, stopping, "scontrol", "show", "config")
            self._cluster = slurm_output.cluster_name(printed)
        found = [item for item in self._bookings(numbers, stopping) if item.job_id in self._wanted]
        for number in numbers:
            self._wanted[number] += 1
        now = time.time()
        if found:
            self._store.write_later(_record, [(item, item.cluster or self._cluster, now) for item in found])
        known = {item.job_id for item in found}
        for number in numbers:
            if number in known or self._wanted[number] >= _MOST_TRIES:
                del self._wanted[number]
        return len(known)

    def _bookings(self, numbers: Sequence[str], stopping: threading.Event) -> list[SlurmBooking]:
        arguments = ("--noheader", "--all", "--array", "--states=all", f"--jobs={','.join(numbers)}")
        try:
            printed = run_slurm(
                self._settings, stopping, "squeue", *arguments, "-O", output_format(BOOKING_FIELDS)
            )
        except CommandError as error:
            # What squeue says if it is asked for a single job that Slurm has forgotten.
            if "Invalid job id" in str(error):
                return []
            raise
        return list(slurm_output.bookings(printed))


def _newer(
    connection: Connection, table: Table, at: Column[float], after: int | None, limit: int
) -> tuple[int, list[str]]:
    newest = connection.execute(select(func.max(table.c.id))).scalar_one() or 0
    if after is None:
        after = newest - _LOOKED_BACK
    if newest <= after:
        return newest, []
    told = ledger_slurm_jobs.c
    numbers = connection.execute(
        select(table.c.slurm_job_id)
        .distinct()
        .outerjoin(ledger_slurm_jobs, told.slurm_job_id == table.c.slurm_job_id)
        .where(
            table.c.id > after,
            table.c.id <= newest,
            table.c.slurm_job_id.is_not(None),
            or_(told.seen_at.is_(None), told.seen_at < at - _USED_AGAIN_SECONDS),
        )
        .limit(limit)
    ).scalars()
    return newest, list(numbers)


def _record(
    connection: Connection, batches: Sequence[Sequence[tuple[SlurmBooking, str | None, float]]]
) -> list[None]:
    dialect_insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    statement = dialect_insert(ledger_slurm_jobs)
    columns = ("cluster", "partition", "account", "seen_at")
    statement = statement.on_conflict_do_update(
        index_elements=["slurm_job_id"], set_={name: statement.excluded[name] for name in columns}
    )
    rows = [
        {
            "slurm_job_id": item.job_id,
            "cluster": cluster,
            "partition": item.partition,
            "account": item.account,
            "seen_at": seen_at,
        }
        for batch in batches
        for item, cluster, seen_at in batch
    ]
    connection.execute(statement, rows)
    return [None] * len(batches)
