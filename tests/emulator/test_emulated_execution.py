"""What comes out of an execution: physics, noise, miscalibration, reproducibility, refusals."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy
import pulser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pulser.devices import Device
from pulser.sampler import sample
from scipy.stats import binomtest, chisquare

from qwatch.emulator.execution import execute
from qwatch.emulator.miscalibration import miscalibrated
from qwatch.emulator.noise import NoiseSettings
from qwatch.emulator.sequence_text import InvalidSequenceError
from qwatch.emulator.specs import device_specs, fitted_sequence, validate_sequence

SEQUENCE_OF = Callable[..., str]
RARE = 1e-4
PI_PULSE = {"duration": 400, "amplitude": math.pi / 0.4}


def ratio_of_ones(counts: dict[str, int]) -> float:
    ones = sum(bitstring.count("1") * count for bitstring, count in counts.items())
    return ones / sum(len(bitstring) * count for bitstring, count in counts.items())


def built(build: Callable[[Any], None], atoms: int = 1) -> str:
    device = Device.from_abstract_repr(device_specs())
    register = pulser.Register({f"q{i}": (8.0 * i, 0.0) for i in range(atoms)})
    sequence = pulser.Sequence(register, device)
    sequence.declare_channel("global", "rydberg_global")
    build(sequence)
    return str(sequence.to_abstract_repr())


@pytest.mark.parametrize("angle", [math.pi / 3, math.pi / 2, 2.2])
def test_one_atom_follows_the_rabi_formula(sequence_of: SEQUENCE_OF, angle: float) -> None:
    counts = execute(sequence_of(amplitude=angle / 0.2, duration=200), 2000, seed=11)
    excited = math.sin(angle / 2) ** 2
    assert binomtest(counts.get("1", 0), 2000, excited).pvalue > RARE


def test_two_close_atoms_are_blockaded_and_share_one_excitation(sequence_of: SEQUENCE_OF) -> None:
    angle = math.pi / math.sqrt(2)  # a π pulse at the collective Rabi frequency, √2 times the single one
    text = sequence_of(2, spacing=5.0, amplitude=angle / 0.4, duration=400)
    counts = execute(text, 2000, seed=12)
    assert counts.get("11", 0) < 20
    assert counts.get("00", 0) < 20
    assert binomtest(counts["01"], counts["01"] + counts["10"], 0.5).pvalue > RARE


def test_the_noise_free_distribution_is_that_of_the_simulated_state(sequence_of: SEQUENCE_OF) -> None:
    from pulser_simulation import QutipBackendV2

    text = sequence_of(3, spacing=7.0, duration=400, amplitude=5.0)
    counts = execute(text, 2000, seed=13)
    state: Any = QutipBackendV2(pulser.Sequence.from_abstract_repr(text)).run().final_state
    expected = {bits: 2000 * p for bits, p in state.bitstring_probabilities().items() if 2000 * p >= 5}
    observed = [counts.get(bits, 0) for bits in expected]
    scale = sum(observed) / sum(expected.values())
    assert chisquare(observed, [value * scale for value in expected.values()]).pvalue > RARE


@settings(max_examples=15, deadline=None)
@given(
    atoms=st.integers(1, 3),
    shots=st.integers(1, 300),
    noise=st.builds(
        NoiseSettings,
        readout_false_positive=st.sampled_from([0.0, 0.02, 1.0]),
        readout_false_negative=st.sampled_from([0.0, 0.08]),
        state_preparation_error=st.sampled_from([0.0, 0.05]),
        amplitude_sigma=st.sampled_from([0.0, 0.05]),
        trajectories=st.integers(1, 3),
    ),
    amplitude_scale=st.floats(0.1, 2.0),
    seed=st.integers(0, 2**40),
)
def test_counts_sum_to_shots_and_repeat_with_the_seed(
    atoms: int, shots: int, noise: NoiseSettings, amplitude_scale: float, seed: int
) -> None:
    text = built(lambda s: s.add(pulser.Pulse.ConstantPulse(100, 7.0, 1.0, 0.0), "global"), atoms)
    counts = execute(text, shots, noise=noise, amplitude_scale=amplitude_scale, seed=seed)
    assert sum(counts.values()) == shots
    assert all(len(bits) == atoms and set(bits) <= {"0", "1"} for bits in counts)
    assert all(isinstance(count, int) and count > 0 for count in counts.values())
    assert counts == execute(text, shots, noise=noise, amplitude_scale=amplitude_scale, seed=seed)


def test_an_execution_leaves_the_callers_random_numbers_alone(sequence_of: SEQUENCE_OF) -> None:
    numpy.random.seed(5)
    expected = numpy.random.random()
    numpy.random.seed(5)
    execute(sequence_of(), 10, seed=99)
    assert numpy.random.random() == expected


@settings(max_examples=30, deadline=None)
@given(
    amplitude=st.floats(0.0, 12.0),
    detuning=st.floats(-10.0, 10.0),
    duration=st.sampled_from([16, 52, 100]),
)
def test_a_scale_of_one_without_offset_changes_no_sample(
    amplitude: float, detuning: float, duration: int
) -> None:
    text = built(lambda s: s.add(pulser.Pulse.ConstantPulse(duration, amplitude, detuning, 0.3), "global"))
    before = sample(pulser.Sequence.from_abstract_repr(text))
    after = miscalibrated(before, 1.0, 0.0)
    for old, new in zip(before.samples_list, after.samples_list, strict=True):
        for field in ("amp", "det", "phase"):
            assert numpy.array_equal(getattr(old, field).as_array(), getattr(new, field).as_array())


@pytest.mark.parametrize("scale", [0.5, 0.9, 1.5])
def test_a_miscalibrated_laser_acts_like_a_program_with_that_amplitude(
    sequence_of: SEQUENCE_OF, scale: float
) -> None:
    asked = execute(sequence_of(2, amplitude=5.0), 500, amplitude_scale=scale, seed=7)
    programmed = execute(sequence_of(2, amplitude=5.0 * scale), 500, seed=7)
    assert asked == programmed


def test_a_detuning_offset_acts_like_a_program_with_that_detuning(sequence_of: SEQUENCE_OF) -> None:
    asked = execute(sequence_of(2, amplitude=5.0), 500, detuning_offset=3.0, seed=7)
    assert asked == execute(sequence_of(2, amplitude=5.0, detuning=3.0), 500, seed=7)
    assert asked != execute(sequence_of(2, amplitude=5.0), 500, seed=7)


def test_a_drift_may_exceed_the_devices_limits(sequence_of: SEQUENCE_OF) -> None:
    at_the_limit = sequence_of(amplitude=12.56, duration=100)
    counts = execute(at_the_limit, 2000, amplitude_scale=1.5, seed=3)
    assert binomtest(counts["1"], 2000, math.sin(12.56 * 1.5 * 0.1 / 2) ** 2).pvalue > RARE


def waveform_kinds() -> dict[str, pulser.waveforms.Waveform]:
    from pulser import waveforms as w

    return {
        "ramp": w.RampWaveform(200, 2.0, 6.0),
        "blackman": w.BlackmanWaveform(400, 2.0),
        "kaiser": w.KaiserWaveform(400, 1.5),
        "custom": w.CustomWaveform(numpy.linspace(1.0, 7.0, 200)),
        "interpolated": w.InterpolatedWaveform(200, [1.0, 8.0, 2.0]),
        "composite": w.CompositeWaveform(w.ConstantWaveform(100, 6.0), w.BlackmanWaveform(200, 1.0)),
    }


@pytest.mark.parametrize("kind", sorted(waveform_kinds()))
def test_a_drift_scales_the_pulse_area_of_every_kind_of_waveform(kind: str) -> None:
    waveform = waveform_kinds()[kind]
    text = built(lambda s: s.add(pulser.Pulse.ConstantDetuning(waveform, 0.0, 0.0), "global"))
    counts = execute(text, 2000, amplitude_scale=0.6, seed=21)
    area = 0.6 * float(waveform.integral)
    assert binomtest(counts.get("1", 0), 2000, math.sin(area / 2) ** 2).pvalue > RARE


def test_a_drift_acts_in_eom_mode() -> None:
    def eom_pulse(sequence: Any) -> None:
        sequence.enable_eom_mode("global", amp_on=5.0, detuning_on=0.0)
        sequence.add_eom_pulse("global", 200, phase=0.0)
        sequence.disable_eom_mode("global")

    nominal = execute(built(eom_pulse), 2000, seed=5)
    weak = execute(built(eom_pulse), 2000, amplitude_scale=0.5, seed=5)
    assert nominal["1"] - weak["1"] > 200


def test_readout_errors_turn_zeros_into_ones_at_their_rate(sequence_of: SEQUENCE_OF) -> None:
    dark = sequence_of(4, amplitude=0.0, spacing=8.0)
    counts = execute(dark, 2000, noise=NoiseSettings(readout_false_positive=0.05), seed=1)
    assert binomtest(round(ratio_of_ones(counts) * 8000), 8000, 0.05).pvalue > RARE


def test_readout_errors_turn_ones_into_zeros_at_their_rate(sequence_of: SEQUENCE_OF) -> None:
    counts = execute(sequence_of(**PI_PULSE), 2000, noise=NoiseSettings(readout_false_negative=0.1), seed=2)
    assert binomtest(counts["0"], 2000, 0.1).pvalue > RARE


def test_atoms_lost_in_preparation_are_never_excited(sequence_of: SEQUENCE_OF) -> None:
    noise = NoiseSettings(state_preparation_error=0.3, trajectories=300)
    counts = execute(sequence_of(**PI_PULSE), 300, noise=noise, seed=3)
    assert binomtest(counts["0"], 300, 0.3).pvalue > RARE


def test_amplitude_fluctuations_spoil_a_pi_pulse(sequence_of: SEQUENCE_OF) -> None:
    noise = NoiseSettings(amplitude_sigma=0.3, trajectories=50)
    assert execute(sequence_of(**PI_PULSE), 500, seed=4) == {"1": 500}
    assert execute(sequence_of(**PI_PULSE), 500, noise=noise, seed=4)["0"] > 20


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ("not json", "not JSON"),
        ('{"a":' * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ("{}", "not valid"),
        ('{"device": "EMU", "operations": []}', "$"),
        ('{"amplitude": NaN}', "not JSON"),
        ('{"amplitude": 1e999}', "not JSON"),
    ],
)
def test_text_that_is_no_sequence_is_refused_with_one_line(text: str, said: str) -> None:
    for refuse in (lambda: execute(text, 1), lambda: validate_sequence(text, 1, device_specs())):
        with pytest.raises(InvalidSequenceError) as caught:
            refuse()
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


@settings(max_examples=40, deadline=None)
@given(path=st.integers(0, 10**6), value=st.sampled_from([None, -1, "x", [], {}, 1e308, float("nan"), True]))
def test_a_damaged_sequence_is_refused_or_executed_but_never_fails_otherwise(path: int, value: Any) -> None:
    text = built(lambda s: s.add(pulser.Pulse.ConstantPulse(52, 7.0, 1.0, 0.0), "global"))
    damaged = json.loads(text)
    places = list(_places(damaged))
    container, key = places[path % len(places)]
    container[key] = value
    with suppress(InvalidSequenceError):
        fitted = fitted_sequence(json.dumps(damaged), 3, device_specs())
        assert sum(execute(fitted, 3).values()) == 3


def _places(node: Any) -> Any:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in items:
        if key != "pre_calibrated_layouts":
            yield node, key
            yield from _places(child)


def test_a_sequence_with_variables_names_them() -> None:
    def parametrized(sequence: Any) -> None:
        amplitude = sequence.declare_variable("omega_max")
        sequence.add(pulser.Pulse.ConstantPulse(100, amplitude, 0.0, 0.0), "global")

    with pytest.raises(InvalidSequenceError, match="omega_max"):
        execute(built(parametrized), 1)


def test_a_sequence_without_instruction_is_refused() -> None:
    with pytest.raises(InvalidSequenceError, match="no instruction"):
        execute(built(lambda _: None), 1)


def test_a_register_too_large_to_simulate_is_refused_before_it_runs(sequence_of: SEQUENCE_OF) -> None:
    with pytest.raises(InvalidSequenceError, match="15 atoms"):
        validate_sequence(sequence_of(15, spacing=5.0), 1, device_specs())


def test_a_sequence_for_another_device_is_refused_by_its_name(sequence_of: SEQUENCE_OF) -> None:
    with pytest.raises(InvalidSequenceError, match=r"'FRESNEL'.*'EMU'"):
        validate_sequence(sequence_of(device_name="FRESNEL"), 1, device_specs())


def test_a_sequence_that_claims_a_stronger_device_is_held_to_the_published_specs(
    sequence_of: SEQUENCE_OF,
) -> None:
    forged = json.loads(sequence_of(amplitude=10.0))
    forged["device"]["channels"][0]["max_amp"] *= 10
    forged["operations"][0]["amplitude"]["value"] = 100.0
    with pytest.raises(InvalidSequenceError, match="amplitude goes over the maximum"):
        validate_sequence(json.dumps(forged), 1, device_specs())


@pytest.mark.parametrize("shots", [0, -5, 2001])
def test_a_number_of_shots_out_of_range_is_refused(sequence_of: SEQUENCE_OF, shots: int) -> None:
    with pytest.raises(InvalidSequenceError, match=str(shots)):
        validate_sequence(sequence_of(), shots, device_specs())


def test_a_machine_can_insist_on_a_layout(sequence_of: SEQUENCE_OF) -> None:
    with pytest.raises(InvalidSequenceError, match="layout"):
        validate_sequence(sequence_of(), 1, device_specs(), require_layout=True)
    validate_sequence(sequence_of(layout=True), 1, device_specs(), require_layout=True)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_an_impossible_amplitude_scale_is_refused(sequence_of: SEQUENCE_OF, scale: float) -> None:
    with pytest.raises(ValueError, match="amplitude scale"):
        execute(sequence_of(), 1, amplitude_scale=scale)


def test_the_published_specs_are_a_pulser_device_of_the_configured_name() -> None:
    device = Device.from_abstract_repr(device_specs("ORION"))
    assert device.name == "ORION"
    assert device.channels == pulser.AnalogDevice.channels
    assert device.max_runs == pulser.AnalogDevice.max_runs
