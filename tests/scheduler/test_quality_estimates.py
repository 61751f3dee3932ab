"""Fidelities and proportions with uncertainties that are right for few shots."""

from __future__ import annotations

import math
from statistics import fmean

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwatch.scheduler.quality.counts import UnreadableResultsError, counts_in
from qwatch.scheduler.quality.fidelity import classical_fidelity
from qwatch.scheduler.quality.proportion import proportion

EXACT = {"00": 0.5, "01": 0.25, "10": 0.25}
WIDE = {format(number, "05b"): (number + 1) / 528 for number in range(32)}


def drawn(probabilities: dict[str, float], shots: int, seed: int) -> dict[str, int]:
    outcomes = sorted(probabilities)
    weights = [probabilities[outcome] for outcome in outcomes]
    counts = numpy.random.default_rng(seed).multinomial(shots, weights)
    return {outcome: int(count) for outcome, count in zip(outcomes, counts, strict=True) if count}


@pytest.mark.parametrize("seed", range(20))
def test_a_perfect_device_has_a_fidelity_of_1_within_its_uncertainty(seed: int) -> None:
    found = classical_fidelity(drawn(WIDE, 50, seed), WIDE)
    assert 1 - found.value < 4 * found.uncertainty


def test_few_shots_do_not_lower_the_fidelity_on_average() -> None:
    """Uncorrected, 50 shots on 32 outcomes would lie near 0.85."""
    assert fmean(classical_fidelity(drawn(WIDE, 50, seed), WIDE).value for seed in range(30)) > 0.97


def test_many_shots_of_another_distribution_give_its_fidelity() -> None:
    other = {"00": 0.25, "01": 0.25, "10": 0.25, "11": 0.25}
    true = sum(math.sqrt(EXACT.get(key, 0.0) * value) for key, value in other.items()) ** 2
    found = classical_fidelity(drawn(other, 20_000, 1), EXACT)
    assert abs(found.value - true) < 4 * found.uncertainty
    assert found.uncertainty < 0.01


def test_outcomes_that_never_occur_have_no_fidelity() -> None:
    assert classical_fidelity({"11": 100}, EXACT).value < 0.05


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_a_proportion_lies_in_0_to_1_and_is_never_certain(trials: int, share: float) -> None:
    count = round(share * trials)
    found = proportion(count, trials)
    assert found.value == count / trials
    assert 0 < found.uncertainty < 0.5
    assert found.uncertainty == pytest.approx(proportion(trials - count, trials).uncertainty)


def test_a_proportion_of_many_has_the_binomial_uncertainty() -> None:
    assert proportion(300, 1000).uncertainty == pytest.approx(math.sqrt(0.3 * 0.7 / 1000), rel=0.01)


@pytest.mark.parametrize("text", ['{"counter": {"01": 3, "10": 4}}', '{"01": 3, "10": 4}'])
def test_results_are_read_with_and_without_their_wrapping(text: str) -> None:
    assert counts_in(text) == {"01": 3, "10": 4}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"counter": {}}', '{"01": "many"}', '{"01": -1}', "1"])
def test_results_without_counts_are_told_in_one_line(text: str) -> None:
    with pytest.raises(UnreadableResultsError, match=r"^the results [^\n]*$"):
        counts_in(text)
