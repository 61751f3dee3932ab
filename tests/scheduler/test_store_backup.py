"""A store is copied while a daemon works on it, put back while none does, and taken to other revisions."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from prometheus_client import CollectorRegistry
from sqlalchemy import create_engine, text

from qwatch.scheduler import schema, store_backup
from qwatch.scheduler.errors import ConfigurationError, ConflictError, InvalidRequestError
from qwatch.scheduler.store import Store
from qwatch.scheduler.store_alone import alone
from qwatch.scheduler.store_check import check_file
from qwatch.telemetry.instruments import Instruments


def store_at(path: Path, revision: str = "head", job: int | None = 41) -> str:
    """Make a store of a revision, with one ended job of this number; return its URL."""
    url = f"sqlite:///{path}"
    engine = create_engine(url)
    config = schema._config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        if job is not None:
            connection.execute(
                text(
                    """INSERT INTO sessions
                    (id, token_sha256, uid, user_name, account, qpu_id, created_by, created_at)
                    VALUES (1, 'abc', 1000, 'ada', 'chem', 'EMU', 0, 100.0)"""
                )
            )
            connection.execute(
                text(
                    """INSERT INTO jobs
                    (id, session_id, uid, user_name, account, qpu_id, resource_type, job_class, shots_requested,
                    state, reason, received_at, created_at, ended_at, busy_seconds)
                    VALUES (:job, 1, 1000, 'ada', 'chem', 'EMU', 'pasqal-local', 'production', 50,
                    'DONE', 'none', 101.0, 101.0, 112.0, 7.0)"""
                ),
                {"job": job},
            )
    engine.dispose()
    return url


def numbers(path: Path) -> set[int]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("SELECT id FROM jobs")}


def test_a_daemon_under_load_is_backed_up_and_another_goes_on_from_it(
    run_daemon: Any, run_device: Any, device_at: Any, sequence_text: str, wait_until: Any, tmp_path: Path
) -> None:
    file = tmp_path / "backup.db"
    acknowledged: list[int] = []
    enough = threading.Event()
    with run_device(shot_rate=2000.0) as qpu:
        devices = [device_at(qpu.url)]
        with run_daemon(devices=devices) as daemon:
            token = daemon.acquire()

            def submit() -> None:
                while not enough.is_set():
                    acknowledged.append(daemon.submit(token, sequence_text, 20))

            clients = [threading.Thread(target=submit) for _ in range(3)]
            for client in clients:
                client.start()
            wait_until(lambda: len(acknowledged) >= 30)
            before = set(acknowledged)
            made = store_backup.backup(f"sqlite:///{daemon.store}", file)
            at_its_end = len(acknowledged)
            wait_until(lambda: len(acknowledged) > at_its_end, "no job is taken after the backup")
            enough.set()
            for client in clients:
                client.join()
            last = max(acknowledged)
            with pytest.raises(ConflictError, match="is in use; stop the daemon"):
                store_backup.restore(f"sqlite:///{daemon.store}", file)
            assert daemon.stop() == 0

            assert before <= numbers(file)
            assert file.stat().st_mode & 0o777 == 0o600
            assert [path.name for path in tmp_path.iterdir()] == ["backup.db"], "it is whole in one file"
            assert (made.condition.revision, made.condition.problems) == (schema.head(), ())

            done = store_backup.restore(f"sqlite:///{daemon.store}", file)
            assert set(acknowledged) <= numbers(Path(str(done.kept_aside)))
            assert numbers(daemon.store) == numbers(file)
            daemon.start()
            for number in before:
                assert daemon.finished(number)["status"] == "DONE"
            # Not one that was given after the backup: its user has it in a log.
            assert daemon.submit(daemon.acquire(), sequence_text, 7) == last + 1


def test_a_backup_overwrites_nothing_unless_told_and_never_the_store(tmp_path: Path) -> None:
    url = store_at(tmp_path / "qwatch.db")
    file = tmp_path / "backup.db"
    file.write_text("of yesterday")
    with pytest.raises(ConflictError, match="--force overwrites it"):
        store_backup.backup(url, file)
    assert file.read_text() == "of yesterday"
    store_backup.backup(url, file, force=True)
    assert numbers(file) == {41}
    link = tmp_path / "link.db"
    link.symlink_to("qwatch.db")
    with pytest.raises(ConflictError, match="is the store itself"):
        store_backup.backup(url, link, force=True)


def test_a_damaged_store_gives_no_backup_and_is_replaced_by_one(tmp_path: Path) -> None:
    path = tmp_path / "qwatch.db"
    url = store_at(path)
    file = tmp_path / "backup.db"
    store_backup.backup(url, file)
    content = bytearray(path.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 200] = os.urandom(200)
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"qwatch\.db: (is damaged|cannot be)"):
        store_backup.backup(url, tmp_path / "another.db")
    assert not check_file_is_good(path)
    path.write_bytes(b"no database at all" * 100)
    done = store_backup.restore(url, file)
    assert numbers(path) == {41}
    assert Path(str(done.kept_aside)).read_bytes().startswith(b"no database")
    assert not done.numbers_go_on
    assert sorted(found.name for found in tmp_path.iterdir()) == sorted(
        ["backup.db", "qwatch.db", Path(str(done.kept_aside)).name]
    )


def check_file_is_good(path: Path) -> bool:
    try:
        return check_file(path).good
    except ConfigurationError:
        return False


def test_what_is_no_backup_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "qwatch.db"
    url = store_at(path)
    content = path.read_bytes()
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    with pytest.raises(ConfigurationError, match="is not a store of qwatch"):
        store_backup.restore(url, other)
    newer = tmp_path / "newer.db"
    store_at(newer)
    with closing(sqlite3.connect(newer)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigurationError, match="written by a newer qwatch"):
        store_backup.restore(url, newer)
    assert path.read_bytes() == content
    assert sorted(found.name for found in tmp_path.iterdir()) == ["newer.db", "other.db", "qwatch.db"]


def test_an_old_backup_is_migrated_and_keeps_the_stores_mode(tmp_path: Path) -> None:
    path, file = tmp_path / "qwatch.db", tmp_path / "old.db"
    url = store_at(path, job=50)
    path.chmod(0o640)
    store_at(file, "0001", job=41)
    done = store_backup.restore(url, file)
    assert (done.revision_of_backup, done.condition.revision) == ("0001", schema.head())
    assert numbers(path) == {41}
    assert path.stat().st_mode & 0o777 == 0o640
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'jobs'").fetchone()
    assert found == (50,)


def test_a_store_goes_from_the_first_revision_to_the_newest_and_back_with_its_jobs(tmp_path: Path) -> None:
    path = tmp_path / "qwatch.db"
    url = store_at(path, "0001")
    with alone(url) as engine:
        assert schema.upgrade(engine) == schema.head()
        lost = schema.losses(engine, "0001")
        assert "table ledger_jobs, with 1 rows" in map(str, lost)
        assert ("jobs", "results_fetched_at", 0) in [(loss.table, loss.column, loss.values) for loss in lost]
        with engine.connect() as connection:
            assert schema.revision_of(connection) == schema.head(), "a rehearsal changes nothing"
        schema.downgrade(engine, "0001")
        assert schema.upgrade(engine, "0003") == "0003"
        with pytest.raises(InvalidRequestError, match="which is not newer"):
            schema.downgrade(engine, "0003")
        assert schema.upgrade(engine) == schema.head()
    assert numbers(path) == {41}
    assert check_file(path).good
    with closing(sqlite3.connect(path)) as connection:
        ledger = connection.execute("SELECT job, state, busy_seconds FROM ledger_jobs").fetchall()
    assert ledger == [("41", "DONE", 7.0)], "the ledger is made anew from the jobs"


def test_a_python_with_an_old_sqlite_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    with pytest.raises(ConfigurationError, match=r"qwatch needs 3\.35 or newer"):
        Store(f"sqlite:///{tmp_path / 'qwatch.db'}", Instruments(CollectorRegistry()))


def qwatch(folder: Path, *words: str, answer: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "qwatch.cli.main", "store", *words],
        cwd=folder,
        input=answer,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )


def test_the_command_says_what_it_did_and_what_would_be_lost(tmp_path: Path) -> None:
    store_at(tmp_path / "qwatch.db", "0004")
    (tmp_path / "qwatch.yaml").write_text("store: {url: 'sqlite:///qwatch.db'}\n")
    assert "revision   0004, of " in qwatch(tmp_path, "check").stdout
    assert qwatch(tmp_path, "upgrade").stdout == f"migrated from revision 0004 to {schema.head()}\n"
    written = qwatch(tmp_path, "backup", "backup.db")
    assert written.stdout.startswith("wrote backup.db: the store as of ")
    assert f"revision {schema.head()}, 1 job (0 waiting or running), " in written.stdout
    again = qwatch(tmp_path, "backup", "backup.db")
    assert (again.returncode, again.stderr) == (
        1,
        "qwatch: backup.db: is there already; --force overwrites it\n",
    )
    refused = qwatch(tmp_path, "downgrade", "--to", "0004", answer="n\n")
    assert "loses table ledger_corrections, with 0 rows" in refused.stdout
    assert (refused.returncode, refused.stderr) == (1, "qwatch: nothing was changed\n")
    with closing(sqlite3.connect(tmp_path / "qwatch.db")) as reader:
        reader.execute("PRAGMA journal_mode=WAL").fetchone()
        reader.execute("SELECT count(*) FROM jobs").fetchone()
        busy = qwatch(tmp_path, "downgrade", "--to", "0004", "--yes")
        assert (busy.returncode, "is in use; stop the daemon" in busy.stderr) == (1, True)
    assert qwatch(tmp_path, "downgrade", "--to", "0004", "--yes").returncode == 0
    condition = json.loads(qwatch(tmp_path, "check", "--json").stdout)
    assert (condition["revision"], condition["problems"]) == ("0004", [])
    done = qwatch(tmp_path, "restore", "backup.db")
    assert done.returncode == 0, done.stderr
    assert "the store that was there is " in done.stdout
    assert "revision   0005, the newest".replace("0005", schema.head()) in qwatch(tmp_path, "check").stdout


def test_a_store_on_a_server_is_told_to_be_the_servers_own_matter(tmp_path: Path) -> None:
    found = qwatch(tmp_path, "backup", "x", "--store", "postgresql+psycopg://qwatch:secret@db/qwatch")
    assert found.returncode == 1
    assert "pg_dump --format=custom" in found.stderr
    assert "pg_restore" in found.stderr
    assert "secret" not in found.stderr
    assert found.stderr.count("\n") == 1
