"""The ledger as CSV and JSON Lines: the documented columns, read back as they were, safe in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, insert

from qwatch.reports.ledger_export import PARTS, Format, export, read_csv
from qwatch.reports.read_only_store import open_store
from qwatch.scheduler import schema
from qwatch.scheduler.errors import NotFoundError
from qwatch.scheduler.tables import (
    device_activity,
    devices,
    ledger_corrections,
    ledger_jobs,
    ledger_quality,
    ledger_slurm_jobs,
    metadata,
    sessions,
)

JOB: dict[str, Any] = {
    "source": "qwatch",
    "job": "1",
    "session": "1",
    "slurm_job_id": "815",
    "uid": 1000,
    "user_name": "ada",
    "account": "chem",
    "qpu_id": "EMU",
    "resource_type": "pasqal-local",
    "job_class": "production",
    "shots_requested": 50,
    "shots_executed": 50,
    "created_at": 1795458900.0,
    "started_at": 1795458905.123456,
    "ended_at": 1795458910.5,
    "busy_seconds": 5.25,
    "state": "DONE",
    "reason": "none",
    "trace_id": "ab" * 16,
}


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        fill(connection)
        yield connection
    engine.dispose()


def fill(connection: Connection) -> None:
    for name in ("EMU", "FRESNEL"):
        connection.execute(insert(devices).values(qpu_id=name))
    connection.execute(insert(ledger_slurm_jobs).values(slurm_job_id="815", partition="quantum", seen_at=1.0))
    connection.execute(insert(ledger_jobs).values(**JOB))
    unknown = {"slurm_job_id": None, "uid": None, "started_at": None, "busy_seconds": None, "trace_id": None}
    other = {
        "job": "2",
        "qpu_id": "FRESNEL",
        "ended_at": JOB["ended_at"] + 60,
        "user_name": "=cmd|' /C calc'!A0",
    }
    connection.execute(insert(ledger_jobs).values(**(JOB | unknown | other)))
    connection.execute(
        insert(device_activity).values(qpu_id="EMU", activity="fault", reason="-ada", since=1795458900.0)
    )
    connection.execute(
        insert(ledger_quality).values(
            qpu_id="EMU", at=5.0, source="feed", metric="qpu.rabi", labels='{"b": "2"}', value=-0.5
        )
    )
    connection.execute(
        insert(ledger_corrections).values(
            at=9.0, applies_at=8.0, account="chem", job="1", cost=-3.5, reason="+lost", made_by="root"
        )
    )
    connection.execute(
        insert(sessions).values(
            token_sha256="f" * 64,
            uid=1000,
            user_name="ada",
            account="chem",
            slurm_job_id="815",
            qpu_id="EMU",
            created_by=0,
            created_at=5.0,
        )
    )


def written(connection: Connection, what: str, form: Format, **options: Any) -> str:
    file = io.StringIO()
    export(connection, what, file, form, **options)
    return file.getvalue()


def lines(connection: Connection, what: str, **options: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written(connection, what, "jsonl", **options).splitlines()]


def test_a_job_has_the_columns_of_accounting_with_times_in_utc_and_null_for_the_unknown(
    connection: Connection,
) -> None:
    first, second = lines(connection, "jobs")
    assert first == {
        "source": "qwatch",
        "job": "1",
        "session": "1",
        "slurm_job_id": "815",
        "cluster": None,
        "partition": "quantum",
        "user": "ada",
        "uid": 1000,
        "account": "chem",
        "qpu_id": "EMU",
        "resource_type": "pasqal-local",
        "job_class": "production",
        "sdk": None,
        "shots_requested": 50,
        "shots_executed": 50,
        "created": "2026-11-23T18:35:00.000000Z",
        "started": "2026-11-23T18:35:05.123456Z",
        "ended": "2026-11-23T18:35:10.500000Z",
        "busy_seconds": 5.25,
        "state": "DONE",
        "reason": "none",
        "possible_double": False,
        "trace_id": "ab" * 16,
    }
    assert (second["started"], second["busy_seconds"], second["partition"]) == (None, None, None)


def test_the_columns_are_documented(connection: Connection) -> None:
    text = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text(encoding="utf-8")
    for what, part in PARTS.items():
        section = text.partition(f"### {what}\n")[2].partition("\n#")[0]
        documented = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
        assert documented == [field.name for field in part.fields], what


@pytest.mark.parametrize("what", PARTS)
@pytest.mark.parametrize("anonymous", [False, True])
def test_csv_reads_back_as_json_lines_have_it(connection: Connection, what: str, anonymous: bool) -> None:
    of_csv = list(
        read_csv(io.StringIO(written(connection, what, "csv", anonymous=anonymous), newline=""), what)
    )
    of_json = lines(connection, what, anonymous=anonymous)
    assert of_csv
    if anonymous:
        assert [row.keys() for row in of_csv] == [row.keys() for row in of_json]
    else:
        assert of_csv == of_json


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_no_text_is_a_formula_in_a_spreadsheet_and_every_text_reads_back(text: str) -> None:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(ledger_jobs).values(**(JOB | {"account": text, "sdk": text})))
        file = written(connection, "jobs", "csv")
    (cells,) = list(csv.DictReader(io.StringIO(file, newline="")))
    assert cells["account"][0] not in "=+-@\t\r\n"
    (row,) = read_csv(io.StringIO(file, newline=""), "jobs")
    assert (row["account"], row["sdk"]) == (text, text)


def test_numbers_stay_numbers_and_labels_are_json(connection: Connection) -> None:
    assert ",-3.5,'+lost,root\r\n" in written(connection, "corrections", "csv")
    assert written(connection, "quality", "csv").endswith(',qpu.rabi,"{""b"": ""2""}",-0.5,\r\n')


def test_a_period_takes_its_begin_and_leaves_its_end_so_that_parts_make_the_whole(
    connection: Connection,
) -> None:
    ended = JOB["ended_at"]
    assert [row["job"] for row in lines(connection, "jobs", begin=ended, end=ended + 60)] == ["1"]
    assert [row["job"] for row in lines(connection, "jobs", begin=ended + 60)] == ["2"]
    assert [row["job"] for row in lines(connection, "jobs", device="FRESNEL")] == ["2"]
    with pytest.raises(NotFoundError, match="no device 'ORION' in the store; there is EMU, FRESNEL"):
        lines(connection, "jobs", device="ORION")


def test_an_anonymous_export_leads_to_nobody_and_still_groups(connection: Connection) -> None:
    for number in ("3", "4"):
        connection.execute(insert(ledger_jobs).values(**(JOB | {"job": number, "account": "ada"})))
    rows = lines(connection, "jobs", anonymous=True)
    of_ada = [row for row in rows if row["slurm_job_id"] is None and row["qpu_id"] == "EMU"]
    assert len({row["user"] for row in of_ada}) == 1
    assert of_ada[-1]["account"] == of_ada[-1]["user"], "an account that is the user's name is the user's"
    assert len({row["user"] for row in rows}) == 2
    assert {(row["uid"], row["trace_id"], row["cluster"]) for row in rows} == {(None, None, None)}
    for what in PARTS:
        for form in ("csv", "jsonl"):
            # By chance the digits of a stand-in may spell "ada".
            text = re.sub(r"-[0-9a-f]{12}\b", "-", written(connection, what, form, anonymous=True))
            found = re.findall(r"ada|chem|root|calc|815|1000|(?:ab){16}|ffff|lost", text)
            assert found == [], what
    assert lines(connection, "jobs", anonymous=True) != rows, "each export has stand-ins of its own"


def test_sessions_never_show_their_token(connection: Connection) -> None:
    (row,) = lines(connection, "sessions")
    assert (row["session"], row["ended"], row["outcome"]) == (1, None, None)
    assert "ffff" not in json.dumps(row)


def test_memory_does_not_grow_with_the_ledger(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'qwatch.db'}"
    engine = create_engine(url)
    schema.upgrade(engine)
    with engine.begin() as writer:
        writer.execute(insert(ledger_jobs), [JOB | {"job": str(number)} for number in range(20_000)])
    engine.dispose()

    class Nowhere(io.StringIO):
        def write(self, text: str) -> int:
            return len(text)

    with open_store(url) as store:
        store.read(lambda connection: export(connection, "jobs", Nowhere(), "csv", end=0.0))
        tracemalloc.start()
        assert store.read(lambda connection: export(connection, "jobs", Nowhere(), "csv")) == 20_000
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 4 * 2**20
