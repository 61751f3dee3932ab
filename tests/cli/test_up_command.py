"""``qwatch up``: everything on one machine, and nothing left of it afterwards."""

from __future__ import annotations

import getpass
import os
import re
import signal
from typing import Any

import httpx


def test_the_first_job_is_done_and_it_stops_by_itself_with_exit_code_0(qwatch_up: Any, wait_until: Any) -> None:
    run = qwatch_up("--for", "30")
    wait_until(lambda: run.first_done, "no job became DONE", 60)
    run.remember_processes()
    assert run.process.wait(60) == 0, run.output
    assert run.orphans() == []
    done = re.search(r"stopped\..*?(\d+) done", run.output)
    assert done is not None
    assert int(done[1]) >= 1
    for part in ("job API", "metrics", "health", "emulated QPU", "traces", "logs"):
        assert part in run.output


def test_without_a_job_that_became_done_it_exits_1(qwatch_up: Any) -> None:
    run = qwatch_up("--no-demo", "--for", "1")
    assert run.process.wait(60) == 1
    assert "no job became DONE" in run.output
    assert "Traceback" not in run.output


def test_ctrl_c_stops_every_process(qwatch_up: Any, wait_until: Any) -> None:
    run = qwatch_up()
    wait_until(lambda: run.first_done, "no job became DONE", 60)
    assert run.remember_processes() >= 3
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(30) == 0, run.output
    assert run.orphans() == []


def test_ctrl_c_before_it_is_ready_leaves_nothing(qwatch_up: Any, wait_until: Any) -> None:
    run = qwatch_up("--no-demo")
    wait_until(lambda: run.remember_processes() >= 2)
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(30) == 0, run.output
    wait_until(lambda: run.orphans() == [])


def test_a_killed_up_takes_its_processes_along(qwatch_up: Any, wait_until: Any) -> None:
    run = qwatch_up()
    wait_until(lambda: run.first_done, "no job became DONE", 60)
    run.remember_processes()
    run.process.kill()
    run.process.wait()
    wait_until(lambda: run.orphans() == [], "processes were left over", 30)


def test_a_second_run_on_the_same_data_goes_on_from_there(
    qwatch_up: Any, wait_until: Any, tmp_path: Any, sequence_text: str
) -> None:
    data = ("--data-dir", str(tmp_path / "data"), "--auth", "local")

    def client(run: Any) -> httpx.Client:
        token = (tmp_path / "data" / "token").read_text().strip()
        return httpx.Client(base_url=run.url, headers={"authorization": f"Bearer {token}"}, timeout=30)

    # 20 shots a second: 100 shots do not end before the first run does.
    first = qwatch_up("--no-demo", "--shot-rate", "20", *data)
    wait_until(lambda: first.ready, seconds=60)
    with client(first) as daemon:
        session = daemon.post("/sessions", json={"user_id": str(os.getuid())}).json()["id"]
        numbers = [
            daemon.post(
                "/jobs",
                json={"sequence": sequence_text, "shots": 100},
                headers={"x-warden-session": session},
            ).json()["id"]
            for _ in range(3)
        ]
    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(30) == 0, first.output

    second = qwatch_up("--no-demo", "--shot-rate", "2000", *data)
    wait_until(lambda: second.ready, seconds=60)
    with client(second) as daemon:

        def states() -> list[str]:
            return [daemon.get(f"/jobs/{number}").json()["status"] for number in numbers]

        wait_until(lambda: states() == ["DONE"] * 3, "the jobs of the first run are not done", 60)


def test_two_ups_on_one_folder_are_refused_in_one_line(qwatch_up: Any, wait_until: Any, tmp_path: Any) -> None:
    first = qwatch_up("--no-demo", "--data-dir", str(tmp_path))
    wait_until(lambda: first.ready, seconds=60)
    second = qwatch_up("--no-demo", "--data-dir", str(tmp_path))
    assert second.process.wait(30) == 1
    assert "another 'qwatch up' runs on it" in second.output
    assert "Traceback" not in second.output


def test_a_taken_port_is_told_with_its_owner_and_another_is_used(
    qwatch_up: Any, wait_until: Any, free_port: Any, taken_port: int
) -> None:
    run = qwatch_up("--no-demo", ports=[free_port(), taken_port, free_port()])
    wait_until(lambda: run.ready, seconds=60)
    assert f"port {taken_port} for the job API is taken by" in run.output
    assert f"(pid {os.getpid()}, user {getpass.getuser()})" in run.output
    assert run.url is not None
    assert f":{taken_port}" not in run.url
    assert httpx.get(f"{run.url}/accessible").json()["is_accessible"]


def test_two_run_at_the_same_time_although_they_want_the_same_ports(
    qwatch_up: Any, wait_until: Any, free_port: Any
) -> None:
    ports = [free_port() for _ in range(3)]
    runs = [qwatch_up(ports=ports)]
    wait_until(lambda: runs[0].ready, seconds=60)
    runs.append(qwatch_up(ports=ports))
    for run in runs:
        wait_until(lambda run=run: run.first_done, "no job became DONE", 90)
    assert runs[0].url != runs[1].url
