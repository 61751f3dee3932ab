"""The emulated QPU as a process: start, signals, crashes, and what runs beside it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from qwatch.emulator.execution import execute
from qwatch.emulator.serve import serve
from qwatch.emulator.settings import EmulatorSettings
from qwatch.emulator.simulator import SimulationError, SimulationOrder, Simulator

SEQUENCE_OF = Callable[..., str]
DEADLINE = 30.0
PROGRAM = """
import logging, sys
from qwatch.emulator.serve import serve
from qwatch.emulator.settings import EmulatorSettings
logging.basicConfig(level=logging.INFO, stream=sys.stderr)
serve(EmulatorSettings.model_validate_json(sys.argv[1]))
"""


def wait_for(what: Callable[[], Any]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def gone(process: psutil.Process) -> bool:
    """A dead orphan may stay a zombie where nobody reaps: it holds nothing any more."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


class Server:
    """An emulated QPU in a process of its own."""

    def __init__(self, machine_class: Any, **settings: Any) -> None:
        port = free_port()
        settings = {"port": port, "shot_rate": 1e9, "overhead": 0, **settings}
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps(settings)], stderr=subprocess.PIPE, text=True
        )
        self.machine = machine_class(f"http://127.0.0.1:{port}")
        wait_for(self._answers)
        self.simulation = psutil.Process(self.machine.description()["simulation_process"])

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.process.communicate()[1]
        try:
            return bool(self.machine.data("GET", "/system/operational"))
        except httpx.ConnectError:
            return False

    def ended(self) -> tuple[int, str]:
        log = self.process.communicate(timeout=DEADLINE)[1]
        return self.process.returncode, log


@pytest.fixture
def start_server(shared_machine: Any) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(**settings: Any) -> Server:
        servers.append(Server(type(shared_machine), **settings))
        return servers[-1]

    yield start
    for server in servers:
        server.machine.client.close()
        if server.process.poll() is None:
            server.process.kill()
        server.process.communicate()


def test_an_interrupt_ends_the_server_in_order_and_its_simulation_process(
    start_server: Callable[..., Server],
) -> None:
    server = start_server()
    server.process.send_signal(signal.SIGINT)
    status, log = server.ended()
    assert status == 0
    assert "has stopped" in log
    assert "Traceback" not in log
    assert not server.simulation.is_running()


def test_a_termination_during_a_simulation_ends_both(
    start_server: Callable[..., Server], sequence_of: SEQUENCE_OF
) -> None:
    server = start_server()
    long = sequence_of(14, spacing=5.0, duration=4000, amplitude=6.0)
    server.machine.until(server.machine.post(long, 10)["uid"], "RUNNING")
    children = psutil.Process(server.process.pid).children(recursive=True)
    server.process.terminate()
    status, log = server.ended()
    assert (status, "Traceback" in log) == (0, False)
    assert not any(child.is_running() for child in children)


def test_a_late_reply_does_not_hold_the_shutdown(start_server: Callable[..., Server]) -> None:
    server = start_server()
    server.machine.set_faults(response_delay=600.0)
    with pytest.raises(httpx.ReadTimeout):
        server.machine.request("GET", "/system", timeout=0.2)
    server.process.terminate()
    status, log = server.ended()
    assert (status, "Traceback" in log) == (0, False)


def test_kill_9_of_the_server_leaves_no_simulation_process(
    start_server: Callable[..., Server], sequence_of: SEQUENCE_OF
) -> None:
    # Simulating this noise takes minutes: only the server's death can end it within the deadline.
    server = start_server(noise={"amplitude_sigma": 0.1, "trajectories": 1000})
    long = sequence_of(14, spacing=5.0, duration=4000, amplitude=6.0)
    server.machine.until(server.machine.post(long, 2000)["uid"], "RUNNING")
    children = psutil.Process(server.process.pid).children(recursive=True)
    assert server.simulation in children
    server.process.kill()
    server.ended()
    wait_for(lambda: all(gone(child) for child in children))


def test_a_restarted_machine_has_forgotten_its_jobs_and_the_log_has_not(
    start_server: Callable[..., Server], sequence_of: SEQUENCE_OF, tmp_path: Path
) -> None:
    path = tmp_path / "executions.jsonl"
    first = start_server(executions_log=str(path))
    context = {"batch_id": "b", "pasqman_job_id": "9"}
    uid = first.machine.finished(first.machine.post(sequence_of(), 20, context)["uid"])["uid"]
    first.machine.set_faults(slowdown=1e9)
    running = first.machine.post(sequence_of(), 1000)["uid"]
    first.machine.until(running, "RUNNING")
    first.process.kill()
    first.ended()
    wait_for(lambda: gone(first.simulation))
    second = start_server(executions_log=str(path), first_uid=100)
    second.machine.refusal("GET", f"/jobs/{uid}", 400)
    assert second.machine.finished(second.machine.post(sequence_of(), 5)["uid"])["uid"] == 100
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["event"], line["uid"], line["status"]) for line in lines] == [
        ("start", uid, "RUNNING"),
        ("end", uid, "DONE"),
        ("start", running, "RUNNING"),
        ("start", 100, "RUNNING"),
        ("end", 100, "DONE"),
    ]
    assert (lines[0]["shots"], lines[0]["context"]) == (20, context)
    assert lines[1]["started"] <= lines[1]["ended"]
    assert lines[0]["server_pid"] != lines[3]["server_pid"]


def test_a_taken_port_is_an_error_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        serve(EmulatorSettings(port=taken.getsockname()[1]))


@pytest.mark.parametrize("executable", ["/bin/false", "/nonexistent"])
def test_a_simulation_process_that_does_not_start_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, executable: str
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    with pytest.raises(SimulationError, match="does not start"):
        serve(EmulatorSettings(port=0))


def test_a_simulation_process_that_dies_costs_one_job_and_is_replaced(
    machine: Any, sequence_of: SEQUENCE_OF
) -> None:
    long = machine.post(sequence_of(14, spacing=5.0, duration=4000, amplitude=6.0), 10)["uid"]
    machine.until(long, "RUNNING")
    os.kill(machine.description()["simulation_process"], signal.SIGKILL)
    failed = machine.finished(long)
    assert (failed["status"], failed["result"]) == ("ERROR", None)
    assert "simulation process died" in failed["error"]
    assert machine.finished(machine.post(sequence_of(), 10)["uid"])["status"] == "DONE"


def test_a_simulation_that_fails_tells_why_and_the_process_lives_on(sequence_of: SEQUENCE_OF) -> None:
    def order(sequence: str) -> SimulationOrder:
        return SimulationOrder(sequence, 50, noise={}, amplitude_scale=1.0, detuning_offset=0.0, seed=8)

    async def fail_then_work() -> dict[str, int]:
        simulator = Simulator()
        try:
            with pytest.raises(SimulationError, match="not JSON"):
                await simulator.simulate(order("nonsense"))
            pid = simulator.pid
            counts = await simulator.simulate(order(sequence_of(2)))
            assert simulator.pid == pid
            return counts
        finally:
            await simulator.stop()
            assert simulator.pid is None

    # The worker and a user's process share one implementation: same seed, same counts.
    assert asyncio.run(fail_then_work()) == execute(sequence_of(2), 50, seed=8)


def test_settings_that_make_no_sense_are_refused() -> None:
    for bad in (
        {"shot_rate": 0},
        {"overhead": -1},
        {"port": 70_000},
        {"noise": {"readout_false_positive": 1.5}},
        {"faults": {"unknown": 1}},
        {"timezone": "Mars/Olympus"},
        {"typo": 1},
    ):
        with pytest.raises(ValueError):
            EmulatorSettings.model_validate(bad)
