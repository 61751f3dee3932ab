"""``qwatch job``, ``session`` and ``usage`` tell where the time went, and what the program annotated."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from qwatch.cli.failure import CommandFailedError
from qwatch.cli.main import application
from qwatch.cli.time_bars import bar, seconds
from qwatch.cli.timeline_file import job_page, session_page

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
    whole = run_qwatch(place, "job", str(last_job), "--session", "--trace").stdout
    assert "phase loop  " in whole.partition("\ntrace\n")[2]
    first = run_qwatch(place, "job", str(last_job - 2)).stdout
    assert "measure energy = 0 Ha (iteration 0)" in first


def test_a_jobs_trace_is_its_own_part_of_its_sessions(
    run_qwatch: Any, place: Any, last_job: int, wait_until: Any
) -> None:
    def spans(*options: str) -> list[str]:
        shown = run_qwatch(place, "job", str(last_job), "--trace", *options).stdout.partition("\ntrace\n")[2]
        return re.findall(r"(\w\S* \S+)  \S+  \+", shown)

    own = wait_until(lambda: (found := spans()) and "run EMU" in found and found)
    assert own[0] == "task EMU"
    steps = ("task_start", "queue", "run", "slice", "wait", "task_result")
    for name in ("task EMU", "POST /jobs", *(f"{step} EMU" for step in steps)):
        assert own.count(name) == 1, own
    assert "session EMU" not in own
    whole = spans("--session")
    assert whole.count("session EMU") == 1
    assert whole.count("task EMU") == whole.count("run EMU") == 3


def test_a_session_is_told_by_its_number_and_by_its_slurm_job(
    run_qwatch: Any, place: Any, last_job: int
) -> None:
    listed = json.loads(run_qwatch(place, "sessions", "--json").stdout)["sessions"]
    (number,) = [item["number"] for item in listed if item["slurm_job_id"] == "77"]
    shown = run_qwatch(place, "session", str(number)).stdout
    assert shown.startswith(f"session {number} on EMU: released\n")
    assert re.search(rf"\n +{last_job} DONE ", shown)
    assert run_qwatch(place, "session", "--slurm-job", "77").stdout == shown
    (told,) = json.loads(run_qwatch(place, "session", "--slurm-job", "77", "--json").stdout)["sessions"]
    assert told["jobs"][-1]["time"]["intervals"]
    assert [phase["name"] for phase in told["phases"]] == ["loop"]
    page = session_page(told)
    assert (page.subject, page.name, page.finished, len(page.jobs)) == ("session", str(number), True, 3)
    assert sum(item.end - item.begin for item in page.intervals) == pytest.approx(page.end - page.begin)
    assert [part.job for part in page.slices] == [str(last_job - 2), str(last_job - 1), str(last_job)]


def test_a_session_that_is_not_there_is_one_line(run_qwatch: Any, place: Any, last_job: int) -> None:
    absent = run_qwatch(place, "session", "--slurm-job", "78")
    assert (absent.returncode, absent.stdout) == (1, "")
    assert absent.stderr.startswith("qwatch: Slurm job 78 has no session of yours")
    assert "there is no session 4242 of yours" in run_qwatch(place, "session", "4242").stderr
    assert run_qwatch(place, "session").returncode == 2
    assert run_qwatch(place, "session", "1", "--slurm-job", "77").returncode == 2


def test_a_jobs_page_holds_all_that_is_known_of_it(run_qwatch: Any, place: Any, last_job: int) -> None:
    job = json.loads(run_qwatch(place, "job", str(last_job), "--json").stdout)
    page = job_page(job, job["timeline"], job["logs"])
    assert (page.subject, page.name, page.qpu_id, page.finished) == ("job", str(last_job), "EMU", True)
    assert sum(item.end - item.begin for item in page.intervals) == pytest.approx(page.end - page.begin)
    assert (len(page.slices), page.slices[0].shots, page.trace_id) == (1, 20, job["trace_id"])
    assert any("energy = 3 Ha" in moment.text for moment in page.moments)


@pytest.mark.parametrize("words", ["job {job}", "job {job} --session", "session --slurm-job 77"])
def test_a_timeline_is_written_as_a_page_that_needs_nothing_else(
    run_qwatch: Any, place: Any, last_job: int, tmp_path: Path, words: str
) -> None:
    file = tmp_path / "timeline.html"
    done = run_qwatch(place, *words.format(job=last_job).split(), "--html", str(file))
    assert (done.returncode, done.stderr) == (0, f"wrote {file}\n")
    text = file.read_text(encoding="utf-8")
    assert "</html>" in text
    assert "fetch" in text
    assert not re.search(r"""(src|href)=["']?https?:""", text)
    assert "qws_" not in text


def test_a_page_without_its_extra_is_one_line_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for words in (["job", "1"], ["session", "1"]):
        found = CliRunner().invoke(application, [*words, "--html", str(tmp_path / "page.html")])
        assert isinstance(found.exception, CommandFailedError)
        assert "pip install 'qwatch[reports]'" in str(found.exception)


def test_usage_is_told_for_people_and_for_scripts(run_qwatch: Any, place: Any, last_job: int) -> None:
    found = json.loads(run_qwatch(place, "usage", "--by", "slurm-job", "--json").stdout)
    row = next(group for group in found["groups"] if group["key"] == "77")
    assert (row["jobs"], row["shots"]) == (3, 60)
    assert "\n77 " in run_qwatch(place, "usage", "--by", "slurm-job").stdout
    assert run_qwatch(place, "usage", "--qpu", "EMU", "--json").returncode == 0
    nothing = run_qwatch(place, "usage", "--month", "2020-02").stdout
    assert nothing.count("\n") == 1
    assert "has used nothing from 2020-02-01 00:00 to 2020-03-01 00:00" in nothing
    for wrong in (["--by", "person"], ["--month", "2020-13"], ["--month", "2020-01", "--from", "1d"]):
        assert run_qwatch(place, "usage", *wrong).returncode == 2
    assert "no user 'no-such-user'" in run_qwatch(place, "usage", "--user", "no-such-user").stderr


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
