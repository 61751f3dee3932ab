"""What the API tells users of their usage and their sessions, at a real daemon, and not of anybody else's."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from qwatch.scheduler.sessions import token_sha256

NOBODY = 65534
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="another user's credential: run the tests as root")
KEYS = ("device", "class", "session", "day", "sdk", "slurm-job")


@pytest.fixture(scope="module")
def daemon(munged: None, run_daemon: Any, run_device: Any, device_at: Any) -> Iterator[Any]:
    """A daemon with two devices; this user administers, and is not the only one."""
    api = {"auth": "munge", "admin_users": [os.getuid()], "user_sessions": True}
    with run_device() as qpu, run_device() as other:
        devices = [device_at(qpu.url), device_at(other.url, "OTHER")]
        with run_daemon(devices=devices, api=api) as found:
            yield found


@pytest.fixture(scope="module")
def nobody() -> Any:
    """Return a function that gives the options of a request of the user nobody."""

    def options() -> dict[str, Any]:
        made = subprocess.run(
            ["munge", "-n"], user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, check=True
        )
        return {"auth": None, "headers": {"x-munge-cred": made.stdout.decode().strip()}}

    return options


@pytest.fixture(scope="module")
def work(daemon: Any, sequence_text: str) -> dict[str, Any]:
    """Two sessions of one Slurm job, one of them ended, and one of another on another device."""
    first, second = daemon.acquire(slurm_job="4711"), daemon.acquire(slurm_job="4711")
    third = daemon.acquire("/devices/OTHER", slurm_job="4712")
    numbers = [daemon.submit(first, sequence_text, shots) for shots in (110, 120)]
    numbers.append(daemon.submit(second, sequence_text, 130))
    numbers.append(daemon.submit(third, sequence_text, 140, "/devices/OTHER/classes/test"))
    for number in numbers:
        daemon.finished(number)
    daemon.ok("DELETE", f"/sessions/{first}")
    phase = {"kind": "phase", "name": "ansatz two", "value": 0.001, "at": time.time()}
    daemon.ok("POST", f"/jobs/{numbers[0]}/annotations", json={"annotations": [phase]})
    return {"tokens": (first, second, third), "jobs": numbers}


def sessions_of(daemon: Any, **asked: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = daemon.ok("GET", "/sessions", params=asked)["sessions"]
    return found


def test_usage_is_what_was_done_and_adds_up_by_any_key(daemon: Any, work: Any) -> None:
    total = daemon.ok("GET", "/usage")["total"]
    assert (total["jobs"], total["done"], total["failed"], total["pending"]) == (4, 4, 0, 0)
    assert total["shots"] == 110 + 120 + 130 + 140
    assert total["busy_seconds"] == pytest.approx(0.5, abs=0.1)
    assert total["wait_seconds"]["count"] == total["run_seconds"]["count"] == 4
    for key in KEYS:
        found = daemon.ok("GET", "/usage", params={"by": key, "timezone": "Europe/Paris"})
        for name in ("jobs", "shots", "busy_seconds"):
            assert sum(group[name] for group in found["groups"]) == pytest.approx(total[name])
    by_job = {row["key"]: row for row in daemon.ok("GET", "/usage", params={"by": "slurm-job"})["groups"]}
    assert {key: row["jobs"] for key, row in by_job.items()} == {"4711": 3, "4712": 1}
    only = daemon.ok("GET", "/usage", params={"by": "class", "device": "OTHER"})
    assert [(row["key"], row["jobs"]) for row in only["groups"]] == [("test", 1)]
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    later = daemon.ok("GET", "/usage", params={"from": tomorrow, "to": "2030-01-01T00:00:00Z"})
    assert later["total"]["jobs"] == 0


def test_jobs_that_run_and_wait_are_told_beside_it(
    run_daemon: Any, run_device: Any, device_at: Any, sequence_text: str, wait_until: Any
) -> None:
    with run_device(shot_rate=20) as qpu, run_daemon(devices=[device_at(qpu.url, shot_rate=20)]) as daemon:
        token = daemon.acquire()
        numbers = [daemon.submit(token, sequence_text, 2000) for _ in range(3)]
        daemon.until(numbers[0], "RUNNING")
        wait_until(lambda: daemon.ok("GET", "/usage")["total"]["running_seconds"] > 0)
        found = daemon.ok("GET", "/usage", params={"by": "day", "timezone": "+05:45"})
        for told in (found["total"], *found["groups"]):
            assert (told["jobs"], told["pending"], told["running"]) == (0, 2, 1)
        assert 0 < found["total"]["efficiency"] <= 1
        (session,) = sessions_of(daemon)
        assert (session["held"], session["unfinished_jobs"]) == (True, 3)
        timeline = daemon.ok("GET", f"/sessions/{session['number']}/timeline")
        assert [job["status"] for job in timeline["jobs"]] == ["RUNNING", "PENDING", "PENDING"]
        assert timeline["time"]["intervals"][-1]["part"] == "device"


def test_own_sessions_are_listed_newest_first(daemon: Any, work: Any) -> None:
    found = sessions_of(daemon)
    assert [item["number"] for item in found] == sorted((item["number"] for item in found), reverse=True)
    third, second, first = found
    assert (first["slurm_job_id"], first["outcome"], first["jobs"]) == ("4711", "released", 2)
    assert not first["held"]
    assert (second["outcome"], second["held"], second["ended_at"]) == (None, True, None)
    assert (third["device"], third["slurm_job_id"]) == ("OTHER", "4712")
    assert first["busy_seconds"] == pytest.approx(0.23, abs=0.05)
    assert 0 < first["efficiency"] <= 1
    assert [item["device"] for item in sessions_of(daemon, device="OTHER")] == ["OTHER"]
    page = daemon.ok("GET", "/sessions", params={"limit": 2})
    assert page["next_before"] == second["number"]
    assert sessions_of(daemon, before=page["next_before"]) == [first]
    # Of an earlier time, only what is held still.
    past = {"from": "2020-01-01T00:00:00Z", "to": "2020-02-01T00:00:00Z"}
    assert sessions_of(daemon, **past) == []


def test_a_slurm_job_has_its_sessions(daemon: Any, work: Any) -> None:
    assert [item["slurm_job_id"] for item in sessions_of(daemon, slurm_job="4711")] == ["4711", "4711"]
    assert sessions_of(daemon, slurm_job="999") == []


def test_a_session_is_told_with_every_interval(daemon: Any, work: Any) -> None:
    number = sessions_of(daemon)[-1]["number"]
    found = daemon.ok("GET", f"/sessions/{number}/timeline")
    assert [job["id"] for job in found["jobs"]] == work["jobs"][:2]
    (phase,) = found["phases"]
    assert (phase["name"], phase["job"]) == ("ansatz two", work["jobs"][0])
    assert length(phase) == pytest.approx(0.001)
    for time_told in (found["time"], *(job["time"] for job in found["jobs"])):
        intervals = time_told["intervals"]
        assert (intervals[0]["begin"], intervals[-1]["end"]) == (time_told["begin"], time_told["end"])
        assert all(one["end"] == following["begin"] for one, following in pairwise(intervals))
        for part, seconds in time_told["seconds"].items():
            told = sum(length(item) for item in intervals if item["part"] == part)
            assert told == pytest.approx(seconds, abs=1e-4)
    (part,) = found["jobs"][0]["slices"]
    assert (part["shots"], part["state"]) == (110, "done")
    of_job = daemon.ok("GET", f"/jobs/{work['jobs'][0]}/timeline")
    assert of_job["job"]["intervals"] == found["jobs"][0]["time"]["intervals"]
    assert (of_job["session"]["number"], of_job["slices"]) == (number, found["jobs"][0]["slices"])


def length(interval: dict[str, str]) -> float:
    begin, end = (datetime.fromisoformat(interval[key]) for key in ("begin", "end"))
    return (end - begin).total_seconds()


def test_a_token_is_neither_needed_nor_told_and_works_as_before(daemon: Any, work: Any) -> None:
    told = json.dumps(daemon.ok("GET", "/sessions")) + "".join(
        json.dumps(daemon.ok("GET", f"/sessions/{item['number']}/timeline")) for item in sessions_of(daemon)
    )
    assert "qws_" not in told
    for token in work["tokens"]:
        assert token not in told
        assert token_sha256(token) not in told
    daemon.refused(404, "GET", f"/sessions/{work['tokens'][1]}/timeline")
    assert daemon.client.get(f"/sessions/{work['tokens'][1]}").status_code == 405
    token = daemon.acquire("/devices/OTHER")
    assert daemon.ok("DELETE", f"/devices/OTHER/sessions/{token}") == {"id": token}


@needs_root
def test_nothing_of_another_user_is_told_but_to_administrators(
    daemon: Any, work: Any, nobody: Any, sequence_text: str
) -> None:
    made = daemon.ok("POST", "/sessions", **nobody(), json={"user_id": str(NOBODY), "slurm_job_id": "4711"})
    told = nobody()
    told["headers"]["x-warden-session"] = made["id"]
    daemon.ok("POST", "/jobs", **told, json={"sequence": sequence_text, "shots": 70})
    ours = {item["number"] for item in sessions_of(daemon)}
    (theirs,) = daemon.ok("GET", "/sessions", **nobody())["sessions"]
    assert theirs["number"] not in ours
    assert {item["number"] for item in sessions_of(daemon, slurm_job="4711")} <= ours
    daemon.refused(404, "GET", f"/sessions/{theirs['number']}/timeline")
    for number in ours:
        daemon.refused(404, "GET", f"/sessions/{number}/timeline", **nobody())
    for path in ("/usage", "/sessions", f"/sessions/{min(ours)}/timeline"):
        daemon.refused(403, "GET", path, **nobody(), params={"user": getpass.getuser()})
        daemon.refused(403, "GET", path, **nobody(), params={"user": "no-such-user"})
        daemon.ok("GET", path.replace(str(min(ours)), str(theirs["number"])), params={"user": "nobody"})
    usage = daemon.ok("GET", "/usage", **nobody())["total"]
    assert usage["jobs"] + usage["pending"] + usage["running"] == 1
    assert daemon.ok("GET", "/usage", params={"user": str(NOBODY)})["user"] == "nobody"
    assert daemon.ok("GET", "/usage")["total"]["shots"] == 110 + 120 + 130 + 140
    assert "no-such-user" in daemon.refused(404, "GET", "/usage", params={"user": "no-such-user"})


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ({"by": "person"}, "by"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-11-23T18:00:00"}, "from"),
        ({"from": "2026-11-02T00:00:00Z", "to": "2026-11-01T00:00:00Z"}, "before"),
        ({"from": "0001-01-01T00:00:00+14:00"}, "ten years"),
        ({"to": "9999-12-31T23:59:59-12:00", "from": "9999-01-01T00:00:00Z"}, "ten years"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"timezone": "+99:00"}, "timezone"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(daemon: Any, asked: dict[str, str], word: str) -> None:
    assert word in daemon.refused(422, "GET", "/usage", params=asked)


def test_a_device_and_a_session_that_are_not_there_are_not_found(daemon: Any) -> None:
    daemon.refused(404, "GET", "/usage", params={"device": "NOWHERE"})
    daemon.refused(404, "GET", "/sessions", params={"device": "NOWHERE"})
    for number in (0, 10**6, 2**70):
        daemon.refused(404, "GET", f"/sessions/{number}/timeline")
    for path in ("/usage", "/sessions", "/sessions/1/timeline"):
        assert daemon.client.get(path, auth=None).status_code == 401
