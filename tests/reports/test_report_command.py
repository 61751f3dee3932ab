"""``qwatch report`` in its formats, beside a running daemon, and with mistakes."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer import BadParameter

from qwatch.cli.failure import CommandFailedError
from qwatch.cli.main import application
from qwatch.reports.json_format import read_json, schema
from qwatch.reports.tables import TABLES
from qwatch.scheduler.errors import SchedulerError

from .synthetic_ledger import Ledger, Store, a_job

BEGIN, END = 1_790_812_800.0, 1_793_491_200.0
MONTH = ["--month", "2026-10", "--timezone", "UTC"]


def report(*options: str, directory: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("QWATCH_")}
    return subprocess.run(
        [sys.executable, "-m", "qwatch.cli.main", "report", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=directory,
        env=environment | {"COLUMNS": "120"},
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("store") / "qwatch.db"
    filled = Store(f"sqlite:///{file}")
    filled.fill(
        Ledger(
            as_of={"FRESNEL": END},
            changes=[
                ("FRESNEL", BEGIN, "idle", ""),
                ("FRESNEL", BEGIN + 3600, "fault", "laser | off"),
                ("FRESNEL", BEGIN + 7200, "idle", ""),
            ],
            jobs=[
                a_job(ended_at=BEGIN + 100 * number, user_name=name, account="chem")
                for number, name in enumerate(("ada", "=cmd()", "b|ob"), start=1)
            ],
            windows=[{"qpu_id": "FRESNEL", "kind": "drain", "opened_at": BEGIN, "opened_by": "root"}],
        )
    )
    filled.engine.dispose()
    return file


def test_markdown_is_read_in_a_terminal_and_in_a_wiki(store: Path, tmp_path: Path) -> None:
    done = report("--store", str(store), *MONTH, directory=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("# Utilization report: October 2026\n")
    for heading in ("Coverage and trust", "Time and utilization", "Jobs", "Users", "Sessions", "Trend"):
        assert f"## {heading}\n" in done.stdout
    assert "laser \\| off" in done.stdout
    tables = [line for line in done.stdout.splitlines() if line.startswith("|")]
    widths: list[set[int]] = [set()]
    for line in done.stdout.splitlines():
        if line.startswith("|"):
            widths[-1].add(len(line))
        elif widths[-1]:
            widths.append(set())
    assert tables
    assert all(len(found) <= 1 for found in widths), "the columns do not stand below each other"


def test_json_is_the_whole_report_and_keeps_its_schema(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "october.json"
    done = report("--store", f"sqlite:///{store}", *MONTH, "--out", str(out), directory=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "october.json: October 2026, 3 jobs" in done.stderr
    told = read_json(out.read_text())
    assert told.jobs == 3
    assert told.devices[0].availability.incidents[0].cause == "laser | off"
    assert set(json.loads(out.read_text())) == set(schema()["properties"])
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_csv_is_one_long_table_or_any_one(store: Path, tmp_path: Path) -> None:
    whole = report("--store", str(store), *MONTH, "--format", "csv", directory=tmp_path)
    rows = list(csv.DictReader(io.StringIO(whole.stdout)))
    assert {"table", "row", "key", "value"} == set(rows[0])
    assert {"time", "days", "classes", "users", "trends"} <= {row["table"] for row in rows} <= set(TABLES)
    one = report("--store", str(store), *MONTH, "--table", "users", directory=tmp_path)
    users = list(csv.DictReader(io.StringIO(one.stdout)))
    assert {row["user"] for row in users} == {"ada", "'=cmd()", "b|ob"}
    assert sum(float(row["share"]) for row in users) == pytest.approx(1.0)
    days = report("--store", str(store), *MONTH, "--table", "days", directory=tmp_path)
    read = list(csv.DictReader(io.StringIO(days.stdout)))
    assert len(read) == 31
    assert read[0]["begin"] == "2026-10-01T00:00:00+00:00"
    assert float(read[0]["fault_seconds"]) == 3600


def test_without_names_there_is_none(store: Path, tmp_path: Path) -> None:
    done = report("--store", str(store), *MONTH, "--by", "user", "--anonymous", directory=tmp_path)
    assert "user-3" in done.stdout
    assert not any(name in done.stdout for name in ("ada", "=cmd", "ob ", "chem"))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--month", "2026-10"], "tell where the data is"),
        (["--store", "STORE", "--month", "October"], "'October' is not a month such as 2026-11"),
        (["--store", "STORE", "--month", "2026-10", "--device", "NONE"], "device 'NONE' is not in the ledger"),
        (["--store", "STORE", "--by", "colour"], "'colour' is not one of user, account"),
        (["--store", "STORE", *MONTH, "--table", "all"], "--table 'all' is not one of summary"),
        (["--store", "STORE", *MONTH, "--format", "pdf"], "'pdf' is not one of html, md, csv, json"),
        (["--store", "STORE", "--timezone", "Mars"], "'Mars' is not a time zone"),
        (["--store", "TEXT"], "file is not a database"),
        (["--store", "mysql+none://host/db"], "is not a database URL"),
        (["--config", "gone.yaml"], "gone.yaml: No such file"),
    ],
)
def test_a_mistake_is_told_in_a_line(store: Path, tmp_path: Path, options: list[str], line: str) -> None:
    text = tmp_path / "text"
    text.write_text("This is no database, only a text that is long enough.\n" * 20)
    places = {"STORE": str(store), "TEXT": str(text)}
    with pytest.raises((CommandFailedError, SchedulerError, BadParameter)) as error:
        application(["report", *(places.get(option, option) for option in options)], standalone_mode=False)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_a_mistake_is_an_exit_code_too(tmp_path: Path) -> None:
    done = report("--store", "gone.db", directory=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "qwatch: store gone.db: No such file or directory\n"


def test_a_store_that_may_only_be_read_is_read(store: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "kept"
    folder.mkdir()
    copy = folder / "qwatch.db"
    shutil.copy(store, copy)
    copy.chmod(0o400)
    before = copy.read_bytes()
    done = report("--store", str(copy), *MONTH, directory=tmp_path)
    assert done.returncode == 0, done.stderr
    assert copy.read_bytes() == before


def test_a_report_beside_a_running_daemon_agrees_with_its_metrics(
    run_daemon: Any,
    run_device: Any,
    device_at: Callable[..., dict[str, Any]],
    sequence_text: str,
    tmp_path: Path,
    wait_until: Any,
) -> None:
    with (
        run_device(shot_rate=200.0) as device,
        run_daemon(
            devices=[device_at(device.url)],
            reports={"targets": {"utilization": 0.5}, "rates": {"per_busy_hour": 3600.0}},
        ) as daemon,
    ):
        token = daemon.acquire()
        numbers = [daemon.submit(token, sequence_text, 100) for _ in range(4)]
        for number in numbers:
            assert daemon.finished(number)["status"] == "DONE"
        # What is scraped is stored first.
        wait_until(lambda: daemon.metric("qpu_jobs_finished_total", state="done") == 4)
        counted = {
            activity: daemon.metric("qpu_time_seconds_total", activity=activity)
            for activity in ("execute", "dispatch", "idle", "fault")
        }
        out = tmp_path / "report.json"
        done = report(
            "--config",
            str(daemon.file),
            "--from",
            "2020-01-01",
            "--timezone",
            "UTC",
            "--out",
            str(out),
            directory=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        told = read_json(out.read_text())
        assert daemon.metric("qpu_jobs_finished_total", state="done") == 4
    assert told.jobs == 4
    (found,) = told.devices
    for activity, seconds in counted.items():
        assert found.time.seconds[activity] == pytest.approx(seconds, abs=1.5), activity
    (covered,) = told.coverage
    assert covered.differences is not None
    assert all(abs(difference.seconds) < 1.0 for difference in covered.differences)
    assert found.shots.executed == 400
    assert found.utilization_target == 0.5
    (ending,) = told.endings
    assert (ending.state, ending.jobs, ending.share) == ("DONE", 4, 1.0)
    assert told.sessions.sessions == 1
    assert 0 < told.sessions.busy_seconds <= told.sessions.held_seconds
    assert told.statements is not None
    assert told.statements[0].total == pytest.approx(told.breakdown.groups[0].busy_seconds, rel=1e-3)
    assert told.period.end <= time.time()
