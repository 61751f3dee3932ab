"""A scan tells the Rabi frequency and the readout errors of the emulated QPU, with uncertainties that hold."""

from __future__ import annotations

import math
import random
from statistics import fmean, stdev

import numpy
import pytest

from qwatch.emulator.drift import RabiDrift
from qwatch.emulator.execution import NoiseSettings, execute
from qwatch.emulator.specs import device_specs
from qwatch.scheduler.quality.analysis import analyse
from qwatch.scheduler.quality.experiments import AnalysisOrder, Finding, Measured, Plan, PlanOrder
from qwatch.scheduler.quality.programs import plan
from qwatch.scheduler.quality.rabi_fit import FitError, Point, fit_rabi_scan

NOISE = NoiseSettings(readout_false_positive=0.02, readout_false_negative=0.06)
SHOTS = 50
HOUR = 3600.0
SEEN = 4.0
"""So many standard deviations are seen: by chance they occur once in 16,000 rounds."""


@pytest.fixture(scope="module")
def free_atoms() -> Plan:
    """The programs of the readout and Rabi experiments, for the emulated QPU."""
    return plan(PlanOrder(specs=device_specs("EMU"), experiments=("readout", "rabi"), modulated=False))


def measure(programs: Plan, seed: int, amplitude_scale: float) -> dict[str, Finding]:
    """Run a round on a device with readout errors, and return what it tells by metric and kind."""
    chance = random.Random(seed)
    measured = tuple(
        Measured(
            program=program,
            counts=execute(
                program.sequence,
                SHOTS,
                noise=NOISE,
                amplitude_scale=amplitude_scale,
                seed=chance.getrandbits(31),
            ),
        )
        for program in programs.programs
    )
    found = analyse(AnalysisOrder(plan=programs, measured=measured))
    return {" ".join([item.metric, *item.labels.values()]): item for item in found}


def deviation(found: dict[str, Finding]) -> Finding:
    return found["qpu.rabi_frequency.deviation rydberg_global"]


@pytest.mark.parametrize("seed", range(5))
def test_no_drift_is_reported_where_there_is_none(free_atoms: Plan, seed: int) -> None:
    found = deviation(measure(free_atoms, seed, 1.0))
    assert abs(found.value) < SEEN * found.uncertainty
    assert found.uncertainty < 0.006


@pytest.mark.parametrize("seed", range(2))
def test_a_drift_of_2_percent_an_hour_is_seen_within_an_hour(free_atoms: Plan, seed: int) -> None:
    """A round every 20 minutes of emulated time."""
    now = 0.0
    drift = RabiDrift(-0.02, 1.0, lambda: now)
    seen = []
    for minutes in (20, 40, 60):
        now = minutes * HOUR / 60
        found = deviation(measure(free_atoms, 100 * seed + minutes, drift.amplitude_scale()))
        assert abs(found.value - (drift.amplitude_scale() - 1)) < SEEN * found.uncertainty
        seen.append(found.value < -SEEN * found.uncertainty)
    assert any(seen)


@pytest.mark.parametrize("scale", [0.7, 0.95, 1.2])
def test_a_large_deviation_is_measured_too_and_the_readout_errors_beside_it(
    free_atoms: Plan, scale: float
) -> None:
    found = measure(free_atoms, 7, scale)
    for key, true in (
        ("qpu.rabi_frequency.deviation rydberg_global", scale - 1),
        ("qpu.rabi_frequency rydberg_global", 1e6 * scale),
        ("qpu.readout.error false_positive", NOISE.readout_false_positive),
        ("qpu.readout.error false_negative", NOISE.readout_false_negative),
    ):
        assert abs(found[key].value - true) < SEEN * found[key].uncertainty, key


def test_the_uncertainty_is_the_scatter() -> None:
    """Over synthetic scans of a device with a damped oscillation: deviations / uncertainties are standard."""
    true, positive, negative, damping = -0.013, 0.02, 0.05, 0.05
    chance = numpy.random.default_rng(5)
    pulls = []
    for _ in range(150):
        points = []
        for multiple in (0.0, 0.5, 1.0, 2.0, 2.5, 3.5, 4.0, 5.5, 6.5):
            area, duration = multiple * math.pi, multiple / 2
            excited = (1 - math.exp(-damping * duration) * math.cos(area * (1 + true))) / 2
            probability = positive + (1 - positive - negative) * excited
            ones = int(chance.binomial(200, probability))
            points.append(Point(area, duration, ones, 200))
        fit = fit_rabi_scan(points)
        pulls.append((fit.deviation.value - true) / fit.deviation.uncertainty)
    assert abs(fmean(pulls)) < SEEN / math.sqrt(len(pulls))
    # Below 1 at most by what the Birge ratio adds where points scatter more than binomially by chance.
    assert 0.8 < stdev(pulls) < 1.2


def test_too_few_pulses_determine_nothing() -> None:
    with pytest.raises(FitError, match="more than 4 different pulses"):
        fit_rabi_scan([Point(0.0, 0.0, 0, 100), Point(math.pi, 0.5, 100, 100)])
