"""Quality programs are made for the device that they run on: its layout, its channels, its limits."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import math

import pulser
import pytest
from pulser.channels import Rydberg

from qwatch.emulator.specs import device_specs, validate_sequence
from qwatch.scheduler.quality.computing import Computing, ComputingError
from qwatch.scheduler.quality.experiments import AnalysisOrder, Measured, Plan, PlanOrder
from qwatch.scheduler.quality.programs import NoExperimentError, plan
from qwatch.scheduler.quality.settings import EXPERIMENTS

ANALOG = device_specs("EMU")
WITHOUT_LAYOUT = str(
    dataclasses.replace(
        pulser.AnalogDevice, pre_calibrated_layouts=(), requires_layout=False
    ).to_abstract_repr()
)
WEAK = str(
    dataclasses.replace(
        pulser.AnalogDevice,
        max_sequence_duration=4000,
        channel_objects=(
            Rydberg.Global(max_abs_detuning=4.0, max_amp=math.pi, clock_period=8, min_duration=48),
        ),
    ).to_abstract_repr()
)


def every(specs: str, modulated: bool = False) -> Plan:
    return plan(PlanOrder(specs=specs, experiments=EXPERIMENTS, modulated=modulated))


@pytest.mark.parametrize("specs", [ANALOG, WITHOUT_LAYOUT, WEAK], ids=["layout", "no layout", "weak"])
def test_a_device_takes_every_program(specs: str) -> None:
    with_layout = json.loads(specs).get("requires_layout", True)
    found = every(specs).programs
    assert {program.experiment for program in found} == set(EXPERIMENTS)
    for program in found:
        validate_sequence(program.sequence, 50, specs, require_layout=with_layout)


def test_atoms_of_a_scan_do_not_feel_each_other() -> None:
    [program] = [item for item in every(ANALOG).programs if item.name == "rabi 6.5π"]
    sequence = pulser.Sequence.from_abstract_repr(program.sequence)
    places = list(sequence.register.qubits.values())
    nearest = min(math.dist(a.as_array(), b.as_array()) for a in places for b in places if a is not b)
    assert sequence.device.interaction_coeff / nearest**6 < 1e-3 * every(ANALOG).rabi_frequency


def test_a_pulse_that_would_be_too_long_is_left_out() -> None:
    names = [item.name for item in every(WEAK).programs]
    assert "rabi 3.5π" in names
    assert "rabi 6.5π" not in names


def test_exact_distributions_are_distributions_with_a_blockade() -> None:
    for modulated in (False, True):
        exact = {item.experiment: item.exact for item in every(ANALOG, modulated).programs if item.exact}
        assert set(exact) == {"blockade", "antiferromagnet"}
        for probabilities in exact.values():
            assert sum(probabilities.values()) == pytest.approx(1.0)
        assert exact["blockade"].get("11", 0.0) < 0.01
        assert exact["blockade"]["01"] == pytest.approx(exact["blockade"]["10"], abs=1e-3)
        assert max(exact["antiferromagnet"], key=exact["antiferromagnet"].__getitem__) == "10101"


@pytest.mark.parametrize(
    ("specs", "line"),
    [
        ("{}", "specs are not those of a Pulser device"),
        ("nonsense", "specs are not those of a Pulser device"),
        (str(pulser.MockDevice.to_abstract_repr()), "specs are not those of a Pulser device: .*VirtualDevice"),
    ],
)
def test_specs_that_nothing_can_be_made_of_are_told_in_one_line(specs: str, line: str) -> None:
    with pytest.raises(NoExperimentError, match=line) as found:
        every(specs)
    assert "\n" not in str(found.value)


def test_the_process_beside_makes_a_plan_once_and_analyses_what_was_measured() -> None:
    order = PlanOrder(specs=ANALOG, experiments=("readout",), modulated=False)

    async def main() -> None:
        computing = Computing()
        found = await computing.plan(order)
        assert found == plan(order)
        assert await computing.plan(order) is found
        dark, pulse = found.programs
        measured = (
            Measured(program=dark, counts={"0000": 98, "0001": 2}),
            Measured(program=pulse, counts={"1111": 90, "1011": 10}),
        )
        findings = await computing.analyse(AnalysisOrder(plan=found, measured=measured))
        assert {item.labels["kind"]: item.value for item in findings} == {
            "false_positive": 2 / 400,
            "false_negative": 10 / 400,
        }
        wrong = (Measured(program=dark, counts={"00": 1}),)
        with pytest.raises(ComputingError, match="is no reading of 4 atoms"):
            await computing.analyse(AnalysisOrder(plan=found, measured=wrong))
        with pytest.raises(ComputingError, match="specs are not those of a Pulser device"):
            await computing.plan(PlanOrder(specs="{}", experiments=("rabi",), modulated=True))

    asyncio.run(main())
