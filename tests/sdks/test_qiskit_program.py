"""Qiskit, by the wheel's Pasqal sampler primitive, through the daemon on the emulated QPU."""

from __future__ import annotations

import json

import pytest

from qwatch.emulator.specs import device_specs, validate_sequence
from qwatch.qrmi.stand_in_device import STAND_IN, for_own_device

INSTALL = "pip install 'qwatch[qiskit]'"


@pytest.fixture(autouse=True)
def _qiskit(require_package):
    require_package("qrmi.primitives.pasqal", INSTALL, True)


def test_a_qiskit_program_is_one_trace_under_its_name(sdk_stack, whole_trace):
    done = sdk_stack.run("-m", "qwatch.examples.qiskit_sampler", "--atoms", "4", "--shots", "223")
    assert done.returncode == 0, done.stderr
    assert "223 shots of 4 atoms" in done.stdout
    job = sdk_stack.newest_job()
    assert (job["status"], job["shots_executed"]) == ("DONE", 223)
    whole_trace(job, "qiskit")
    assert f"the program names {STAND_IN}" in sdk_stack.daemon.logs(job["id"])


def test_the_in_process_emulator_takes_it_too(capsys, monkeypatch, tmp_path):
    from qwatch.examples import qiskit_sampler

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert qiskit_sampler.main(["--qpu", "emulator", "--atoms", "3", "--shots", "100"]) == 0
    assert "100 shots of 3 atoms" in capsys.readouterr().out


def sampler_sequence(device="EMU", **register):
    """What the sampler sends to a resource of this name."""
    import qrmi
    from qrmi.primitives.pasqal import SamplerV2

    from qwatch.examples.qiskit_sampler import circuit

    class Sent(Exception):
        """Ends the run where the payload is seen."""

    class Recorder:
        def resource_id(self):
            return device

        def target(self):
            value = json.dumps([{"device_type": device, "specs": device_specs(device)}])
            return type("Target", (), {"value": value})

        def task_start(self, payload: qrmi.Payload):
            raise Sent(payload.sequence)

    with pytest.raises(Sent) as sent:
        SamplerV2(Recorder()).run([circuit(3)], shots=10)
    return str(sent.value)


def test_a_program_for_the_stand_in_is_made_one_for_the_own_device():
    sequence = sampler_sequence()
    assert json.loads(sequence)["device"]["name"] == STAND_IN
    own = for_own_device(sequence, device_specs("EMU"))
    assert own is not None
    assert json.loads(own)["device"]["name"] == "EMU"
    validate_sequence(own, 10, device_specs("EMU"), require_layout=True)


def test_only_that_is_touched():
    for_real = sampler_sequence("FRESNEL")
    assert json.loads(for_real)["device"]["name"] == "FRESNEL"
    assert for_own_device(for_real, device_specs("FRESNEL")) is None
    stand_in = sampler_sequence()
    assert for_own_device(stand_in, device_specs("FRESNEL")) is None
    assert for_own_device(stand_in, None) is None
    assert for_own_device(stand_in[:-1], device_specs("EMU")) is None
    assert for_own_device(f'["{STAND_IN}"]', device_specs("EMU")) is None
