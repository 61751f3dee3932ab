"""CUDA-Q's analog programs as Pulser sequences, held against what Pulser itself makes of them."""

from __future__ import annotations

import asyncio
import copy
import json
import math

import numpy as np
import pulser
import pytest
from pulser.devices import Device
from pulser.sampler import sample

from qwatch.emulator.execution import execute
from qwatch.emulator.specs import device_specs, validate_sequence
from qwatch.qrmi.atom_layout import layout_for
from qwatch.scheduler.cudaq_program import read_cudaq_program
from qwatch.scheduler.cudaq_sequence import sequence_for
from qwatch.scheduler.errors import InvalidRequestError, UnavailableError
from qwatch.scheduler.job_payload import accepted_payload

SPECS = device_specs("FRESNEL")

# As CUDA-Q's own test of its Pasqal target has it: numbers are strings, a constant phase is one point.
PROGRAM = {
    "setup": {
        "ahs_register": {
            "sites": [["0.0", "0.0"], ["0.0", "0.000006"], ["0.000006", "0.0"]],
            "filling": [1, 1, 1],
        }
    },
    "hamiltonian": {
        "drivingFields": [
            {
                "amplitude": {
                    "time_series": {
                        "values": ["0.0", "10700000.0", "10700000.0", "0.0"],
                        "times": ["0.0", "0.000001", "0.000002", "0.000003"],
                    },
                    "pattern": "uniform",
                },
                "phase": {"time_series": {"values": ["0.0"], "times": ["0.0"]}, "pattern": "uniform"},
                "detuning": {
                    "time_series": {"values": ["-5400000.0", "5400000.0"], "times": ["0.0", "0.000003"]},
                    "pattern": "uniform",
                },
            }
        ],
        "localDetuning": [],
    },
}
NUMBERS = json.loads(json.dumps(PROGRAM), parse_float=float)


def made(program=PROGRAM, specs=SPECS):
    return sequence_for(read_cudaq_program(program), specs)


def with_changes(path, value):
    """The program with one part changed; ``path`` is its keys, joined by dots."""
    found = copy.deepcopy(PROGRAM)
    *way, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    part = found
    for key in way:
        part = part[key]
    part[last] = value
    return found


def test_pulser_reads_it_as_the_same_pulse():
    """Against Pulser's own linear interpolation of the points, as the peer converts them."""
    read = pulser.Sequence.from_abstract_repr(made())
    samples = sample(read).to_nested_dict()["Global"]["ground-rydberg"]
    amplitude = pulser.InterpolatedWaveform(
        3000, [0.0, 10.7, 10.7, 0.0], times=[0.0, 1 / 3, 2 / 3, 1.0], interpolator="interp1d"
    )
    detuning = pulser.InterpolatedWaveform(3000, [-5.4, 5.4], times=[0.0, 1.0], interpolator="interp1d")
    # Two ramps share their corner's value, an interpolation has it once: one sample, 10.7/1000 rad/µs.
    assert np.abs(np.asarray(samples["amp"]) - amplitude.samples.as_array()).max() <= 0.011
    assert np.abs(np.asarray(samples["det"]) - detuning.samples.as_array()).max() <= 1e-9
    assert read.get_duration() == 3000
    assert read.is_measured()


def test_the_register_is_that_of_the_program_around_its_centre():
    read = pulser.Sequence.from_abstract_repr(made())
    places = np.array([position.as_array() for position in read.register.qubits.values()])
    assert places == pytest.approx(np.array([[-2.0, -2.0], [-2.0, 4.0], [4.0, -2.0]]))
    validate_sequence(made(), 100, SPECS, require_layout=True)


def test_the_counts_are_those_of_the_same_program_written_with_pulser():
    device = Device.from_abstract_repr(SPECS)
    register = pulser.Register.from_coordinates([(0.0, 0.0), (0.0, 6.0), (6.0, 0.0)], prefix="q")
    sequence = pulser.Sequence(register.with_automatic_layout(device), device)
    sequence.declare_channel("ising", "rydberg_global")
    ramps = [pulser.RampWaveform(1000, *ends) for ends in ((0.0, 10.7), (10.7, 10.7), (10.7, 0.0))]
    amplitude = pulser.CompositeWaveform(*ramps)
    sequence.add(pulser.Pulse(amplitude, pulser.RampWaveform(3000, -5.4, 5.4), 0.0), "ising")
    sequence.measure("ground-rydberg")
    assert execute(made(), 500, seed=3) == execute(sequence.to_abstract_repr(), 500, seed=3)


def test_numbers_and_their_texts_are_the_same():
    assert made(NUMBERS) == made()


def test_sites_without_an_atom_are_left_out():
    found = json.loads(made(with_changes("setup.ahs_register.filling", [1, 0, 1])))
    assert [(atom["x"], atom["y"]) for atom in found["register"]] == [(-3.0, 0.0), (3.0, 0.0)]


def test_the_phase_changes_its_sign():
    phase = {"values": ["0.5", "0.5"], "times": ["0.0", "0.000003"]}
    changed = with_changes("hamiltonian.drivingFields.0.phase.time_series", phase)
    assert json.loads(made(changed))["operations"][0]["phase"] == pytest.approx(2 * math.pi - 0.5)


def test_atoms_on_the_devices_own_layout_get_its_traps():
    spacing = 5e-6
    sites = [[0.0, 0.0], [spacing, 0.0], [spacing / 2, round(spacing * math.sqrt(3) / 2, 8)]]
    found = json.loads(made(with_changes("setup.ahs_register.sites", sites)))
    (own,) = json.loads(SPECS)["pre_calibrated_layouts"]
    assert found["layout"]["coordinates"] == own["coordinates"]
    validate_sequence(json.dumps(found), 100, SPECS, require_layout=True)


def test_a_device_with_fixed_layouts_refuses_other_registers():
    specs = json.dumps(json.loads(SPECS) | {"accepts_new_layouts": False})
    with pytest.raises(InvalidRequestError, match="the atoms fit none of the layouts of FRESNEL"):
        made(specs=specs)


def test_a_device_that_needs_no_layout_gets_none():
    specs = json.dumps(json.loads(SPECS) | {"requires_layout": False})
    assert "layout" not in json.loads(made(specs=specs))


@pytest.mark.parametrize("count", [1, 2, 7, 20])
def test_new_layouts_are_valid_for_the_device(count):
    device = json.loads(SPECS) | {"pre_calibrated_layouts": []}
    atoms = [(7.0 * (number % 5) - 14.0, 7.0 * (number // 5) - 10.0) for number in range(count)]
    layout = layout_for(atoms, device)
    assert layout is not None
    assert layout.traps[:count] == layout.atoms == atoms
    assert len(layout.traps) >= 2 * count
    Device.from_abstract_repr(SPECS).validate_layout(pulser.register.RegisterLayout(layout.traps))


FIELD = "hamiltonian.drivingFields.0"
SERIES = "time_series"
REFUSED = {
    "no register": ("setup", {}, r"setup\.ahs_register: Field required"),
    "no atom": ("setup.ahs_register.filling", [0, 0, 0], "no site is filled"),
    "a filling of 2": ("setup.ahs_register.filling", [1, 2, 1], r"filling\.1: .*less than or equal to 1"),
    "too few fillings": ("setup.ahs_register.filling", [1], "3 sites and 1 fillings"),
    "too many atoms": (
        "setup.ahs_register",
        {"sites": [[0.0, 0.0]] * 81, "filling": [1] * 81},
        "81 atoms, the device holds 80",
    ),
    "too close": ("setup.ahs_register.sites.1", [0.0, 4e-6], "4 µm apart, the device needs at least 5 µm"),
    "too far": ("setup.ahs_register.sites.1", [0.0, 1e-4], "from the centre, the device reaches 38 µm"),
    "an infinite place": ("setup.ahs_register.sites.1.0", "inf", r"sites\.1\.0: .*finite"),
    "no field": ("hamiltonian.drivingFields", [], "drivingFields: there is none"),
    "two fields": (
        "hamiltonian.drivingFields",
        PROGRAM["hamiltonian"]["drivingFields"] * 2,
        "program all pulses in a single Hamiltonian",
    ),
    "local detuning": ("hamiltonian.localDetuning", [{}], "the device cannot detune single atoms"),
    "a pattern": (f"{FIELD}.amplitude.pattern", [0.5, 1, 1], "amplitude: the pattern is not 'uniform'"),
    "a word of a pattern": (f"{FIELD}.amplitude.pattern", "non-uniform", "the pattern is not 'uniform'"),
    "no number": (f"{FIELD}.detuning.{SERIES}.values.0", "much", r"values\.0: .*valid number"),
    "no points": (f"{FIELD}.phase.{SERIES}", {"values": [], "times": []}, r"phase\.time_series\.values"),
    "too few times": (f"{FIELD}.detuning.{SERIES}.times", ["0.0"], "2 values and 1 times"),
    "a late start": (f"{FIELD}.detuning.{SERIES}.times", ["1e-6", "3e-6"], "the first time is not 0"),
    "a step back": (f"{FIELD}.amplitude.{SERIES}.times", [0, 2e-6, 1e-6, 3e-6], "the times do not increase"),
    "a short detuning": (
        f"{FIELD}.detuning.{SERIES}.times",
        [0, 2e-6],
        "ends at 2000 ns, the Hamiltonian at 3000",
    ),
    "steps in a ns": (f"{FIELD}.amplitude.{SERIES}.times", [0, 1e-10, 2e-6, 3e-6], "less than 1 ns apart"),
    "a negative amplitude": (f"{FIELD}.amplitude.{SERIES}.values.1", -1e6, "-1e.06 rad/s is below 0"),
    "a strong laser": (f"{FIELD}.amplitude.{SERIES}.values.1", 2e7, "the channel reaches 1.257e.07 rad/s"),
    "a large detuning": (f"{FIELD}.detuning.{SERIES}.values.0", -2e8, "the channel reaches 1.257e.08 rad/s"),
    "a changing phase": (
        f"{FIELD}.phase.{SERIES}",
        {"values": [0, 1], "times": [0, 3e-6]},
        "phase: it changes; .* give a constant one",
    ),
    "an odd length": (
        f"{FIELD}.phase.{SERIES}",
        {"values": [0, 0], "times": [0, 3.001e-6]},
        "lasts 3001 ns, not a multiple of the channel's clock of 4 ns",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_device_cannot_do_is_one_line(case):
    path, value, reason = REFUSED[case]
    with pytest.raises(InvalidRequestError, match=reason) as refused:
        made(with_changes(path, value))
    assert str(refused.value).startswith("sequence")
    assert "\n" not in str(refused.value)


def test_a_pulse_that_is_too_short_for_the_channel():
    program = with_changes(f"{FIELD}.amplitude.{SERIES}", {"values": [1e6], "times": [0]})
    program["hamiltonian"]["drivingFields"][0]["detuning"][SERIES] = {"values": [0], "times": [0]}
    with pytest.raises(InvalidRequestError, match="lasts 0 ns, the channel needs 16 ns"):
        made(program)


def test_a_device_without_the_channel():
    with pytest.raises(InvalidRequestError, match="FRESNEL has no channel rydberg_global"):
        made(specs=json.dumps(json.loads(SPECS) | {"channels": []}))


def accepted(given, specs=SPECS):
    return asyncio.run(accepted_payload(given, specs))


@pytest.mark.parametrize("given", [PROGRAM, json.dumps(PROGRAM)], ids=["object", "text"])
def test_both_forms_are_accepted_and_tell_the_sdk(given):
    payload = accepted(given)
    assert payload.sequence == made()
    assert payload.sdk == "cudaq"
    assert payload.note is not None


def test_it_waits_for_the_devices_specs():
    with pytest.raises(UnavailableError, match="specs"):
        accepted(PROGRAM, None)


@pytest.mark.parametrize("given", ['{"hamiltonian": ', '"hamiltonian"', '{"hamiltonian": {}}', "[1]", ""])
def test_any_other_text_is_left_as_it_is(given):
    payload = accepted(given)
    assert (payload.sequence, payload.sdk, payload.note) == (given, None, None)
