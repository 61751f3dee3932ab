"""What the API offers beyond one job: classes, accounts, devices, pages, cancelling, closing a device."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module")
def qpus(run_device: Any) -> Iterator[list[Any]]:
    with run_device() as first, run_device() as second:
        yield [first, second]


@pytest.fixture(scope="module")
def stand(
    run_daemon: Any, qpus: list[Any], device_at: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    accounts = tmp_path_factory.mktemp("site") / "accounts"
    accounts.write_text(f"# uid account\n\n{os.getuid()} chemistry  # ours\n4711 physics\n")
    devices = [device_at(qpus[0].url, "EMU"), device_at(qpus[1].url, "SECOND", default=True)]
    api = {"accounts_file": str(accounts), "default_job_class": "test"}
    with run_daemon(devices=devices, api=api) as daemon:
        yield daemon


@pytest.fixture
def daemon(stand: Any, qpus: list[Any]) -> Iterator[Any]:
    """The daemon with open devices and nothing queued, whatever a test left behind."""
    for qpu in qpus:
        qpu.executions.clear()
    yield stand
    for device in ("EMU", "SECOND"):
        stand.ok("POST", f"/devices/{device}/accessible", json={"is_accessible": True})
    for job in stand.ok("GET", "/jobs?limit=1000")["jobs"]:
        if job["status"] in ("PENDING", "RUNNING"):
            stand.client.post(f"/jobs/{job['id']}/cancel")
            stand.finished(job["id"])


def test_the_root_paths_mean_the_default_device(daemon: Any, qpus: list[Any], sequence_text: str) -> None:
    job = daemon.finished(daemon.submit(daemon.acquire(), sequence_text, 11))
    assert job["device"] == "SECOND"
    assert [qpu.shots() for qpu in qpus] == [[], [11]]
    assert daemon.ok("GET", "/")["devices"] == ["EMU", "SECOND"]


def test_each_device_has_a_base_url_a_queue_and_sessions_of_its_own(
    daemon: Any, qpus: list[Any], sequence_text: str, wait_until: Any
) -> None:
    first, second = daemon.acquire("/devices/EMU"), daemon.acquire("/devices/SECOND")
    slow = daemon.submit(first, sequence_text, 1900, base="/devices/EMU")
    fast = daemon.submit(second, sequence_text, 12, base="/devices/SECOND")
    assert daemon.finished(fast)["status"] == "DONE"
    assert daemon.job(slow)["status"] in ("PENDING", "RUNNING")
    told = daemon.refused(403, "POST", "/devices/SECOND/jobs", **daemon.submission(first, sequence_text, 1))
    assert "EMU" in told
    wait_until(lambda: daemon.ok("GET", "/devices/EMU/status")["running_job"] == slow)
    assert daemon.ok("GET", "/devices/EMU/qpu-slots") == {"total": 1, "used": 1, "available": 0}
    assert daemon.ok("GET", "/devices/SECOND/qpu-slots") == {"total": 1, "used": 0, "available": 1}
    assert [job["id"] for job in daemon.ok("GET", "/devices/EMU/jobs?limit=1")["jobs"]] == [slow]
    assert daemon.ok("GET", "/jobs?limit=1")["jobs"][0]["id"] == fast


@pytest.mark.parametrize("job_class", ["production", "test", "development", "qa"])
def test_the_base_url_carries_the_job_class(daemon: Any, sequence_text: str, job_class: str) -> None:
    base = f"/devices/EMU/classes/{job_class}"
    counted = {"qpu_id": "EMU", "job_class": job_class}
    before = daemon.metric("qpu_jobs_submitted_total", **counted)
    token = daemon.acquire(base)
    job = daemon.finished(daemon.submit(token, sequence_text, 10, base=base))
    assert job["job_class"] == job_class
    assert daemon.metric("qpu_jobs_submitted_total", **counted) == before + 1
    assert daemon.ok("DELETE", f"{base}/sessions/{token}") == {"id": token}


def test_a_job_without_a_class_gets_the_configured_one_and_the_users_account(
    daemon: Any, sequence_text: str
) -> None:
    job = daemon.finished(daemon.submit(daemon.acquire(), sequence_text, 10))
    assert (job["job_class"], job["account"]) == ("test", "chemistry")


def test_own_jobs_come_newest_first_in_pages(daemon: Any, sequence_text: str) -> None:
    token = daemon.acquire()
    numbers = [daemon.submit(token, sequence_text, 1) for _ in range(7)]
    found: list[int] = []
    before = ""
    for _ in range(4):
        page = daemon.ok("GET", f"/jobs?limit=2{before}")
        found += [job["id"] for job in page["jobs"]]
        before = f"&before={page['next_before']}"
    assert found[:7] == numbers[::-1]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == len(found)
    everything = daemon.ok("GET", "/jobs?limit=1000")
    assert everything["next_before"] is None


def test_a_waiting_job_is_cancelled_at_once(
    daemon: Any, qpus: list[Any], sequence_text: str, wait_until: Any
) -> None:
    token = daemon.acquire()
    running, waiting = (daemon.submit(token, sequence_text, shots) for shots in (1900, 1901))
    wait_until(lambda: qpus[1].busy)
    canceled = daemon.ok("POST", f"/jobs/{waiting}/cancel")
    assert (canceled["status"], canceled["reason"], canceled["started_at"]) == ("CANCELED", "user", None)
    assert "CANCELED by user while it waited" in daemon.logs(waiting)
    assert "CANCELED" in daemon.refused(409, "POST", f"/jobs/{waiting}/cancel")
    daemon.ok("POST", f"/jobs/{running}/cancel")
    assert daemon.finished(running)["status"] == "CANCELED"
    assert qpus[1].shots() == [1900]


def test_a_running_job_is_cancelled_on_the_device_and_the_next_one_runs(
    daemon: Any, qpus: list[Any], sequence_text: str, wait_until: Any
) -> None:
    token = daemon.acquire()
    running, following = (daemon.submit(token, sequence_text, shots) for shots in (1900, 13))
    wait_until(lambda: qpus[1].busy)
    daemon.ok("POST", f"/jobs/{running}/cancel")
    job = daemon.finished(running)
    assert (job["status"], job["reason"], job["shots_executed"]) == ("CANCELED", "user", 0)
    assert job["results"] is None
    assert daemon.finished(following)["status"] == "DONE"
    assert [execution["status"] for execution in qpus[1].executions] == ["CANCELED", "DONE"]


def test_a_finished_job_is_not_cancelled(daemon: Any, sequence_text: str) -> None:
    number = daemon.submit(daemon.acquire(), sequence_text, 10)
    daemon.finished(number)
    assert "DONE" in daemon.refused(409, "POST", f"/jobs/{number}/cancel")
    assert daemon.job(number)["status"] == "DONE"


def test_a_closed_device_takes_nothing_new_holds_what_waits_and_goes_on_when_opened(
    daemon: Any, qpus: list[Any], sequence_text: str, wait_until: Any
) -> None:
    token = daemon.acquire()
    numbers = [daemon.submit(token, sequence_text, shots) for shots in (601, 12, 13)]
    wait_until(lambda: qpus[1].busy)
    closed = {"is_accessible": False, "message": "laser service until noon"}
    assert closed.items() <= daemon.ok("POST", "/accessible", json=closed).items()
    assert closed.items() <= daemon.ok("GET", "/accessible", auth=None).items()
    for path, order in (
        ("/sessions", {"json": {"user_id": str(os.getuid())}}),
        ("/jobs", daemon.submission(token, sequence_text, 14)),
    ):
        refused = daemon.client.post(path, **order)
        assert refused.status_code == 503
        assert refused.json()["detail"] == "laser service until noon"
        assert int(refused.headers["retry-after"]) > 0
    # What runs may finish; what waits is held, and the device's time says so.
    assert daemon.finished(numbers[0])["status"] == "DONE"
    wait_until(lambda: daemon.metric("qpu_activity", qpu_id="SECOND", activity="held") == 1)
    assert [daemon.job(number)["status"] for number in numbers[1:]] == ["PENDING", "PENDING"]
    assert daemon.metric("qpu_state", qpu_id="SECOND", state="paused") == 1
    assert daemon.metric("qpu_state", qpu_id="EMU", state="online") == 1
    # Users may still look, cancel and let go.
    daemon.ok("POST", f"/jobs/{numbers[2]}/cancel")
    daemon.ok("POST", "/accessible", json={"is_accessible": True})
    assert daemon.finished(numbers[1])["status"] == "DONE"
    assert qpus[1].shots() == [601, 12]
    opened = {"is_accessible": True, "message": "SECOND is online"}
    assert opened.items() <= daemon.ok("GET", "/accessible", auth=None).items()


def test_a_device_stays_closed_over_a_restart(
    run_daemon: Any, qpus: list[Any], device_at: Any, sequence_text: str
) -> None:
    with run_daemon(devices=[device_at(qpus[0].url)]) as daemon:
        token = daemon.acquire()
        daemon.ok("POST", "/accessible", json={"is_accessible": False, "message": "closed"})
        daemon.kill()
        daemon.start(online=False)
        closed = {"is_accessible": False, "message": "closed"}
        assert closed.items() <= daemon.ok("GET", "/accessible", auth=None).items()
        daemon.refused(503, "POST", "/jobs", **daemon.submission(token, sequence_text, 14))
        daemon.ok("POST", "/accessible", json={"is_accessible": True})
        assert daemon.finished(daemon.submit(token, sequence_text, 10))["status"] == "DONE"


def test_a_session_ends_once_and_its_jobs_go_on(daemon: Any, sequence_text: str) -> None:
    token = daemon.acquire()
    number = daemon.submit(token, sequence_text, 10)
    before = daemon.metric("qpu_sessions_total", qpu_id="SECOND", outcome="released")
    assert daemon.ok("DELETE", f"/sessions/{token}") == {"id": token}
    assert daemon.ok("DELETE", f"/sessions/{token}") == {"id": token}
    assert daemon.metric("qpu_sessions_total", qpu_id="SECOND", outcome="released") == before + 1
    assert daemon.finished(number)["status"] == "DONE"
    assert "released" in daemon.refused(403, "POST", "/jobs", **daemon.submission(token, sequence_text, 10))


def test_the_public_path_is_limited_by_address(run_daemon: Any, qpus: list[Any], device_at: Any) -> None:
    with run_daemon(devices=[device_at(qpus[0].url)], api={"accessible_per_second": 1}, online=False) as daemon:
        answers = [daemon.client.get("/accessible", auth=None) for _ in range(10)]
        codes = [answer.status_code for answer in answers]
        assert set(codes) == {200, 429}
        assert answers[codes.index(429)].headers["retry-after"] == "1"
        assert daemon.client.get("/", auth=None).status_code == 200


def test_the_specs_are_the_devices_own(daemon: Any, qpus: list[Any]) -> None:
    import json

    specs = json.loads(daemon.ok("GET", "/devices/EMU/qpu/specs")["specs"])
    assert specs == qpus[0].specs
