"""The emulator in the program's own process as a QRMI resource."""

from __future__ import annotations

import json
import threading
import time

import pytest
import qrmi

pulser = pytest.importorskip("pulser")

from qwatch.qrmi.in_process import InProcessEmulator  # noqa: E402
from qwatch.qrmi.instrument import instrument  # noqa: E402

FINAL = (qrmi.TaskStatus.Completed, qrmi.TaskStatus.Failed, qrmi.TaskStatus.Cancelled)


def device_of(resource):
    (target,) = json.loads(resource.target().value)
    return pulser.devices.Device.from_abstract_repr(target["specs"])


def pi_pulse(device, atoms=1, name=None):
    """A resonant pulse of area π: one atom ends excited."""
    register = pulser.Register({f"q{number}": (30.0 * number, 0.0) for number in range(atoms)})
    sequence = pulser.Sequence(register, device)
    sequence.declare_channel("global", "rydberg_global")
    sequence.add(pulser.Pulse.ConstantPulse(1000, 3.14159265, 0.0, 0.0), "global")
    sequence.measure()
    return sequence.to_abstract_repr()


@pytest.fixture
def emulator():
    return InProcessEmulator(seed=3)


@pytest.fixture
def sequence(emulator):
    return pi_pulse(device_of(emulator))


def submit(emulator, sequence, shots=50):
    return emulator.task_start(qrmi.Payload.PasqalCloud(sequence=sequence, job_runs=shots))


def wait(emulator, identifier):
    deadline = time.monotonic() + 60
    while (status := emulator.task_status(identifier)) not in FINAL:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return status


def test_a_pi_pulse_excites_the_atom(emulator, sequence):
    identifier = submit(emulator, sequence)
    assert wait(emulator, identifier) == qrmi.TaskStatus.Completed
    assert json.loads(emulator.task_result(identifier).value) == {"counter": {"1": 50}}
    assert "completed" in emulator.task_logs(identifier)


def test_pulsers_connection_runs_on_it(emulator, telemetry):
    from qrmi.pulser import PulserQRMIConnection

    resource = instrument(emulator, sdk="pulser", **telemetry.providers)
    connection = PulserQRMIConnection(resource)
    device = connection.fetch_available_devices()["emulator"]
    sequence = pulser.Sequence.from_abstract_repr(pi_pulse(device))
    results = connection.submit(sequence, wait=True, job_params=[{"runs": 20}]).results
    assert results[0].final_bitstrings == {"1": 20}
    resource.close()
    assert telemetry.one("session emulator").attributes["qpu.simulator"] is True


def test_start_returns_before_the_result_is_there(emulator, sequence):
    identifiers = [submit(emulator, sequence) for _ in range(4)]
    assert len(set(identifiers)) == 4
    assert emulator.task_status(identifiers[-1]) == qrmi.TaskStatus.Queued
    with pytest.raises(qrmi.TaskNotReadyError, match="Queued"):
        emulator.task_result(identifiers[-1])
    assert emulator.status().pending_job_count > 0
    emulator.task_stop(identifiers[-1])
    assert emulator.task_status(identifiers[-1]) == qrmi.TaskStatus.Cancelled
    assert wait(emulator, identifiers[-2]) == qrmi.TaskStatus.Completed
    with pytest.raises(qrmi.QrmiError, match="already ended"):
        emulator.task_stop(identifiers[-2])


def test_seeds_make_results_repeatable(sequence):
    half = sequence.replace("3.14159265", "1.57079632")
    counts = []
    for _ in range(2):
        emulator = InProcessEmulator(seed=11)
        identifier = submit(emulator, half, 200)
        wait(emulator, identifier)
        counts.append(emulator.task_result(identifier).value)
    assert counts[0] == counts[1]
    assert len(json.loads(counts[0])["counter"]) == 2


def test_what_the_device_cannot_execute_is_refused_at_once(emulator, sequence):
    for text, shots in (("{}", 10), (sequence, 0), (sequence.replace('"emulator"', '"OTHER"'), 10)):
        with pytest.raises(qrmi.InvalidInputError):
            submit(emulator, text, shots)
    with pytest.raises(qrmi.UnsupportedPayloadError):
        emulator.task_start(qrmi.Payload.QiskitPrimitive(input="{}", program_id="sampler"))


def test_an_execution_that_fails_is_a_failed_task(emulator, sequence, monkeypatch):
    def fail(*given, **named):
        raise MemoryError("too large")

    monkeypatch.setattr("qwatch.emulator.execution.execute", fail)
    identifier = submit(emulator, sequence)
    assert wait(emulator, identifier) == qrmi.TaskStatus.Failed
    assert "failed: MemoryError: too large" in emulator.task_logs(identifier)
    with pytest.raises(qrmi.TaskNotReadyError, match="Failed"):
        emulator.task_result(identifier)


def test_kept_results_are_bounded(sequence, monkeypatch):
    monkeypatch.setattr("qwatch.emulator.execution.execute", lambda *given, **named: {"1": 1})
    emulator = InProcessEmulator(kept_tasks=3)
    identifiers = []
    for _ in range(12):
        identifiers.append(submit(emulator, sequence))
        wait(emulator, identifiers[-1])
    assert len(emulator._tasks) <= 5
    with pytest.raises(qrmi.TaskNotFoundError):
        emulator.task_status(identifiers[0])
    assert emulator.task_status(identifiers[-1]) == qrmi.TaskStatus.Completed


def test_too_many_waiting_tasks_are_refused(sequence, monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr("qwatch.qrmi.in_process.MOST_WAITING", 2)
    monkeypatch.setattr("qwatch.emulator.execution.execute", lambda *given, **named: gate.wait(30) and {"1": 1})
    emulator = InProcessEmulator()
    first = submit(emulator, sequence)
    while emulator.task_status(first) == qrmi.TaskStatus.Queued:
        time.sleep(0.01)
    for _ in range(2):
        submit(emulator, sequence)
    with pytest.raises(qrmi.QrmiError, match="2 tasks wait already"):
        submit(emulator, sequence)
    gate.set()


def test_sessions_hold_nothing(emulator):
    tokens = {emulator.acquire(), emulator.acquire()}
    assert len(tokens) == 2
    for token in tokens:
        emulator.release(token)
    assert emulator.metadata() == {"backend_name": "emulator"}
    assert emulator.status().healthy is True
