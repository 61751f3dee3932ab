"""Sessions that nobody uses are ended as expired; those that work, or worked just now, are left alone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from qwatch.scheduler import jobs, schema, sessions
from qwatch.scheduler.accounts import Accounts
from qwatch.scheduler.jobs import JobEnd, JobState, NewJob
from qwatch.scheduler.session_lifecycle import SessionLifecycle
from qwatch.scheduler.session_watchdog import SessionWatchdog
from qwatch.scheduler.sessions import NewSession
from qwatch.scheduler.store import Store
from qwatch.telemetry.instruments import Instruments


class Stand:
    """A store with sessions that began at 100 s, by name."""

    def __init__(self, folder: Path) -> None:
        self.registry = CollectorRegistry()
        instruments = Instruments(self.registry)
        self.store = Store(f"sqlite:///{folder / 'qwatch.db'}", instruments)
        schema.upgrade(self.store.engine)
        self.lifecycle = SessionLifecycle(self.store, Accounts(None), instruments, 5.0)
        self.names: dict[int, str] = {}

    def session(self, name: str, *, ended: float | None = None, unfinished: bool = False) -> None:
        """Write a session with a job that ended at ``ended``, and one that has not ended."""
        with self.store.engine.begin() as connection:
            token = sessions.new_token()
            number = sessions.create(connection, NewSession(1000, name, "chem", None, "EMU", 0, 100.0), token)
            self.names[number] = name
            session = sessions.by_id(connection, number)
            new = NewJob("test", "pasqal-local", "{}", 5, 110.0, 110.0, None, None)
            for end in ([] if ended is None else [ended]) + ([None] if unfinished else []):
                (job,) = jobs.create(connection, [(session, new)])
                if end is not None:
                    jobs.finish(connection, job, JobEnd(JobState.DONE, "none", None, end))

    def swept(self, now: float, **limits: float | None) -> set[str]:
        """Return the names of the sessions that are ended at ``now``."""

        async def main() -> list[Any]:
            self.store.start()
            watchdog = SessionWatchdog(self.lifecycle, limits.get("idle_timeout"), limits.get("max_age"))
            return await watchdog.sweep(now)

        return {self.names[session.id] for session in asyncio.run(main())}

    def outcomes(self) -> dict[str, str | None]:
        with self.store.engine.connect() as connection:
            return {name: sessions.by_id(connection, number).outcome for number, name in self.names.items()}


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    stand = Stand(tmp_path)
    stand.session("never used")
    stand.session("used long ago", ended=150.0)
    stand.session("used just now", ended=380.0)
    stand.session("waits", ended=150.0, unfinished=True)
    return stand


def test_idle_ones_expire(stand: Stand) -> None:
    assert stand.swept(199.0, idle_timeout=100.0) == set()
    assert stand.swept(400.0, idle_timeout=100.0) == {"never used", "used long ago"}
    assert stand.outcomes() == {
        "never used": "expired",
        "used long ago": "expired",
        "used just now": None,
        "waits": None,
    }
    assert stand.registry.get_sample_value("qpu_sessions_total", {"qpu_id": "EMU", "outcome": "expired"}) == 2


def test_the_oldest_expire_whatever_they_do_and_what_they_queued_is_kept(stand: Stand) -> None:
    assert stand.swept(400.0, max_age=301.0) == set()
    assert stand.swept(401.0, max_age=301.0) == set(stand.names.values())
    with stand.store.engine.connect() as connection:
        waiting = jobs.oldest_pending(connection, "EMU")
    assert waiting is not None


def test_without_limits_nothing_is_watched(stand: Stand) -> None:
    asyncio.run(asyncio.wait_for(SessionWatchdog(stand.lifecycle, None, None).run(), 60))
    assert stand.swept(1e9) == set()


def test_the_watchdog_looks_by_itself(stand: Stand) -> None:
    async def main() -> None:
        stand.store.start()
        watching = asyncio.create_task(SessionWatchdog(stand.lifecycle, 0.1, None).run())
        while list(stand.outcomes().values()).count("expired") < 3:
            await asyncio.sleep(0.01)
        watching.cancel()

    asyncio.run(asyncio.wait_for(main(), 60))
    assert stand.outcomes()["waits"] is None
