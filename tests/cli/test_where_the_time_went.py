"""``qwatch job`` tells where the time went, and what the program annotated."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from qwatch.cli.time_bars import bar, seconds

LOOP = """
import sys
import qrmi
from qwatch.qrmi import annotate
from qwatch.qrmi.open_resource import open_resource
from qwatch.qrmi.session import session

resource = open_resource()
sequence = open(sys.argv[1]).read()
with session(resource), annotate.phase("loop"):
    for iteration in range(3):
        task = resource.task_start(qrmi.Payload.PasqalCloud(sequence=sequence, job_runs=20))
        while resource.task_status(task) in (qrmi.TaskStatus.Queued, qrmi.TaskStatus.Running):
            pass
        resource.task_result(task)
        annotate.record("energy", 1.5 * iteration, iteration=iteration, unit="Ha")
print("done", task)
"""


@pytest.fixture(scope="module")
def place(
    run_daemon: Any, run_emulator: Any, device_at: Any, environment_in: Any, tmp_path_factory: Any
) -> Iterator[dict[str, str]]:
    """The environment of a user who works with a daemon, with spans in files."""
    traces = tmp_path_factory.mktemp("traces")
    with (
        run_emulator(shot_rate=1000) as qpu,
        run_daemon(devices=[device_at(qpu.url)], telemetry={"trace_directory": str(traces)}) as daemon,
    ):
        yield environment_in(
            tmp_path_factory.mktemp("home"),
            QRMI_JOB_QPU_RESOURCES="EMU",
            QRMI_JOB_QPU_TYPES="pasqal-local",
            QRMI_JOB_UID=str(os.getuid()),
            QRMI_JOB_ID="77",
            EMU_QRMI_WARDEN_URL=f"{daemon.url}/devices/EMU",
            QWATCH_TOKEN_FILE=str(daemon.token_file),
            QWATCH_TRACE_DIRECTORY=str(traces),
        )


@pytest.fixture(scope="module")
def program(tmp_path_factory: Any, sequence_text: str) -> list[str]:
    folder = tmp_path_factory.mktemp("program")
    (folder / "loop.py").write_text(LOOP)
    (folder / "sequence.json").write_text(sequence_text)
    return [sys.executable, str(folder / "loop.py"), str(folder / "sequence.json")]


@pytest.fixture(scope="module")
def last_job(place: dict[str, str], program: list[str]) -> int:
    """The last job of a variational loop of three."""
    words = [sys.executable, "-m", "qwatch.cli.main", "run", "--", *program]
    found = subprocess.run(words, env=place, capture_output=True, text=True, timeout=120, check=True)
    return int(found.stdout.split()[-1])


def test_a_job_and_its_session_are_told_in_parts(run_qwatch: Any, place: Any, last_job: int) -> None:
    shown = run_qwatch(place, "job", str(last_job)).stdout
    assert "where its time went" in shown
    for part in ("queue", "dispatch", "device", "fetch"):
        assert f"\n  {part}" in shown
    assert "\n  idle" not in shown
    assert "its session, 3 jobs, released" in shown
    whole = run_qwatch(place, "job", str(last_job), "--session").stdout
    for part in ("classical", "queue", "dispatch", "device", "fetch", "idle"):
        assert f"\n  {part}" in whole


@pytest.mark.parametrize("columns", ["80", "120"])
def test_it_fits_the_terminal(run_qwatch: Any, place: Any, last_job: int, columns: str) -> None:
    shown = run_qwatch(place | {"COLUMNS": columns}, "job", str(last_job), "--session").stdout
    bars = shown.partition("where its time went")[2].partition("\nresults")[0]
    assert max(len(line) for line in bars.splitlines()) <= int(columns)


def test_the_parts_add_up_in_json_too(run_qwatch: Any, place: Any, last_job: int) -> None:
    timeline = json.loads(run_qwatch(place, "job", str(last_job), "--json").stdout)["timeline"]
    for part in (timeline["job"], timeline["session"]):
        assert sum(part["seconds"].values()) == pytest.approx(part["total_seconds"], abs=1e-5)
    assert timeline["session"]["jobs"] == 3


def test_the_programs_own_measures_are_in_the_log_and_in_the_trace(
    run_qwatch: Any, place: Any, last_job: int
) -> None:
    shown = run_qwatch(place, "job", str(last_job), "--trace").stdout
    assert "measure energy = 3 Ha (iteration 2)" in shown
    assert "phase loop: " in shown
    assert "phase loop  " in shown.partition("\ntrace\n")[2]
    first = run_qwatch(place, "job", str(last_job - 2)).stdout
    assert "measure energy = 0 Ha (iteration 0)" in first


def test_a_job_of_nobody_is_one_line(run_qwatch: Any, place: Any) -> None:
    found = run_qwatch(place, "job", "424242", "--session")
    assert found.returncode == 1
    assert "there is no job 424242 of yours" in found.stderr


def test_a_bar_shows_a_little_and_never_more_than_all() -> None:
    assert bar(0).strip() == ""
    assert bar(1e-6).strip() != ""
    assert len(bar(1)) == len(bar(0)) == len(bar(0.37)) == len(bar(1.5))
    assert bar(1) == "█" * len(bar(1))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 ms"), (0.0042, "4 ms"), (1.234, "1.23 s"), (99.9, "99.90 s"), (600, "10.0 min"), (7200, "2.0 h")],
)
def test_lengths_of_time_are_short(value: float, text: str) -> None:
    assert seconds(value) == text
