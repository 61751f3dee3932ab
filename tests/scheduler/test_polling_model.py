"""When a running slice is looked at: predictions converge, delays keep their bounds."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qwatch.scheduler.devices.polling import DurationModel, PollSchedule

shots = st.integers(1, 100_000)
seconds = st.floats(1e-4, 1e5)


@given(
    rate=st.floats(0.1, 1e6),
    overhead=st.floats(0, 100),
    observed=st.lists(shots, min_size=2, max_size=30),
    asked=shots,
)
def test_a_device_with_a_constant_rate_is_predicted_exactly_after_two_different_slices(
    rate: float, overhead: float, observed: list[int], asked: int
) -> None:
    assume(abs(observed[-1] - observed[-2]) > 0.1 * max(observed))
    model = DurationModel()
    for count in observed:
        model.observe(count, overhead + count / rate)
    assert model.predict(asked) == pytest.approx(overhead + asked / rate, rel=1e-3, abs=1e-6 * (overhead + 1))


@given(count=shots, took=seconds)
def test_slices_of_one_kind_are_predicted_exactly_and_the_error_vanishes(count: int, took: float) -> None:
    model = DurationModel()
    for _ in range(20):
        model.observe(count, took)
    assert model.predict(count) == pytest.approx(took)
    assert model.error < 0.01


@given(slices=st.lists(st.tuples(shots, st.floats(0, 1e5)), max_size=50), asked=shots)
def test_whatever_was_observed_a_prediction_is_a_duration(slices: list[tuple[int, float]], asked: int) -> None:
    model = DurationModel()
    assert model.predict(asked) is None
    for count, took in slices:
        model.observe(count, took)
        predicted = model.predict(asked)
        assert predicted is not None
        assert 0 <= predicted < float("inf")
        assert 0 <= model.error <= 1


@given(
    predicted=st.one_of(st.none(), seconds),
    error=st.floats(0, 1),
    bounds=st.tuples(st.floats(1e-3, 10), st.floats(1e-3, 10)).map(sorted),
    elapsed=st.floats(0, 1e6),
)
def test_every_delay_lies_between_the_configured_bounds(
    predicted: float | None, error: float, bounds: list[float], elapsed: float
) -> None:
    shortest, longest = bounds
    schedule = PollSchedule(predicted, error, shortest, longest)
    assert shortest <= schedule.next_delay(elapsed) <= longest


@given(
    took=st.floats(0.01, 500),
    miss=st.floats(0.5, 2.0),
    error=st.floats(0, 0.5),
)
def test_the_end_is_seen_soon_after_it_and_without_flooding_the_device(
    took: float, miss: float, error: float
) -> None:
    """Also when the prediction is wrong, as far as the model knows that it may be."""
    assume(miss <= 1 + error)
    schedule = PollSchedule(took * miss, error, 0.002, 1.0)
    elapsed, looks = 0.0, 0
    while elapsed < took:
        elapsed += schedule.next_delay(elapsed)
        looks += 1
    assert looks < 260 + took * 2
    assert elapsed - took <= min(max(0.07 * took, 0.0021), 1.0)


@given(took=st.floats(0.5, 100))
def test_a_good_prediction_costs_few_looks_and_little_delay(took: float) -> None:
    schedule = PollSchedule(took, 0.0, 0.002, 1.0)
    elapsed, looks = 0.0, 0
    while elapsed < took:
        elapsed += schedule.next_delay(elapsed)
        looks += 1
    assert looks <= took + 8
    assert elapsed - took <= 0.006 * took + 0.002
