"""What is old is deleted, names before that are given up, and nothing that is needed is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, func, select

from qwatch.collectors.accounts import AccountCollector
from qwatch.scheduler import slices
from qwatch.scheduler.ledger_comparison import LedgerTime
from qwatch.scheduler.privacy.pseudonyms import SECRET, Pseudonyms, is_pseudonym, of_store
from qwatch.scheduler.privacy.service import PrivacyService
from qwatch.scheduler.privacy.settings import PrivacySettings, RetentionSettings
from qwatch.scheduler.store import Store
from qwatch.scheduler.tables import (
    audit_log,
    device_activity,
    device_windows,
    job_log,
    job_payloads,
    job_results,
    ledger_corrections,
    ledger_jobs,
    ledger_quality,
    ledger_slurm_jobs,
    metadata,
    sessions,
    site_settings,
)
from qwatch.scheduler.tables import jobs as job_table
from qwatch.scheduler.tables import slices as slice_table
from qwatch.telemetry.instruments import Instruments

from .stored_people import DAY, a_device, a_job, around, rows, with_store

NOW = 1000 * DAY
NOTHING = dict.fromkeys(RetentionSettings.model_fields)


def service(store: Store, instruments: Instruments, **settings: Any) -> PrivacyService:
    given = {"retention": NOTHING, "pseudonymise_after": None} | settings
    return PrivacyService(store, PrivacySettings.model_validate(given), instruments, pause=0)


def keeping(**days: float) -> dict[str, Any]:
    return {"retention": NOTHING | days}


def test_the_defaults_delete_no_ledger_and_keep_names_for_over_a_year() -> None:
    settings = PrivacySettings()
    assert settings.pseudonymise_after == 400
    assert {name for name, days in settings.retention if days is None} == {
        "ledger_jobs",
        "device_activity",
        "quality",
    }


@pytest.mark.parametrize(
    ("kind", "tables"),
    [
        ("payloads_and_results", (job_payloads, job_results)),
        ("job_log", (job_log,)),
        ("jobs", (job_table, slice_table, job_payloads, job_results, job_log)),
        ("sessions", ()),
        ("ledger_jobs", (ledger_jobs, ledger_corrections, ledger_slurm_jobs)),
        ("device_activity", (device_windows,)),
        ("quality", (ledger_quality,)),
        ("audit_log", (audit_log,)),
    ],
)
def test_a_kind_is_deleted_when_it_is_old_and_no_other_one_is(
    tmp_path: Path, kind: str, tables: tuple[Any, ...]
) -> None:
    async def work(store: Store, instruments: Instruments) -> None:
        def fill(connection: Connection) -> None:
            a_device(connection)
            for at in (NOW - 100 * DAY, NOW - 5 * DAY):
                a_job(connection, at)
                around(connection, at)

        def counts(connection: Connection) -> dict[str, int]:
            return {
                table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in metadata.sorted_tables
            }

        await store.write(fill)
        before = await store.read(counts)
        done = await service(store, instruments, **keeping(**{kind: 50})).sweep(NOW)
        after = await store.read(counts)
        changed = {name: (count, after[name]) for name, count in before.items() if after[name] != count}
        assert changed == {table.name: (before[table.name], before[table.name] // 2) for table in tables}
        assert set(done) == ({(kind, "deleted")} if tables else set())
        told = instruments.registry.get_sample_value(
            "qwatch_retention_rows_total", {"kind": kind, "action": "deleted"}
        )
        assert told == sum(done.values())
        assert await service(store, instruments, **keeping(**{kind: 50})).sweep(NOW) == {}, "once is enough"

    with_store(tmp_path, work)


def test_unfinished_work_and_sessions_with_jobs_are_never_touched(tmp_path: Path) -> None:
    async def work(store: Store, instruments: Instruments) -> None:
        def fill(connection: Connection) -> list[int]:
            a_device(connection)
            return [
                a_job(connection, 1.0, ended=False, released=False),
                a_job(connection, 1.0, ended=False),
                a_job(connection, 1.0, released=False),
                a_job(connection, 1.0),
                a_job(connection, 1.0),
            ]

        await store.write(fill)
        everything = dict.fromkeys(NOTHING, 1.0)
        await service(store, instruments, retention=everything, pseudonymise_after=1).sweep(NOW)
        left = await store.read(lambda connection: rows(connection, job_table))
        assert [(row["id"], row["user_name"]) for row in left if row["ended_at"] is None] == [
            (1, "ada"),
            (2, "ada"),
        ]
        # The last one holds the device's newest uid, from which slices are searched after a crash.
        assert [row["id"] for row in left] == [1, 2, 5]
        claimed = await store.write(lambda connection: slices.claim(connection, 1, "EMU", 5, NOW))
        assert claimed.uid_before == "5"
        payloads = await store.read(lambda connection: rows(connection, job_payloads))
        assert [row["job_id"] for row in payloads] == [1, 2]
        held = await store.read(lambda connection: rows(connection, sessions))
        assert [row["id"] for row in held] == [1, 2, 3, 5]

    with_store(tmp_path, work)


def test_what_a_device_did_at_the_cutoff_stays_known_and_a_comparison_goes_on(tmp_path: Path) -> None:
    async def work(store: Store, instruments: Instruments) -> None:
        def fill(connection: Connection) -> None:
            a_device(connection)
            for days in (300, 200, 100, 5):
                connection.execute(
                    device_activity.insert().values(qpu_id="EMU", activity="idle", since=NOW - days * DAY)
                )

        await store.write(fill)
        comparison = await store.read(lambda connection: LedgerTime.begin(connection, "EMU", NOW - 300 * DAY))
        before = await store.read(lambda connection: comparison.seconds(connection, NOW - DAY))
        await service(store, instruments, **keeping(device_activity=150)).sweep(NOW)
        left = await store.read(lambda connection: rows(connection, device_activity))
        assert [(NOW - row["since"]) / DAY for row in left] == [200, 100, 5]
        after = await store.read(lambda connection: comparison.seconds(connection, NOW))
        assert after["idle"] - before["idle"] == DAY

    with_store(tmp_path, work)


def test_a_sweep_is_made_of_small_transactions(tmp_path: Path) -> None:
    async def work(store: Store, instruments: Instruments) -> None:
        await store.write(lambda connection: [a_job(connection, 1.0) for _ in range(450)] and None)
        largest = 0

        @event.listens_for(store.engine, "after_cursor_execute")
        def count(_c: Any, cursor: Any, statement: str, *_: Any) -> None:
            nonlocal largest
            if statement.startswith(("DELETE", "UPDATE")):
                largest = max(largest, cursor.rowcount)

        done = await service(store, instruments, pseudonymise_after=1, **keeping(jobs=400)).sweep(300 * DAY)
        assert done["ledger_jobs", "pseudonymised"] == done["jobs", "pseudonymised"] == 450
        done = await service(store, instruments, **keeping(jobs=400)).sweep(500 * DAY)
        assert done == {("jobs", "deleted"): 450}
        assert 0 < largest <= 400, "log lines of 200 jobs"

    with_store(tmp_path, work)


def test_old_names_become_pseudonyms_the_same_for_the_same_person(tmp_path: Path) -> None:
    async def work(store: Store, instruments: Instruments) -> None:
        def fill(connection: Connection) -> None:
            a_device(connection)
            a_job(connection, 1 * DAY)
            a_job(connection, 2 * DAY, account="chem")
            a_job(connection, 3 * DAY, user="bob", uid=1001, account="chem")
            a_job(connection, NOW - DAY)
            a_job(connection, 4 * DAY, user="qwatch", uid=0)
            around(connection, 1 * DAY)
            around(connection, NOW - DAY)

        await store.write(fill)
        done = await service(store, instruments, pseudonymise_after=400).sweep(NOW)
        pseudonyms = await of_store(store)
        ada, bob, grace = (pseudonyms.of(name) for name in ("ada", "bob", "grace"))
        assert len({ada, bob, grace}) == 3
        for table, nobody in ((ledger_jobs, None), (job_table, -1), (sessions, -1)):
            found = await store.read(lambda connection, table=table: rows(connection, table))
            assert [(row["user_name"], row["account"], row["uid"]) for row in found] == [
                (ada, ada, nobody),
                (ada, "chem", nobody),
                (bob, "chem", nobody),
                ("ada", "ada", 1000),
                ("qwatch", "qwatch", 0),
            ]
        corrections = await store.read(lambda connection: rows(connection, ledger_corrections))
        assert [(row["account"], row["made_by"]) for row in corrections] == [(ada, grace), ("ada", "grace")]
        told = await store.read(lambda connection: rows(connection, ledger_slurm_jobs))
        assert {row["account"] for row in told} == {ada, "ada"}
        acts = await store.read(lambda connection: rows(connection, audit_log))
        assert [(row["user_name"], row["uid"]) for row in acts] == [(grace, -1)] * 2 + [("grace", 2000)] * 2
        assert ada in acts[0]["details"]
        windows = await store.read(lambda connection: rows(connection, device_windows))
        assert [row["closed_by"] for row in windows] == [grace, "grace"]
        assert done["ledger_jobs", "pseudonymised"] == 3 + 1 + 1
        assert await service(store, instruments, pseudonymise_after=400).sweep(NOW) == {}
        # The busy time of a listed account that is a user's name stays that account's.
        collector = AccountCollector(["ada"], ["EMU"], monotonic=lambda: 0.0)
        store.read_now(collector.load)
        assert {sample.labels["account"]: sample.value for sample in collector.collect()} == {
            "ada": 15.0,
            "other": 22.5,
        }

    with_store(tmp_path, work)


def test_a_pseudonym_cannot_be_made_without_the_store_s_secret(tmp_path: Path) -> None:
    assert Pseudonyms(b"1").of("ada") != Pseudonyms(b"2").of("ada")
    assert Pseudonyms(b"1").of(Pseudonyms(b"1").of("ada")) == Pseudonyms(b"1").of("ada")
    assert is_pseudonym(Pseudonyms(b"1").of("ada"))

    async def work(store: Store, _instruments: Instruments) -> None:
        first, again = await of_store(store), await of_store(store)
        assert first.of("ada") == again.of("ada")
        (row,) = await store.read(lambda connection: rows(connection, site_settings))
        assert row["key"] == SECRET
        assert row["value"].strip('"') not in repr(first)

    with_store(tmp_path, work)
