"""Busy time by account, for the accounts that the site lists: from the ledger, and never more than it has.

A job's busy time is known when the job has ended. To add it at once would let ``rate()`` exceed 1, so what is
added later is told second by second: a device's counters together never grow faster than the clock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import Connection

from ..scheduler import account_usage
from ..scheduler.account_usage import UNITS_A_SECOND
from ..scheduler.jobs import Job
from ..scheduler.privacy.pseudonyms import known
from ..telemetry import device_metrics
from ..telemetry.catalogue import OTHER
from .interface import Sample


class AccountCollector:
    """Tells the busy time of ``accounts`` on each of ``devices``; that of all others is ``other``.

    After a restart it begins with all that the ledger has, so no counter falls.
    """

    name = "accounts"
    metrics = (device_metrics.ACCOUNT_BUSY,)

    def __init__(
        self,
        accounts: Iterable[str],
        devices: Iterable[str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._accounts = tuple(dict.fromkeys((*accounts, OTHER)))
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._devices = {qpu_id: _Told(self._accounts, monotonic()) for qpu_id in devices}

    def load(self, connection: Connection) -> None:
        """Begin with what the ledger has; before the first job can end, or that job would count twice."""
        pseudonyms = known(connection)
        # A listed account that is a user's name still is that account where the ledger gave up the name.
        names = {} if pseudonyms is None else {pseudonyms.of(name): name for name in self._accounts}
        with self._lock:
            for usage in account_usage.of_all(connection):
                if (told := self._devices.get(usage.qpu_id)) is not None:
                    told.units[self._listed(names.get(usage.account, usage.account))] += usage.busy_units

    def job_ended(self, job: Job) -> None:
        """Add a job's busy time, to be told as time goes on."""
        with self._lock:
            if (told := self._devices.get(job.qpu_id)) is not None:
                told.add(self._listed(job.account), account_usage.units(job.busy_seconds), self._monotonic())

    def collect(self) -> Iterable[Sample]:
        """Return the busy seconds that may be told by now."""
        samples = []
        with self._lock:
            for qpu_id, told in self._devices.items():
                told.advance(self._monotonic())
                samples += [
                    Sample(
                        device_metrics.ACCOUNT_BUSY,
                        {"qpu_id": qpu_id, "account": account},
                        units / UNITS_A_SECOND,
                    )
                    for account, units in told.units.items()
                ]
        return samples

    def _listed(self, account: str) -> str:
        return account if account in self._accounts else OTHER


class _Told:
    """One device: the units that were told by account, and those that wait, first come, first told."""

    def __init__(self, accounts: Sequence[str], now: float) -> None:
        self.units = dict.fromkeys(accounts, 0)
        self._waiting: dict[str, int] = {}
        self._until = now

    def add(self, account: str, units: int, now: float) -> None:
        self.advance(now)
        self._waiting[account] = self._waiting.get(account, 0) + units

    def advance(self, now: float) -> None:
        """Tell as much as the time since the last call allows."""
        may = int(max(0.0, now - self._until) * UNITS_A_SECOND)
        self._until = now
        for account in list(self._waiting):
            units = min(may, self._waiting[account])
            self.units[account] += units
            may -= units
            self._waiting[account] -= units
            if self._waiting[account]:
                return
            del self._waiting[account]
