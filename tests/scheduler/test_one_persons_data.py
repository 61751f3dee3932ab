"""One person's data: all of it can be told, and after an erasure nothing in the store's files names them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from qwatch.scheduler import run_time_settings
from qwatch.scheduler.audit import Actor
from qwatch.scheduler.errors import ConflictError, InvalidRequestError, NotFoundError
from qwatch.scheduler.privacy import person as persons
from qwatch.scheduler.privacy.person import Person
from qwatch.scheduler.privacy.persons import Persons
from qwatch.scheduler.privacy.service import PrivacyService
from qwatch.scheduler.privacy.settings import PrivacySettings, RetentionSettings
from qwatch.scheduler.store import Store
from qwatch.scheduler.tables import audit_log, job_results, jobs, ledger_jobs, metadata, site_settings
from qwatch.telemetry.instruments import Instruments

from .stored_people import DAY, a_device, a_job, around, rows, with_store

ROOT = Actor(0, "unix socket")
NAME = "adalovelace"
"""A name that no program or library has in it."""


def fill(connection: Connection) -> None:
    a_device(connection)
    for day in range(1, 4):
        a_job(connection, day * DAY, user=NAME)
        a_job(connection, day * DAY, user="bob", uid=1001, account="chem", slurm_job="9")
    # Bob's job on her account.
    a_job(connection, 5 * DAY, user="bob", uid=1001, account=NAME, slurm_job="9")
    around(connection, 1 * DAY, user=NAME)
    around(connection, 600 * DAY, administrator=NAME, user="bob")


def named_in(folder: Path, name: str) -> list[str]:
    return [file.name for file in sorted(folder.iterdir()) if name.encode() in file.read_bytes()]


def test_every_column_that_may_name_a_person_is_known() -> None:
    """A new table with a user or an account has to be told to privacy/person.py, or be listed here."""
    found = {
        table.name
        for table in metadata.sorted_tables
        if {"uid", "user_name", "account", "opened_by", "made_by", "job_id"} & set(table.c.keys())
    }
    assert found <= {part.table.name for part in persons.parts(Person(("x",), None))}


def test_all_that_is_stored_about_a_person_is_exported_and_nothing_of_others(tmp_path: Path) -> None:
    async def work(store: Store, _instruments: Instruments) -> None:
        await store.write(fill)
        asked = Persons(store)
        found: list[dict[str, Any]] = []
        page = await asked.export(ROOT, NAME, None, None, None)
        while True:
            found += page.rows
            if page.table is None:
                break
            page = await asked.export(ROOT, NAME, None, page.table, page.after)
        tables = [row["table"] for row in found]
        assert {name: tables.count(name) for name in dict.fromkeys(tables)} == {
            "sessions": 3,
            "jobs": 3,
            "job_payloads": 3,
            "job_results": 3,
            "job_log": 3,
            "slices": 3,
            "ledger_jobs": 3,
            "ledger_slurm_jobs": 1,
            "ledger_corrections": 2,
            "device_windows": 2,
            "audit_log": 3 + 1,  # that of this export
        }
        text = json.dumps(found)
        assert '"author": "bob"' not in text.replace("\\", "")
        assert "token_sha256" not in text
        assert "secret" not in text
        (act,) = (await store.read(lambda connection: rows(connection, audit_log)))[-1:]
        assert (act["action"], json.loads(act["details"])) == ("person.export", {"user": NAME})
        with pytest.raises(NotFoundError, match="nothing is stored about nobody-here"):
            await asked.export(ROOT, "nobody-here", None, None, None)
        with pytest.raises(NotFoundError, match="no table 'site_settings'"):
            await asked.export(ROOT, NAME, None, "site_settings", None)

    with_store(tmp_path, work)


def test_a_long_export_comes_in_pages(tmp_path: Path) -> None:
    async def work(store: Store, _instruments: Instruments) -> None:
        await store.write(lambda connection: [a_job(connection, 1.0, user=NAME) for _ in range(501)] and None)
        page = await Persons(store).export(ROOT, NAME, None, None, None)
        assert (len(page.rows), page.table, page.after) == (500, "sessions", 500)
        page = await Persons(store).export(ROOT, NAME, None, page.table, page.after)
        assert (len(page.rows), page.table, page.after) == (1, "jobs", None)

    with_store(tmp_path, work)


def test_after_an_erasure_no_file_of_the_store_has_the_name_and_the_sums_are_the_same(tmp_path: Path) -> None:
    async def work(store: Store, instruments: Instruments) -> None:
        await store.write(fill)
        await store.write(lambda connection: run_time_settings.write(connection, "authorized_users", [1000]))
        # The oldest rows have given up the name before: they are the same person's.
        settings = PrivacySettings(
            retention=RetentionSettings.model_validate(dict.fromkeys(RetentionSettings.model_fields)),
            pseudonymise_after=1,
        )
        await PrivacyService(store, settings, instruments, pause=0).sweep(2.5 * DAY)
        assert named_in(tmp_path, NAME)
        before = await store.read(lambda connection: rows(connection, ledger_jobs))

        done = await Persons(store).erase(ROOT, NAME, None, "request 12")
        assert done.pseudonym is not None
        assert done.pseudonym.startswith("erased:")
        assert done.remains == []
        assert named_in(tmp_path, NAME) == [], "also in the write-ahead log"
        ledger = await store.read(lambda connection: rows(connection, ledger_jobs))
        assert [row["busy_seconds"] for row in ledger] == [row["busy_seconds"] for row in before]
        mine = [row for row in ledger if row["user_name"] == done.pseudonym]
        assert len(mine) == 3
        assert {(row["uid"], row["account"], row["slurm_job_id"], row["trace_id"]) for row in mine} == {
            (None, done.pseudonym, None, None)
        }
        of_bob = [row for row in ledger if row["user_name"] == "bob"]
        assert len(of_bob) == 3, "and one whose name was given up"
        assert {row["slurm_job_id"] for row in of_bob} == {"9"}
        left = await store.read(lambda connection: rows(connection, jobs))
        assert {(row["uid"], row["message"]) for row in left} == {
            (-1, None),
            (-1, "for bob"),
            (1001, "for bob"),
        }
        results = await store.read(lambda connection: rows(connection, job_results))
        assert len(results) == 4, "Bob's"
        acts = await store.read(lambda connection: rows(connection, audit_log))
        assert acts[0]["reason"] == f"{done.pseudonym} asked, adamant", "only the word"
        assert (acts[-1]["action"], acts[-1]["reason"]) == ("person.erase", "request 12")

        again = await Persons(store).erase(ROOT, NAME, None, "request 12")
        assert (again.pseudonym, again.rows) == (None, {})
        assert len(await store.read(lambda connection: rows(connection, audit_log))) == len(acts)

    with_store(tmp_path, work)


def test_a_large_file_is_not_rewritten_without_being_asked_to_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qwatch.scheduler.privacy.rewriting.SMALL_BYTES", 1)

    async def work(store: Store, _instruments: Instruments) -> None:
        await store.write(fill)
        done = await Persons(store).erase(ROOT, NAME, None, "asked")
        assert "may hold what was there" in done.remains[0]
        assert (await Persons(store).erase(ROOT, NAME, None, "asked", rewrite=True)).remains == []
        assert named_in(tmp_path, NAME) == []

    with_store(tmp_path, work)


def test_writes_go_on_while_somebody_is_erased(tmp_path: Path) -> None:
    async def work(store: Store, _instruments: Instruments) -> None:
        await store.write(lambda connection: [a_job(connection, 1.0, user=NAME) for _ in range(300)] and None)
        erasing = asyncio.create_task(Persons(store).erase(ROOT, NAME, None, "asked", rewrite=False))
        others = 0
        while not erasing.done():
            await store.write(lambda connection: a_job(connection, 2.0, user="bob", uid=1001), timeout=30)
            others += 1
        assert (await erasing).rows == {"ledger_jobs": 300, "jobs": 300, "sessions": 300}
        assert others > 5
        left = await store.read(lambda connection: rows(connection, ledger_jobs))
        assert [row["user_name"] for row in left].count("bob") == others

    with_store(tmp_path, work)


@pytest.mark.parametrize(
    ("ended", "released", "line"),
    [
        (False, False, rf"{NAME} has open session 1, unfinished job 1; revoke or cancel"),
        (True, False, rf"{NAME} has open session 1; "),
        (False, True, rf"{NAME} has unfinished job 1; "),
    ],
)
def test_who_is_at_work_is_not_erased(tmp_path: Path, ended: bool, released: bool, line: str) -> None:
    async def work(store: Store, _instruments: Instruments) -> None:
        await store.write(lambda connection: a_job(connection, 1.0, user=NAME, ended=ended, released=released))
        with pytest.raises(ConflictError, match=line):
            await Persons(store).erase(ROOT, NAME, None, "asked")
        assert await store.read(lambda connection: rows(connection, audit_log)) == []

    with_store(tmp_path, work)


def test_a_person_is_named_by_login_or_by_a_uid_that_had_one(tmp_path: Path) -> None:
    async def work(store: Store, _instruments: Instruments) -> None:
        def people(connection: Connection) -> None:
            a_job(connection, 1.0, user=NAME, uid=70_000)
            a_job(connection, 1.0, user="bob", uid=70_001)
            a_job(connection, 1.0, user="eve", uid=70_001)

        await store.write(people)
        asked = Persons(store)
        with pytest.raises(ConflictError, match="uid 70001 was bob and eve; give one of these names"):
            await asked.erase(ROOT, None, 70_001, "asked")
        with pytest.raises(InvalidRequestError, match="the daemon's own jobs"):
            await asked.erase(ROOT, "qwatch", None, "asked")
        with pytest.raises(InvalidRequestError, match="names the person"):
            await asked.erase(ROOT, None, 70_000, f"{NAME} asked")
        with pytest.raises(InvalidRequestError, match="needs one"):
            await asked.erase(ROOT, NAME, None, " ")
        done = await asked.erase(ROOT, None, 70_000, "asked")
        assert done.rows == {"ledger_jobs": 1, "jobs": 1, "sessions": 1}
        assert named_in(tmp_path, NAME) == []

    with_store(tmp_path, work)


def test_a_user_who_may_still_come_back_is_told(tmp_path: Path) -> None:
    async def work(store: Store, _instruments: Instruments) -> None:
        def people(connection: Connection) -> None:
            a_job(connection, 1.0, user=NAME, uid=70_000)
            connection.execute(insert(site_settings).values(key="authorized_users", value="[70000]"))

        await store.write(people)
        done = await Persons(store).erase(ROOT, None, 70_000, "asked")
        assert done.remains == ["uid 70000 may still use the devices: qwatch admin users remove 70000"]
        assert await store.read(lambda c: c.execute(select(site_settings.c.value)).scalar()) == "[70000]"

    with_store(tmp_path, work)
