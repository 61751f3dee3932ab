"""Faults of the QPU and of the store: the daemon survives, says so, and goes on by itself."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest


@pytest.fixture(scope="module")
def stand(run_daemon: Any, run_device: Any, device_at: Any) -> Iterator[tuple[Any, Any]]:
    with run_device() as qpu, run_daemon(devices=[device_at(qpu.url)]) as daemon:
        yield qpu, daemon


@pytest.fixture
def qpu(stand: tuple[Any, Any]) -> Iterator[Any]:
    """A healthy QPU that has not executed anything yet; made healthy again at the end."""
    qpu, daemon = stand
    qpu.executions.clear()
    yield qpu
    qpu.stop()
    qpu.word, qpu.error, qpu.refusal, qpu.shot_rate = "UP", None, None, 1000.0
    qpu.start()
    if daemon.process.poll() is None:
        daemon.until_online()


@pytest.fixture
def daemon(stand: tuple[Any, Any]) -> Any:
    return stand[1]


def test_jobs_wait_while_the_qpu_is_unreachable_and_run_when_it_is_back(
    daemon: Any, qpu: Any, sequence_text: str
) -> None:
    qpu.stop()
    daemon.until_online(online=False)
    token = daemon.acquire()
    numbers = [daemon.submit(token, sequence_text, shots) for shots in (101, 102, 103)]
    assert [daemon.job(number)["status"] for number in numbers] == ["PENDING"] * 3
    assert daemon.metric("qpu_up", qpu_id="EMU") == 0
    assert daemon.metric("qpu_activity", activity="fault") == 1
    assert daemon.metric("qpu_queue_jobs", state="pending") == 3
    qpu.start()
    assert [daemon.finished(number)["status"] for number in numbers] == ["DONE"] * 3
    assert qpu.shots() == [101, 102, 103]
    assert daemon.metric("qpu_up", qpu_id="EMU") == 1


def test_a_qpu_that_vanishes_under_a_running_job_is_waited_for(
    daemon: Any, qpu: Any, sequence_text: str, wait_until: Any
) -> None:
    number = daemon.submit(daemon.acquire(), sequence_text, 901)
    wait_until(lambda: qpu.busy)
    qpu.stop()
    daemon.until_online(online=False)
    assert daemon.job(number)["status"] == "RUNNING"
    assert daemon.metric("qpu_activity", activity="fault") == 1
    qpu.start()
    job = daemon.finished(number)
    assert (job["status"], job["possible_double"]) == ("DONE", False)
    assert qpu.shots() == [901]


def test_a_qpu_that_refuses_connections_at_the_post_gets_the_job_later(
    daemon: Any, qpu: Any, sequence_text: str
) -> None:
    """The daemon still believes that the QPU is online when it posts: nothing was sent, nothing is doubled."""
    token = daemon.acquire()
    qpu.stop()
    number = daemon.submit(token, sequence_text, 101)
    daemon.until_online(online=False)
    # The device is known to be gone a moment before the job is back in the queue.
    daemon.until(number, "PENDING")
    qpu.start()
    job = daemon.finished(number)
    assert (job["status"], job["possible_double"]) == ("DONE", False)
    assert qpu.shots() == [101]


def test_a_lost_reply_is_found_on_the_qpu_and_not_posted_again(
    daemon: Any, qpu: Any, sequence_text: str
) -> None:
    token = daemon.acquire()
    daemon.finished(daemon.submit(token, sequence_text, 101))
    qpu.lose_replies = 1
    job = daemon.finished(daemon.submit(token, sequence_text, 302))
    assert (job["status"], job["possible_double"]) == ("DONE", False)
    assert qpu.shots() == [101, 302]
    # What the device tells of its times is trusted, though its uid was learned late.
    assert job["busy_seconds"] > 0.2


@pytest.mark.parametrize("word", ["MAINTENANCE", "", "up", None, 7, {"nested": True}])
def test_an_unknown_operational_word_is_offline_and_recovers(
    daemon: Any, qpu: Any, sequence_text: str, word: object
) -> None:
    qpu.word = word
    daemon.until_online(online=False)
    assert str(word) in daemon.ok("GET", "/accessible")["message"]
    number = daemon.submit(daemon.acquire(), sequence_text, 101)
    assert daemon.metric("qpu_state", state="offline") == 1
    assert daemon.job(number)["status"] == "PENDING"
    qpu.word = "UP"
    daemon.until_online()
    assert daemon.finished(number)["status"] == "DONE"


def test_a_qpu_that_goes_out_of_service_between_two_looks_keeps_the_job_waiting(
    daemon: Any, qpu: Any, sequence_text: str, wait_until: Any
) -> None:
    """It answers the POST with 503: the job waits, the second is a fault, and it runs when the QPU is back."""
    token = daemon.acquire()
    daemon.finished(daemon.submit(token, sequence_text, 101))
    qpu.refusal, qpu.word = (503, "not operational"), "DOWN"
    number = daemon.submit(token, sequence_text, 102)
    daemon.until_online(online=False)
    assert daemon.job(number)["status"] == "PENDING"
    wait_until(lambda: daemon.metric("qpu_activity", activity="fault") == 1)
    qpu.refusal, qpu.word = None, "UP"
    job = daemon.finished(number)
    assert (job["status"], job["possible_double"]) == ("DONE", False)
    assert qpu.shots() == [101, 102]


def test_work_that_waits_for_a_flaky_qpu_is_never_called_idle(
    daemon: Any, qpu: Any, sequence_text: str, wait_until: Any
) -> None:
    """The QPU calls itself operational and answers each POST with 500: its time is not the users' idleness."""
    token = daemon.acquire()
    daemon.finished(daemon.submit(token, sequence_text, 101))
    qpu.refusal = (500, "internal error")
    number = daemon.submit(token, sequence_text, 102)
    wait_until(lambda: daemon.logs(number).count("queued again") >= 1)
    idle = daemon.metric("qpu_time_seconds_total", activity="idle")
    wait_until(lambda: daemon.logs(number).count("queued again") >= 5)
    assert daemon.metric("qpu_time_seconds_total", activity="idle") - idle < 0.1
    qpu.refusal = None
    assert daemon.finished(number)["status"] == "DONE"
    assert qpu.shots() == [101, 102]


@pytest.mark.parametrize(
    ("status", "reason"), [(400, "user_error"), (422, "user_error"), (413, "user_error"), (404, "device_error")]
)
def test_a_job_that_the_qpu_refuses_ends_in_error_and_the_next_one_runs(
    daemon: Any, qpu: Any, sequence_text: str, status: int, reason: str
) -> None:
    qpu.refusal = (status, "the pulse is too strong")
    before = daemon.metric("qpu_jobs_finished_total", state="error", reason=reason)
    token = daemon.acquire()
    job = daemon.finished(daemon.submit(token, sequence_text, 101))
    assert (job["status"], job["reason"], job["shots_executed"]) == ("ERROR", reason, 0)
    assert "the pulse is too strong" in job["message"]
    assert "the pulse is too strong" in daemon.logs(job["id"])
    qpu.refusal = None
    assert daemon.finished(daemon.submit(token, sequence_text, 102))["status"] == "DONE"
    assert daemon.metric("qpu_jobs_finished_total", state="error", reason=reason) == before + 1


def test_a_job_that_fails_on_the_qpu_ends_in_error_with_the_reason_in_its_log(
    daemon: Any, qpu: Any, sequence_text: str
) -> None:
    qpu.error = "the laser was unlocked"
    token = daemon.acquire()
    job = daemon.finished(daemon.submit(token, sequence_text, 101))
    assert (job["status"], job["reason"]) == ("ERROR", "device_error")
    assert "the laser was unlocked" in daemon.logs(job["id"])
    assert job["results"] is None
    qpu.error = None
    assert daemon.finished(daemon.submit(token, sequence_text, 102))["status"] == "DONE"


def test_a_cancellation_that_comes_while_the_post_is_under_way_is_kept(
    daemon: Any, qpu: Any, sequence_text: str, wait_until: Any
) -> None:
    token = daemon.acquire()
    qpu.hold_replies = threading.Event()
    numbers = [daemon.submit(token, sequence_text, shots) for shots in (30_001 // 20, 102)]
    wait_until(qpu.shots)
    daemon.ok("POST", f"/jobs/{numbers[0]}/cancel")
    qpu.hold_replies.set()
    qpu.hold_replies = None
    job = daemon.finished(numbers[0])
    assert (job["status"], job["reason"]) == ("CANCELED", "user")
    assert daemon.finished(numbers[1])["status"] == "DONE"


def test_a_canceled_job_that_the_qpu_forgets_does_not_run_again(
    daemon: Any, qpu: Any, sequence_text: str, wait_until: Any
) -> None:
    number = daemon.submit(daemon.acquire(), sequence_text, 1901)
    wait_until(lambda: qpu.busy)
    qpu.stop()
    daemon.until_online(online=False)
    daemon.ok("POST", f"/jobs/{number}/cancel")
    qpu.forget()
    qpu.start()
    job = daemon.finished(number)
    assert (job["status"], job["reason"]) == ("CANCELED", "user")
    assert qpu.shots() == [1901]


@contextmanager
def exclusive_lock(store: Any) -> Iterator[None]:
    """Hold the lock that a backup or a person at the sqlite3 prompt may hold."""
    connection = sqlite3.connect(store, isolation_level=None, timeout=30)
    try:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


def test_submissions_get_503_with_retry_after_while_the_store_is_locked_and_nothing_acknowledged_is_lost(
    daemon: Any, qpu: Any, sequence_text: str, wait_until: Any
) -> None:
    token = daemon.acquire()
    before = [daemon.submit(token, sequence_text, shots) for shots in (301, 302, 303)]
    wait_until(lambda: qpu.busy)
    with exclusive_lock(daemon.store):
        # The dispatcher's own write waits without end; a user's must not wait behind it.
        wait_until(lambda: not qpu.busy)
        refused = daemon.client.post("/jobs", **daemon.submission(token, sequence_text, 304), timeout=30)
        assert refused.status_code == 503, refused.text
        assert int(refused.headers["retry-after"]) > 0
        assert httpx.get(f"{daemon.metrics_url}/livez").status_code == 200
        unready = httpx.get(f"{daemon.metrics_url}/readyz", timeout=30)
        assert unready.status_code == 503
        assert "[-] store" in unready.text
        assert daemon.metric("qpu_up", qpu_id="EMU") == 1
    after = daemon.submit(token, sequence_text, 305)
    assert [daemon.finished(number)["status"] for number in (*before, after)] == ["DONE"] * 4
    assert sorted(qpu.shots()) == [301, 302, 303, 305]
    assert httpx.get(f"{daemon.metrics_url}/readyz").status_code == 200


def test_submissions_under_an_eight_second_lock_either_run_or_were_refused(
    daemon: Any, qpu: Any, sequence_text: str, wait_until: Any
) -> None:
    qpu.shot_rate = 1e5
    token = daemon.acquire()
    accepted: dict[int, int] = {}
    refused: list[int] = []
    waiting = threading.Event()

    def submit(shots: int) -> None:
        for count in range(shots, shots + 40, 8):
            reply = daemon.client.post("/jobs", **daemon.submission(token, sequence_text, count))
            if reply.is_success:
                accepted[int(reply.json()["id"])] = count
            else:
                assert reply.status_code == 503, reply.text
                assert reply.headers["retry-after"]
                refused.append(count)

    threads = [threading.Thread(target=submit, args=(first,)) for first in range(1, 9)]
    with exclusive_lock(daemon.store):
        for thread in threads:
            thread.start()
        waiting.wait(8)
    for thread in threads:
        thread.join(60)
    for number in accepted:
        assert daemon.finished(number)["status"] == "DONE"
    assert sorted(qpu.shots()) == sorted(accepted.values())
    assert len(accepted) + len(refused) == 40


def test_an_orderly_stop_does_not_wait_for_a_locked_store(
    daemon: Any, qpu: Any, sequence_text: str, wait_until: Any
) -> None:
    number = daemon.submit(daemon.acquire(), sequence_text, 301)
    wait_until(lambda: qpu.busy)
    with exclusive_lock(daemon.store):
        wait_until(lambda: not qpu.busy)
        assert daemon.stop() == 0
    daemon.start()
    assert daemon.finished(number)["status"] == "DONE"
    assert qpu.shots() == [301]


def test_readiness_does_not_depend_on_a_qpu_that_is_down(
    run_daemon: Any, device_at: Any, free_port: Any
) -> None:
    unreachable = f"http://127.0.0.1:{free_port()}"
    with run_daemon(online=False, devices=[device_at(unreachable)]) as daemon:
        ready = httpx.get(f"{daemon.metrics_url}/readyz")
        assert ready.status_code == 200
        assert "device EMU: " in ready.text
        assert "[+] store" in ready.text
        assert "[+] dispatcher" in ready.text
        assert httpx.get(f"{daemon.metrics_url}/livez").text == "ok\n"
        assert daemon.client.get("/qpu/specs").status_code == 503


def test_the_specs_of_a_device_are_read_again_when_it_comes_back(
    run_daemon: Any, run_device: Any, device_at: Any, sequence_text: str, wait_until: Any
) -> None:
    with run_device() as qpu, run_daemon(devices=[device_at(qpu.url)]) as daemon:
        assert daemon.finished(daemon.submit(daemon.acquire(), sequence_text, 10))["status"] == "DONE"
        qpu.specs = {**qpu.specs, "max_runs": 50}
        qpu.word = "CALIBRATING"
        daemon.until_online(online=False)
        qpu.word = "UP"
        daemon.until_online()
        wait_until(lambda: '"max_runs": 50' in daemon.ok("GET", "/qpu/specs")["specs"])
        refused = daemon.refused(422, "POST", "/jobs", **daemon.submission(daemon.acquire(), sequence_text, 51))
        assert "between 1 and 50" in refused
