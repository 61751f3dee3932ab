"""The store: writes that wait together share a commit, one that fails fails alone, and none is half written."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, event, text

from qwatch.scheduler.errors import ConfigurationError, UnavailableError
from qwatch.scheduler.store import Store
from qwatch.telemetry.instruments import Instruments


class FailedOnPurposeError(Exception):
    pass


def new_store(folder: Path) -> Store:
    store = Store(f"sqlite:///{folder / 'store.db'}", Instruments(CollectorRegistry()))
    with store.engine.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS numbers (value INTEGER PRIMARY KEY)"))
        connection.execute(text("DELETE FROM numbers"))
    return store


def insert_number(value: int) -> Callable[[Connection], int]:
    def work(connection: Connection) -> int:
        connection.execute(text("INSERT INTO numbers VALUES (:value)"), {"value": value})
        return value

    return work


def insert_and_fail(value: int) -> Callable[[Connection], int]:
    def work(connection: Connection) -> int:
        insert_number(value)(connection)
        raise FailedOnPurposeError(value)

    return work


def numbers(connection: Connection) -> list[int]:
    return list(connection.execute(text("SELECT value FROM numbers ORDER BY value")).scalars())


@given(fails=st.lists(st.booleans(), min_size=1, max_size=40))
@settings(max_examples=25, deadline=None)
def test_a_write_that_fails_fails_alone_and_leaves_nothing(
    tmp_path_factory: pytest.TempPathFactory, fails: list[bool]
) -> None:
    async def main() -> None:
        store = new_store(tmp_path_factory.getbasetemp())
        store.start()
        outcomes = await asyncio.gather(
            *(
                store.write(insert_and_fail(number) if failing else insert_number(number))
                for number, failing in enumerate(fails)
            ),
            return_exceptions=True,
        )
        for number, (failing, outcome) in enumerate(zip(fails, outcomes, strict=True)):
            assert isinstance(outcome, FailedOnPurposeError) if failing else outcome == number
        assert await store.read(numbers) == [number for number, failing in enumerate(fails) if not failing]
        await store.stop()

    asyncio.run(main())


def test_writes_that_wait_together_share_a_commit_and_go_on_after_it(tmp_path: Path) -> None:
    commits: list[object] = []

    async def main() -> None:
        store = new_store(tmp_path)
        event.listen(store.engine, "commit", commits.append)
        store.start()
        writes = [asyncio.create_task(store.write(insert_number(number))) for number in range(500)]
        for number, done in enumerate(writes):
            assert await done == number
            # What was acknowledged is there for any other reader of the file.
            if number % 100 == 0:
                with sqlite3.connect(tmp_path / "store.db") as other:
                    assert (number,) in other.execute("SELECT value FROM numbers")
                other.close()
        await store.stop()

    asyncio.run(main())
    assert len(commits) < 100


def test_a_breach_of_a_constraint_fails_only_the_write_that_makes_it(tmp_path: Path) -> None:
    async def main() -> None:
        store = new_store(tmp_path)
        store.start()
        outcomes = await asyncio.gather(
            *(store.write(insert_number(number)) for number in (1, 2, 2, 3)), return_exceptions=True
        )
        assert [isinstance(outcome, Exception) for outcome in outcomes] == [False, False, True, False]
        assert await store.read(numbers) == [1, 2, 3]
        await store.stop()

    asyncio.run(main())


def test_a_caller_that_goes_away_does_not_undo_the_others(tmp_path: Path) -> None:
    async def main() -> None:
        store = new_store(tmp_path)
        store.start()
        writes = [asyncio.create_task(store.write(insert_number(number))) for number in range(20)]
        await asyncio.sleep(0)
        writes[3].cancel()
        done = await asyncio.gather(*writes, return_exceptions=True)
        assert isinstance(done[3], asyncio.CancelledError)
        assert set(await store.read(numbers)) >= set(range(20)) - {3}
        await store.stop()

    asyncio.run(main())


def test_what_was_asked_for_before_the_stop_is_written(tmp_path: Path) -> None:
    async def main() -> None:
        store = new_store(tmp_path)
        store.start()
        writes = [asyncio.create_task(store.write(insert_number(number))) for number in range(50)]
        await asyncio.sleep(0)
        await store.stop()
        assert await asyncio.gather(*writes) == list(range(50))

    asyncio.run(main())


def test_a_locked_database_answers_unavailable_in_time_and_writes_nothing_of_it(tmp_path: Path) -> None:
    async def main() -> None:
        store = new_store(tmp_path)
        store.start()
        lock = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        patient = asyncio.create_task(store.write(insert_number(1)))
        refused = await asyncio.gather(
            *(store.write(insert_number(number), timeout=0.2) for number in (2, 3)), return_exceptions=True
        )
        assert [type(error) for error in refused] == [UnavailableError, UnavailableError]
        # The one that waits without end does not hold back the answer to one that comes later.
        with pytest.raises(UnavailableError):
            await store.write(insert_number(4), timeout=0.2)
        assert not patient.done()
        lock.execute("ROLLBACK")
        lock.close()
        assert await patient == 1
        assert await store.write(insert_number(5), timeout=5) == 5
        assert await store.read(numbers) == [1, 5]
        await store.stop()

    asyncio.run(main())


def test_a_stop_under_a_lock_ends_and_tells_who_waits(tmp_path: Path) -> None:
    async def main() -> None:
        store = new_store(tmp_path)
        store.start()
        lock = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        patient = asyncio.create_task(store.write(insert_number(1)))
        await asyncio.sleep(0)
        async with asyncio.timeout(60):
            await store.stop()
        with pytest.raises(UnavailableError):
            await patient
        lock.close()

    asyncio.run(main())


@pytest.mark.parametrize("url", ["", "nonsense", "sqlite://", "sqlite:///:memory:"])
def test_a_url_that_keeps_nothing_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"store\.url"):
        Store(url, Instruments(CollectorRegistry()))


def test_the_database_is_in_the_durable_mode(tmp_path: Path) -> None:
    store = new_store(tmp_path)

    def pragma(name: str) -> Any:
        return store.read_now(lambda connection: connection.execute(text(f"PRAGMA {name}")).scalar_one())

    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == 2
    assert pragma("foreign_keys") == 1
    store.engine.dispose()
