"""What the API tells beyond QRMI: queue and expected wait, where the time went, what the program annotated."""

from __future__ import annotations

import getpass
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module")
def qpu(run_device: Any) -> Iterator[Any]:
    with run_device() as device:
        yield device


@pytest.fixture(scope="module")
def daemon(run_daemon: Any, qpu: Any, device_at: Any) -> Iterator[Any]:
    with run_daemon(devices=[device_at(qpu.url, shot_rate=1000)]) as running:
        yield running


def measure(name: str = "energy", value: float = -1.5, **more: Any) -> dict[str, Any]:
    return {"kind": "measure", "name": name, "value": value, "at": time.time()} | more


def annotate(daemon: Any, number: int, *told: dict[str, Any]) -> Any:
    return daemon.ok("POST", f"/jobs/{number}/annotations", json={"annotations": list(told)})


@pytest.fixture
def slow_daemon(run_daemon: Any, run_device: Any, device_at: Any) -> Iterator[Any]:
    """A daemon whose device takes 100 s for 2,000 shots."""
    with run_device(shot_rate=20) as qpu, run_daemon(devices=[device_at(qpu.url, shot_rate=20)]) as running:
        yield running


def test_queue_and_expected_wait_are_public(slow_daemon: Any, sequence_text: str, wait_until: Any) -> None:
    def told() -> Any:
        return slow_daemon.ok("GET", "/accessible", auth=None)

    empty = told()
    assert (empty["state"], empty["simulator"]) == ("online", True)
    assert (empty["pending"], empty["expected_wait_seconds"]) == (0, 0.0)
    token = slow_daemon.acquire()
    numbers = [slow_daemon.submit(token, sequence_text, shots) for shots in (2000, 1000, 500)]
    slow_daemon.until(numbers[0], "RUNNING")
    wait_until(lambda: told()["pending"] == 2)
    # 75 s for those that wait, and what is left of the 100 s of the one that runs.
    assert 75 <= wait_until(lambda: told()["expected_wait_seconds"]) <= 175
    assert 75 <= slow_daemon.metric("qpu_queue_expected_wait_seconds", qpu_id="EMU") <= 175
    for number in reversed(numbers):
        slow_daemon.ok("POST", f"/jobs/{number}/cancel")
    for number in numbers:
        slow_daemon.finished(number)
    wait_until(lambda: told()["expected_wait_seconds"] == 0.0)
    assert told()["pending"] == 0


def test_the_queue_is_known_after_a_restart(slow_daemon: Any, sequence_text: str) -> None:
    token = slow_daemon.acquire()
    for shots in (2000, 100, 200):
        slow_daemon.submit(token, sequence_text, shots)
    slow_daemon.until(1, "RUNNING")
    slow_daemon.kill()
    slow_daemon.start()
    assert slow_daemon.ok("GET", "/accessible", auth=None)["pending"] == 2


def test_a_job_that_runs_has_a_timeline_too(slow_daemon: Any, sequence_text: str) -> None:
    number = slow_daemon.submit(slow_daemon.acquire(), sequence_text, 2000)
    slow_daemon.until(number, "RUNNING")
    found = slow_daemon.ok("GET", f"/jobs/{number}/timeline")
    assert found["session"]["held"]
    assert found["job"]["total_seconds"] > 0


def test_a_closed_device_tells_its_queue_but_no_wait(daemon: Any) -> None:
    closed = daemon.ok("POST", "/accessible", json={"is_accessible": False, "message": "service"})
    assert (closed["state"], closed["pending"], closed["expected_wait_seconds"]) == ("paused", 0, None)
    assert "qpu_queue_expected_wait_seconds{" not in daemon.metrics_text()
    daemon.ok("POST", "/accessible", json={"is_accessible": True})


def test_the_parts_of_a_job_and_of_its_session_add_up(daemon: Any, sequence_text: str, wait_until: Any) -> None:
    token = daemon.acquire()
    numbers = [daemon.submit(token, sequence_text, shots) for shots in (210, 220)]
    for number in numbers:
        daemon.finished(number)
    daemon.ok("DELETE", f"/sessions/{token}")
    found = daemon.ok("GET", f"/jobs/{numbers[1]}/timeline")
    job, session = found["job"], found["session"]
    assert list(job["seconds"]) == ["queue", "dispatch", "device", "fetch"]
    assert list(session["seconds"]) == ["classical", "queue", "dispatch", "device", "fetch", "idle"]
    for part in (job, session):
        assert sum(part["seconds"].values()) == pytest.approx(part["total_seconds"], abs=1e-5)
    assert job["seconds"]["device"] == pytest.approx(0.22, abs=0.02)
    # The second waited while the first ran.
    assert job["seconds"]["queue"] >= 0.2
    assert session["seconds"]["device"] == pytest.approx(0.43, abs=0.04)
    assert (session["held"], session["jobs"]) == (False, 2)


def test_the_first_fetch_of_results_is_kept_over_a_restart(
    run_daemon: Any, run_device: Any, device_at: Any, sequence_text: str, wait_until: Any
) -> None:
    with run_device() as qpu, run_daemon(devices=[device_at(qpu.url)]) as daemon:
        number = daemon.submit(daemon.acquire(), sequence_text, 20)
        # A list holds no results, so that looking at it fetches none.
        wait_until(lambda: daemon.ok("GET", "/jobs")["jobs"][0]["status"] == "DONE")
        ended = daemon.ok("GET", f"/jobs/{number}/timeline")["job"]["end"]
        daemon.job(number)
        fetched = daemon.ok("GET", f"/jobs/{number}/timeline")["job"]
        assert fetched["end"] > ended
        assert fetched["seconds"]["fetch"] > 0
        daemon.job(number)
        daemon.stop()
        daemon.start()
        assert daemon.ok("GET", f"/jobs/{number}/timeline")["job"] == fetched


def test_jobs_of_others_are_not_there(daemon: Any) -> None:
    daemon.refused(404, "GET", "/jobs/999999/timeline")
    daemon.refused(404, "POST", "/jobs/999999/annotations", json={"annotations": [measure()]})
    assert daemon.client.get("/jobs/1/timeline", auth=None).status_code == 401
    told = {"annotations": [measure()]}
    assert daemon.client.post("/jobs/1/annotations", json=told, auth=None).status_code == 401


def test_annotations_are_in_the_jobs_log_and_in_the_daemons(daemon: Any, sequence_text: str) -> None:
    token = daemon.acquire()
    number = daemon.submit(token, sequence_text, 30)
    daemon.finished(number)
    phase = {"kind": "phase", "name": "classical optimisation", "value": 0.25, "at": time.time()}
    reply = annotate(daemon, number, measure(unit="Ha", iteration=3), phase)
    assert reply == {"accepted": 2, "dropped": 0}
    log = daemon.logs(number)
    assert "measure energy = -1.5 Ha (iteration 3)" in log
    assert "phase classical optimisation: 0.250 s" in log
    told = [json.loads(line) for line in daemon.log.splitlines() if '"measure"' in line]
    wanted = {"job": number, "qpu_id": "EMU", "measure": "energy", "value": -1.5, "iteration": 3, "unit": "Ha"}
    assert wanted.items() <= told[-1].items()
    assert annotate(daemon, number, measure("plain"))["accepted"] == 1


def test_a_phase_is_classical_time_of_the_session(daemon: Any, sequence_text: str) -> None:
    token = daemon.acquire()
    number = daemon.submit(token, sequence_text, 30)
    daemon.finished(number)
    time.sleep(0.3)
    before = daemon.ok("GET", f"/jobs/{number}/timeline")["session"]["seconds"]
    annotate(daemon, number, {"kind": "phase", "name": "analysis", "value": 0.2, "at": time.time()})
    after = daemon.ok("GET", f"/jobs/{number}/timeline")["session"]["seconds"]
    assert after["classical"] >= before["classical"] + 0.19


def test_a_time_that_cannot_be_is_not_believed(daemon: Any, sequence_text: str) -> None:
    number = daemon.submit(daemon.acquire(), sequence_text, 30)
    daemon.finished(number)
    phase = {"kind": "phase", "name": "eternity", "value": 1e9, "at": 1e300}
    assert annotate(daemon, number, phase, phase | {"at": -1.0, "value": -5.0})["accepted"] == 2
    session = daemon.ok("GET", f"/jobs/{number}/timeline")["session"]
    assert sum(session["seconds"].values()) == pytest.approx(session["total_seconds"], abs=1e-5)
    assert session["total_seconds"] < 1e6


def test_a_job_keeps_a_thousand_annotations_and_says_that_there_were_more(
    daemon: Any, sequence_text: str
) -> None:
    number = daemon.submit(daemon.acquire(), sequence_text, 30)
    replies = [annotate(daemon, number, *[measure(value=float(i)) for i in range(95)]) for _ in range(12)]
    assert sum(reply["accepted"] for reply in replies) == 1000
    assert sum(reply["dropped"] for reply in replies) == 12 * 95 - 1000
    log = daemon.logs(number)
    assert log.count("measure energy") == 1000
    assert log.count("further annotations are not kept") == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "two\nlines"},
        {"name": ""},
        {"name": "9lives"},
        {"name": "x" * 65},
        {"name": "DONE: forged"},
        {"value": "many"},
        {"kind": "note"},
        {"unit": "two words"},
        {"iteration": -1},
        {"iteration": 1.5},
    ],
)
def test_what_is_no_annotation_is_refused(daemon: Any, sequence_text: str, wrong: dict[str, Any]) -> None:
    number = daemon.submit(daemon.acquire(), sequence_text, 30)
    daemon.refused(422, "POST", f"/jobs/{number}/annotations", json={"annotations": [measure() | wrong]})


def test_numbers_that_are_none_and_too_many_at_once_are_refused(daemon: Any, sequence_text: str) -> None:
    number = daemon.submit(daemon.acquire(), sequence_text, 30)
    path = f"/jobs/{number}/annotations"
    body = json.dumps({"annotations": [measure(value=float("nan"))]})
    daemon.refused(422, "POST", path, content=body, headers={"content-type": "application/json"})
    daemon.refused(422, "POST", path, json={"annotations": []})
    daemon.refused(422, "POST", path, json={"annotations": [measure()] * 101})


def test_the_daemons_log_tells_of_each_step_of_a_job_with_its_user_and_slurm_job(
    daemon: Any, sequence_text: str, wait_until: Any
) -> None:
    number = daemon.submit(daemon.acquire(slurm_job="4711"), sequence_text, 40)
    daemon.finished(number)
    wait_until(lambda: f'"job {number} DONE"' in daemon.log)
    lines = [json.loads(line) for line in daemon.log.splitlines() if f'"job {number} ' in line]
    steps = [line for line in lines if "state" in line]
    assert [line["state"] for line in steps] == ["PENDING", "RUNNING", "DONE"]
    assert {(line["user"], line["slurm_job_id"]) for line in steps} == {(getpass.getuser(), "4711")}
    assert steps[1]["wait_seconds"] == steps[2]["wait_seconds"] >= 0
    assert steps[2]["run_seconds"] > 0
