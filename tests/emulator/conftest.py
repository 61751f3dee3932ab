"""An emulated QPU on a free port, a client of its API, and sequences for it."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pulser
import pytest
import uvicorn
from pulser.devices import Device

from qwatch.emulator.application import create_application
from qwatch.emulator.settings import EmulatorSettings
from qwatch.emulator.specs import device_specs

DEADLINE = 30.0
FINAL = ("DONE", "ERROR", "CANCELED")


def analog_sequence(
    atoms: int = 1,
    *,
    duration: int = 200,
    amplitude: float = math.pi / 0.4,
    detuning: float = 0.0,
    spacing: float = 6.0,
    device_name: str = "EMU",
    layout: bool = False,
) -> str:
    """A square pulse in rad/µs on a chain of atoms; by default half a π pulse on one atom."""
    device = Device.from_abstract_repr(device_specs(device_name))
    register = pulser.Register({f"q{i}": (spacing * (i - atoms // 2), 0.0) for i in range(atoms)})
    if layout:
        register = register.with_automatic_layout(device)
    sequence = pulser.Sequence(register, device)
    sequence.declare_channel("global", "rydberg_global")
    sequence.add(pulser.Pulse.ConstantPulse(duration, amplitude, detuning, 0.0), "global")
    sequence.measure("ground-rydberg")
    return str(sequence.to_abstract_repr())


class Machine:
    """A client of the emulated QPU's two APIs."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=DEADLINE)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.client.request(method, f"/api/v1{path}", **options)

    def data(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        reply = self.request(method, path, **options)
        assert reply.status_code == 200, reply.text
        body: dict[str, Any] = reply.json()
        assert {key: body[key] for key in ("code", "message", "status")} == {
            "code": 200,
            "message": "OK.",
            "status": "success",
        }
        data: dict[str, Any] = body["data"]
        return data

    def refusal(self, method: str, path: str, status_code: int, **options: Any) -> dict[str, Any]:
        reply = self.request(method, path, **options)
        assert reply.status_code == status_code, reply.text
        body: dict[str, Any] = reply.json()
        assert set(body) == {"code", "message", "status", "data"}
        assert body["data"] is None
        assert body["message"]
        assert "\n" not in body["message"]
        assert "Traceback" not in reply.text
        return body

    def post(self, sequence: str, shots: int = 100, context: dict[str, Any] | None = None) -> dict[str, Any]:
        body = {"nb_run": shots, "pulser_sequence": sequence, "context": context}
        return self.data("POST", "/jobs", json=body)

    def job(self, uid: int) -> dict[str, Any]:
        return self.data("GET", f"/jobs/{uid}")

    def until(self, uid: int, *states: str) -> dict[str, Any]:
        deadline = time.monotonic() + DEADLINE
        while (job := self.job(uid))["status"] not in states:
            assert time.monotonic() < deadline, job
            time.sleep(0.01)
        return job

    def finished(self, uid: int) -> dict[str, Any]:
        return self.until(uid, *FINAL)

    def set_faults(self, **faults: Any) -> None:
        self.client.put("/emulator/faults", json=faults).raise_for_status()

    def description(self) -> dict[str, Any]:
        body: dict[str, Any] = self.client.get("/emulator").json()
        return body


@contextmanager
def served(settings: EmulatorSettings) -> Iterator[Machine]:
    """Serve an emulated QPU in a thread of this process, on a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_application(settings), lifespan="on", log_config=None))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    machine = Machine(f"http://127.0.0.1:{listener.getsockname()[1]}")
    try:
        machine.data("GET", "/system/operational")
        yield machine
    finally:
        machine.client.close()
        server.should_exit = True
        thread.join(DEADLINE)
        listener.close()
        assert not thread.is_alive()


@pytest.fixture
def sequence_of() -> Callable[..., str]:
    return analog_sequence


@pytest.fixture
def serve_machine() -> Iterator[Callable[[EmulatorSettings], Machine]]:
    with ExitStack() as stack:
        yield lambda settings: stack.enter_context(served(settings))


@pytest.fixture(scope="session")
def shared_machine() -> Iterator[Machine]:
    settings = EmulatorSettings(shot_rate=1e9, overhead=0.0, seed=20250)
    with served(settings) as machine:
        yield machine


@pytest.fixture
def machine(shared_machine: Machine) -> Iterator[Machine]:
    """A healthy machine whose jobs take only the simulation's time."""
    yield shared_machine
    shared_machine.set_faults(recalibrate=True)
