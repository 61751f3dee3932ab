"""The peer's database is read without being locked, written or held up, and each job is told once."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from qwatch.collectors.observer import lock_free_sqlite
from qwatch.collectors.observer.peer_database import PeerDatabase
from qwatch.collectors.observer.peer_jobs import PeerJobs, session_hash
from qwatch.collectors.observer.settings import JobsTable, ObservedDeviceSettings, PeerDatabaseSettings
from qwatch.collectors.observer.sighting import Sighting
from qwatch.collectors.observer.source import SourceError
from qwatch.scheduler.accounts import Accounts

from .peer_double import PeerTables

NOW = 1_790_000_000.0


def open_database(url: str, since: float = NOW, **more: Any) -> PeerDatabase:
    settings = PeerDatabaseSettings(url=url, **more)
    device = ObservedDeviceSettings(name="FRESNEL", peer_database=settings, ledger_source="warden")
    return PeerDatabase(settings, PeerJobs(device, Accounts(None)), since)


def poll(database: PeerDatabase) -> Sighting:
    found = asyncio.run(database.poll())
    database.accepted()
    return found


@pytest.fixture
def database(tables: PeerTables, peer_file: Path) -> PeerDatabase:
    return open_database(f"sqlite:///{peer_file}")


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[PeerTables, str]:
    """The peer's tables and the address by which an observer reads them, on each kind of database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'either.db'}"
        return PeerTables(url), url
    url = request.getfixturevalue("new_database")()
    tables = PeerTables(url)
    with tables.engine.begin() as connection:
        if not connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = 'observer'")).first():
            connection.execute(text("CREATE ROLE observer LOGIN"))
        # What the documentation asks an administrator to grant: neither sequences nor results.
        connection.execute(
            text(
                "GRANT SELECT (id, session_id, status, shots, created_at, started_at, ended_at, canceled_at,"
                " backend_id) ON jobs TO observer"
            )
        )
        connection.execute(text("GRANT SELECT ON sessions, accessibility_settings TO observer"))
    return tables, url.replace("+psycopg", "").replace("postgres@", "observer@")


def test_a_job_is_told_from_its_submission_to_its_end(either: tuple[PeerTables, str]) -> None:
    tables, url = either
    database = open_database(url)
    tables.set_accessible(True, "open")
    session = tables.open_session(user="1000", slurm_job="815")
    assert poll(database).pending == 0

    job = tables.submit(session, 250, at=NOW + 1)
    found = poll(database)
    assert (found.submitted, found.pending, found.runs, found.oldest_pending_at) == (1, 1, False, NOW + 1)
    assert (found.accessible, found.message, found.sessions) == (True, "open", 1)

    tables.begin(job, uid="41", at=NOW + 5)
    found = poll(database)
    assert (found.submitted, found.pending, found.runs) == (0, 0, True)
    assert found.running is not None
    assert (found.running.started_at, found.running.device_uid) == (NOW + 5, "41")

    tables.end(job, at=NOW + 15)
    [row] = poll(database).finished
    assert (row.job, row.state, row.slurm_job_id, row.uid) == (str(job), "DONE", "815", 1000)
    assert (row.created_at, row.started_at, row.ended_at, row.busy_seconds) == (NOW + 1, NOW + 5, NOW + 15, 10)
    assert row.session == session_hash(str(session))
    found = poll(database)
    assert (found.finished, found.runs, found.pending) == ((), False, 0)
    asyncio.run(database.close())


def test_how_a_session_ended_is_told_where_the_peer_knows(either: tuple[PeerTables, str]) -> None:
    tables, url = either
    database = open_database(url)
    expired, closed = (tables.open_session(at=NOW) for _ in range(2))
    assert poll(database).sessions == 2
    tables.end_session(expired, "idle_timeout", at=NOW + 60)
    tables.end_session(closed, at=NOW + 90)
    found = poll(database)
    assert found.sessions == 0
    assert sorted((ended.outcome, ended.seconds) for ended in found.ended_sessions) == [
        ("expired", 60),
        ("other", 90),
    ]
    assert poll(database).ended_sessions == ()
    asyncio.run(database.close())


def test_the_past_since_a_time_is_told_piece_by_piece_and_nothing_twice(either: tuple[PeerTables, str]) -> None:
    tables, url = either
    session = tables.open_session()
    for i in range(3):
        tables.ran(session, NOW - 9000 + i, NOW - 8999 + i, NOW - 8000 + i)
    with tables.engine.begin() as connection:
        connection.execute(
            tables.jobs.insert(),
            [
                {
                    "session_id": session,
                    "created_at": row.created_at,
                    "started_at": row.started_at,
                    "ended_at": row.ended_at,
                    "status": "DONE",
                    "shots": 1,
                    "sequence": "",
                }
                for row in [_times(i) for i in range(2500)]
            ],
        )
    database = open_database(url, since=NOW - 3600)
    told = [job.job for _ in range(8) for job in poll(database).finished]
    assert len(told) == len(set(told)) == 2500
    asyncio.run(database.close())


def _times(i: int) -> Any:
    from types import SimpleNamespace

    from .peer_double import moment

    ended = NOW - 3000 + i
    return SimpleNamespace(created_at=moment(ended - 2), started_at=moment(ended - 1), ended_at=moment(ended))


def test_what_was_not_accepted_is_told_again(tables: PeerTables, database: PeerDatabase) -> None:
    poll(database)
    tables.ran(tables.open_session(), NOW, NOW + 1, NOW + 2)
    assert len(asyncio.run(database.poll()).finished) == 1
    assert len(poll(database).finished) == 1
    assert poll(database).finished == ()


def test_an_older_peers_tables_are_read_too(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'older.db'}"
    tables = PeerTables(url, newer=False)
    database = open_database(url)
    session = tables.open_session(slurm_job="815")
    poll(database)
    tables.end(tables.submit(session, at=NOW), "CANCELED", at=None)
    tables.end_session(session)
    found = poll(database)
    assert [(job.slurm_job_id, job.started_at) for job in found.finished] == [("815", None)]
    assert [ended.outcome for ended in found.ended_sessions] == ["other"]


def test_another_name_of_a_column_can_be_told_and_a_missing_one_is_one_clear_line(
    tables: PeerTables, peer_file: Path
) -> None:
    with tables.engine.begin() as connection:
        connection.execute(text("ALTER TABLE jobs RENAME COLUMN status TO phase"))
    with pytest.raises(SourceError, match=r"table jobs has no column status .* peer_database\.jobs\.status"):
        poll(open_database(f"sqlite:///{peer_file}"))
    named = open_database(f"sqlite:///{peer_file}", jobs=JobsTable(status="phase"))
    assert poll(named).pending == 0


def test_a_file_that_is_no_database_is_one_clear_line(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database")
    for path, line in ((file, "is not an SQLite database"), (tmp_path / "none.db", "No such file")):
        with pytest.raises(SourceError, match=line):
            poll(open_database(f"sqlite:///{path}"))
    assert not (tmp_path / "none.db").exists()


def contents(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_not_one_byte_and_no_file_of_the_peer_changes(
    tables: PeerTables, peer_file: Path, database: PeerDatabase, mode: str
) -> None:
    tables.ran(tables.open_session(), NOW, NOW + 1, NOW + 2)
    tables.engine.dispose()
    with sqlite3.connect(peer_file) as connection:
        connection.execute(f"PRAGMA journal_mode={mode}")
    connection.close()
    before, inode = contents(peer_file.parent), peer_file.stat()
    for _ in range(3):
        assert poll(database).sessions == 1
    after = peer_file.stat()
    assert contents(peer_file.parent) == before
    assert (after.st_mtime_ns, after.st_size, after.st_ino) == (inode.st_mtime_ns, inode.st_size, inode.st_ino)


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_the_peer_can_write_at_any_moment_while_it_is_read(
    tables: PeerTables, peer_file: Path, database: PeerDatabase, mode: str
) -> None:
    """The writer waits for no lock at all: one that a reader held would make it fail at once."""
    session = tables.open_session()
    tables.engine.dispose()
    writer = sqlite3.connect(peer_file, timeout=0, check_same_thread=False, isolation_level=None)
    writer.execute(f"PRAGMA journal_mode={mode}")
    # Checkpoints, which readers may delay, are not what is tried here.
    writer.execute("PRAGMA wal_autocheckpoint=0")
    insert = (
        "INSERT INTO jobs (session_id, created_at, started_at, ended_at, status, shots, sequence)"
        " VALUES (?, ?, ?, ?, 'DONE', ?, ?)"
    )
    stamps = ("2026-09-21 14:00:00.000000", "2026-09-21 14:00:01.000000", "2026-09-21 14:00:02.000000")
    stop, failures, written = threading.Event(), [], []

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                writer.execute(insert, (session.hex, *stamps, number, "{}" * 2000))
            except sqlite3.Error as error:
                failures.append(str(error))
                return
            written.append(number)
            time.sleep(0.005)

    poll(database)
    thread = threading.Thread(target=write)
    thread.start()
    told: list[int] = []
    try:
        polls = 0
        while polls < 40 or len(written) < 60:
            try:
                told += [job.shots_requested or 0 for job in poll(database).finished]
            except SourceError as error:
                assert "was written to" in str(error)  # noqa: PT017
            polls += 1
    finally:
        stop.set()
        thread.join()
    assert failures == []
    told += [job.shots_requested or 0 for job in poll(database).finished]
    assert told == written
    writer.close()


def test_what_was_read_while_the_peer_wrote_does_not_count(tables: PeerTables, peer_file: Path) -> None:
    sessions: list[int] = []

    def count_and_write(connection: Any) -> int:
        found = int(connection.execute(text("SELECT count(*) FROM sessions")).scalar())
        if len(sessions) < 2:
            sessions.append(found)
            tables.open_session()
        return found

    assert lock_free_sqlite.read(peer_file, count_and_write) == 2
    assert sessions == [0, 1]


def test_the_server_itself_refuses_to_write(either: tuple[PeerTables, str]) -> None:
    _, url = either
    database = open_database(url)

    def misbehave(connection: Any) -> None:
        connection.execute(text("CREATE TABLE mine (id INTEGER)"))

    with pytest.raises(SourceError, match=r"read-?only|readonly"):
        database._read(lambda peer: misbehave(peer.connection))
    asyncio.run(database.close())
