"""kill -9 of the daemon: nothing acknowledged is lost, nothing runs twice without being known as such."""

from __future__ import annotations

import signal
import threading
from typing import Any

import httpx
import pytest


def double_runs(daemon: Any, number: int) -> bool:
    return bool(daemon.job(number)["possible_double"])


def test_one_running_and_five_queued_jobs_survive_a_kill_and_run_once(
    run_daemon: Any, run_emulator: Any, device_at: Any, sequence_text: str, wait_until: Any
) -> None:
    shots = [1500, 201, 202, 203, 204, 205]
    with run_emulator(shot_rate=1000) as qpu, run_daemon(devices=[device_at(qpu.url)]) as daemon:
        token = daemon.acquire()
        numbers = [daemon.submit(token, sequence_text, count) for count in shots]
        daemon.until(numbers[0], "RUNNING")
        wait_until(qpu.executions)
        daemon.kill()
        daemon.start()
        jobs = [daemon.finished(number) for number in numbers]
        assert [job["status"] for job in jobs] == ["DONE"] * 6
        assert [job["shots_executed"] for job in jobs] == shots
        assert all(job["results"] for job in jobs)
        assert not any(job["possible_double"] for job in jobs)
        assert qpu.shots() == shots
        assert [execution["status"] for execution in qpu.executions("end")] == ["DONE"] * 6
        # The session outlives the daemon too: the user goes on with the token it holds.
        assert daemon.finished(daemon.submit(token, sequence_text, 206))["status"] == "DONE"


def test_a_job_that_ends_while_the_daemon_is_dead_is_fetched_not_run_again(
    run_daemon: Any, run_device: Any, device_at: Any, sequence_text: str, wait_until: Any
) -> None:
    with run_device() as qpu, run_daemon(devices=[device_at(qpu.url)]) as daemon:
        number = daemon.submit(daemon.acquire(), sequence_text, 400)
        wait_until(lambda: qpu.busy)
        daemon.until(number, "RUNNING")
        daemon.kill()
        wait_until(lambda: not qpu.busy)
        daemon.start()
        job = daemon.finished(number)
        assert (job["status"], job["possible_double"]) == ("DONE", False)
        assert qpu.shots() == [400]


@pytest.mark.parametrize("crash", ["kill", "stop"])
def test_a_job_whose_uid_was_never_stored_is_found_by_walking_the_uids(
    run_daemon: Any, run_device: Any, device_at: Any, sequence_text: str, wait_until: Any, crash: str
) -> None:
    """The daemon dies between the POST and its reply; ``stop`` is an orderly end at that moment."""
    with run_device() as qpu, run_daemon(devices=[device_at(qpu.url)]) as daemon:
        token = daemon.acquire()
        daemon.finished(daemon.submit(token, sequence_text, 101))
        qpu.hold_replies = threading.Event()
        numbers = [daemon.submit(token, sequence_text, shots) for shots in (502, 103)]
        wait_until(lambda: qpu.shots() == [101, 502])
        if crash == "kill":
            daemon.kill()
        else:
            assert daemon.stop() == 0
        qpu.hold_replies.set()
        qpu.hold_replies = None
        daemon.start()
        jobs = [daemon.finished(number) for number in numbers]
        assert [(job["status"], job["possible_double"]) for job in jobs] == [("DONE", False)] * 2
        assert qpu.shots() == [101, 502, 103]


def test_a_restarted_qpu_that_counts_anew_is_searched_from_its_beginning(
    run_daemon: Any, run_device: Any, device_at: Any, sequence_text: str, wait_until: Any
) -> None:
    """The lost job has the same uid as the last one known: the search must not begin after it."""
    with run_device() as qpu, run_daemon(devices=[device_at(qpu.url)]) as daemon:
        token = daemon.acquire()
        daemon.finished(daemon.submit(token, sequence_text, 101))
        qpu.forget()
        qpu.hold_replies = threading.Event()
        number = daemon.submit(token, sequence_text, 502)
        wait_until(lambda: qpu.shots() == [101, 502])
        daemon.kill()
        qpu.hold_replies.set()
        qpu.hold_replies = None
        daemon.start()
        job = daemon.finished(number)
        assert (job["status"], job["possible_double"]) == ("DONE", False)
        assert qpu.shots() == [101, 502]


def test_what_cannot_be_searched_runs_again_and_is_marked(
    run_daemon: Any, run_device: Any, device_at: Any, sequence_text: str, wait_until: Any
) -> None:
    """No uid is known to search from, and the QPU has restarted since: nobody can tell whether it ran."""
    with run_device() as qpu, run_daemon(devices=[device_at(qpu.url)]) as daemon:
        qpu.hold_replies = threading.Event()
        number = daemon.submit(daemon.acquire(), sequence_text, 301)
        wait_until(lambda: qpu.shots() == [301])
        daemon.kill()
        qpu.hold_replies.set()
        qpu.hold_replies = None
        qpu.forget()
        daemon.start()
        job = daemon.finished(number)
        assert (job["status"], job["possible_double"]) == ("DONE", True)
        assert "may have run" in daemon.logs(number)
        assert qpu.shots() == [301, 301]


def test_a_qpu_that_forgot_a_running_job_runs_it_again_marked_and_the_queue_goes_on(
    run_daemon: Any, run_device: Any, device_at: Any, sequence_text: str, wait_until: Any
) -> None:
    with run_device() as qpu, run_daemon(devices=[device_at(qpu.url)]) as daemon:
        token = daemon.acquire()
        numbers = [daemon.submit(token, sequence_text, shots) for shots in (1001, 102)]
        wait_until(lambda: qpu.busy)
        qpu.forget()
        jobs = [daemon.finished(number) for number in numbers]
        assert [(job["status"], job["possible_double"]) for job in jobs] == [("DONE", True), ("DONE", False)]
        assert qpu.shots() == [1001, 1001, 102]
        assert "forgot" in daemon.logs(numbers[0])


def test_a_restarted_emulated_qpu_and_a_killed_daemon_at_once(
    run_daemon: Any, run_emulator: Any, device_at: Any, sequence_text: str, wait_until: Any
) -> None:
    with run_emulator(shot_rate=1000) as qpu, run_daemon(devices=[device_at(qpu.url)]) as daemon:
        token = daemon.acquire()
        numbers = [daemon.submit(token, sequence_text, shots) for shots in (1901, 102, 103)]
        wait_until(qpu.executions)
        daemon.until(numbers[0], "RUNNING")
        daemon.kill()
        qpu.kill()
        qpu.start()
        daemon.start()
        jobs = [daemon.finished(number) for number in numbers]
        assert [job["status"] for job in jobs] == ["DONE"] * 3
        assert [job["possible_double"] for job in jobs] == [True, False, False]
        assert qpu.shots() == [1901, 1901, 102, 103]


def test_an_orderly_stop_leaves_the_running_job_on_the_qpu_and_goes_on_with_it(
    run_daemon: Any, run_device: Any, device_at: Any, sequence_text: str, wait_until: Any
) -> None:
    with run_device() as qpu, run_daemon(devices=[device_at(qpu.url)]) as daemon:
        token = daemon.acquire()
        numbers = [daemon.submit(token, sequence_text, shots) for shots in (801, 102)]
        daemon.until(numbers[0], "RUNNING")
        wait_until(lambda: qpu.busy)
        assert daemon.stop() == 0
        daemon.start()
        assert [daemon.finished(number)["status"] for number in numbers] == ["DONE"] * 2
        assert qpu.shots() == [801, 102]


def test_seconds_of_the_time_partition_never_fall_over_a_kill(
    run_daemon: Any, run_device: Any, device_at: Any, sequence_text: str
) -> None:
    """A counter that falls looks like a reset to Prometheus, which would then count everything again."""
    with run_device() as qpu, run_daemon(devices=[device_at(qpu.url)]) as daemon:

        def seconds() -> dict[str, float]:
            activities = ("execute", "dispatch", "idle", "fault", "unknown")
            return {name: daemon.metric("qpu_time_seconds_total", activity=name) for name in activities}

        daemon.finished(daemon.submit(daemon.acquire(), sequence_text, 700))
        before = seconds()
        assert before["execute"] > 0.5
        daemon.kill()
        daemon.start(online=False)
        after = seconds()
        for activity, value in before.items():
            assert after[activity] >= value, activity


def test_a_daemon_that_is_killed_under_submissions_keeps_every_acknowledged_job(
    run_daemon: Any, run_device: Any, device_at: Any, sequence_text: str, wait_until: Any
) -> None:
    acknowledged: dict[int, int] = {}
    with run_device(shot_rate=1e5) as qpu, run_daemon(devices=[device_at(qpu.url)]) as daemon:
        token = daemon.acquire()

        def submit() -> None:
            for shots in range(1, 2000):
                try:
                    acknowledged[daemon.submit(token, sequence_text, shots)] = shots
                except httpx.HTTPError:
                    return

        thread = threading.Thread(target=submit)
        thread.start()
        wait_until(lambda: len(acknowledged) > 50)
        daemon.send(signal.SIGKILL)
        thread.join()
        daemon.wait()
        daemon.start()
        for number, shots in acknowledged.items():
            job = daemon.finished(number)
            assert (job["status"], job["shots_executed"]) == ("DONE", shots)
        ran = qpu.shots()
        doubled = {
            job["shots"] for job in (daemon.job(number) for number in acknowledged) if job["possible_double"]
        }
        assert {shots for shots in ran if ran.count(shots) > 1} <= doubled
