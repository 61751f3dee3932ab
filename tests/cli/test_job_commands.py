"""``submit``, ``jobs``, ``job``, ``cancel``, ``doctor`` and ``run`` against a daemon with a local token."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def place(
    run_daemon: Any, run_emulator: Any, device_at: Any, environment_in: Any, tmp_path_factory: Any
) -> Iterator[tuple[Any, dict[str, str]]]:
    """A daemon, and the environment of a user who works with it."""
    with run_emulator(shot_rate=1000) as qpu, run_daemon(devices=[device_at(qpu.url)]) as daemon:
        environment = environment_in(
            tmp_path_factory.mktemp("home"),
            QRMI_JOB_QPU_RESOURCES="EMU",
            QRMI_JOB_QPU_TYPES="pasqal-local",
            QRMI_JOB_UID=str(os.getuid()),
            QRMI_JOB_ID="77",
            EMU_QRMI_WARDEN_URL=f"{daemon.url}/devices/EMU",
            QWATCH_TOKEN_FILE=str(daemon.token_file),
        )
        yield daemon, environment


@pytest.fixture
def sequence_file(tmp_path: Path, sequence_text: str) -> str:
    file = tmp_path / "sequence.json"
    file.write_text(sequence_text)
    return str(file)


def test_a_submitted_job_is_waited_for_and_its_results_are_printed(
    run_qwatch: Any, place: Any, sequence_file: str
) -> None:
    found = run_qwatch(place[1], "submit", sequence_file, "--shots", "50", "--wait", "--json")
    assert found.returncode == 0, found.stderr
    job = json.loads(found.stdout)
    assert job["status"] == "DONE"
    assert sum(json.loads(job["results"])["counter"].values()) == 50


def test_submit_leaves_no_session_open(run_qwatch: Any, place: Any, sequence_file: str) -> None:
    daemon, environment = place
    run_qwatch(environment, "submit", sequence_file, "--shots", "5")
    assert daemon.metric("qpu_sessions_active", qpu_id="EMU") == 0


def test_the_class_of_a_job_can_be_chosen(run_qwatch: Any, place: Any, sequence_file: str) -> None:
    found = run_qwatch(place[1], "submit", sequence_file, "--shots", "5", "--class", "test", "--json")
    assert json.loads(found.stdout)["job_class"] == "test"
    refused = run_qwatch(place[1], "submit", sequence_file, "--shots", "5", "--class", "urgent")
    assert refused.returncode == 1
    assert "'urgent'" in refused.stderr


def test_jobs_lists_them_newest_first(run_qwatch: Any, place: Any, sequence_file: str) -> None:
    for _ in range(2):
        run_qwatch(place[1], "submit", sequence_file, "--shots", "5", "--wait")
    listed = json.loads(run_qwatch(place[1], "jobs", "--json").stdout)
    numbers = [job["id"] for job in listed]
    assert numbers == sorted(numbers, reverse=True)
    table = run_qwatch(place[1], "jobs", "--limit", "1").stdout
    assert str(numbers[0]) in table
    assert "DONE" in table


def test_job_shows_times_results_log_and_the_daemons_half_of_the_trace(
    run_qwatch: Any, place: Any, sequence_file: str, tmp_path: Path
) -> None:
    environment = place[1]
    number = json.loads(
        run_qwatch(environment, "submit", sequence_file, "--shots", "7", "--wait", "--json").stdout
    )["id"]
    shown = run_qwatch(environment, "job", str(number))
    assert shown.returncode == 0
    for part in ("7 of 7", "on the device", "results", "queued as", "DONE: 7 shots"):
        assert part in shown.stdout
    asked = json.loads(run_qwatch(environment, "job", str(number), "--json").stdout)
    assert asked["id"] == number
    assert "DONE: 7 shots" in asked["logs"]


def test_a_waiting_job_is_cancelled_and_a_finished_one_is_not(
    run_qwatch: Any, place: Any, sequence_file: str
) -> None:
    environment = place[1]
    run_qwatch(environment, "submit", sequence_file, "--shots", "2000")
    waiting = json.loads(run_qwatch(environment, "submit", sequence_file, "--shots", "2000", "--json").stdout)
    cancelled = run_qwatch(environment, "cancel", str(waiting["id"]))
    assert cancelled.returncode == 0, cancelled.stderr
    again = run_qwatch(environment, "cancel", str(waiting["id"]))
    assert again.returncode == 1
    assert "has ended: CANCELED" in again.stderr


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("job",), 2, "Missing"),
        (("job", "first"), 2, "integer"),
        (("job", "999999"), 1, "there is no job 999999 of yours"),
        (("submit", "/nowhere.json", "--shots", "1"), 1, "/nowhere.json"),
        (("serve", "--config", "/nowhere.yaml"), 1, "/nowhere.yaml"),
        (("serve", "--config", "/etc/hostname", "--role", "king"), 2, "king"),
        (("frobnicate",), 2, "frobnicate"),
        (("run", "--qpu", "EMU"), 2, "Missing"),
        (("run", "--qpu", "EMU", "--", "/nowhere"), 1, "/nowhere"),
        (("jobs", "--qpu", "NOWHERE"), 1, "'NOWHERE' is not available"),
        (("up", "--auth", "none"), 2, "none"),
    ],
)
def test_a_mistake_is_told_in_one_line_without_a_traceback(
    run_qwatch: Any, place: Any, words: tuple[str, ...], code: int, line: str
) -> None:
    found = run_qwatch(place[1], *words)
    assert found.returncode == code, found.stderr
    assert line in found.stderr
    assert "Traceback" not in found.stderr


def test_wrong_shots_are_refused_with_the_daemons_own_words(
    run_qwatch: Any, place: Any, sequence_file: str
) -> None:
    found = run_qwatch(place[1], "submit", sequence_file, "--shots", "0")
    assert found.returncode == 1
    assert "shots: 0 is not between 1 and" in found.stderr


def test_doctor_finds_a_daemon_that_works(run_qwatch: Any, place: Any) -> None:
    found = run_qwatch(place[1], "doctor", "--json")
    states = {item["part"]: item["state"] for item in json.loads(found.stdout)}
    assert {part: states[part] for part in ("QRMI", "QPU", "daemon", "device", "access")} == dict.fromkeys(
        ("QRMI", "QPU", "daemon", "device", "access"), "ok"
    )
    assert "qws_" not in found.stdout + found.stderr


def test_doctor_says_what_to_do_where_nothing_works(
    run_qwatch: Any, environment_in: Any, tmp_path: Path, free_port: Any
) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    environment = environment_in(
        tmp_path,
        QRMI_JOB_QPU_RESOURCES="EMU",
        QRMI_JOB_QPU_TYPES="pasqal-local",
        EMU_QRMI_WARDEN_URL=address,
        OTEL_EXPORTER_OTLP_ENDPOINT=address,
    )
    found = run_qwatch(environment, "doctor", "--loki", address, "--prometheus", address, "--json")
    assert found.returncode == 1
    failed = {item["part"]: item["advice"] for item in json.loads(found.stdout) if item["state"] == "failed"}
    assert {"daemon", "OTLP", "Loki", "Prometheus"} <= set(failed)
    assert all(failed.values())


def test_run_gives_the_program_a_session_and_releases_it_when_the_program_dies(
    run_qwatch: Any, place: Any
) -> None:
    daemon, environment = place
    before = daemon.metric("qpu_sessions_total", qpu_id="EMU", outcome="released")
    program = (
        "import os, signal; assert os.environ['EMU_QRMI_JOB_ACQUISITION_TOKEN']; "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    found = run_qwatch(environment, "run", "--qpu", "EMU", "--", sys.executable, "-c", program)
    assert found.returncode == 128 + 9, found.stderr
    assert daemon.metric("qpu_sessions_total", qpu_id="EMU", outcome="released") == before + 1
    assert daemon.metric("qpu_sessions_active", qpu_id="EMU") == 0
