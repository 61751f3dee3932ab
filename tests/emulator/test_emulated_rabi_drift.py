"""How the Rabi frequency drifts in emulated time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwatch.emulator.drift import SMALLEST_SCALE, RabiDrift


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_scale_changes_by_the_rate_in_an_hour() -> None:
    clock = Clock()
    drift = RabiDrift(-0.02, 1.0, clock)
    assert drift.amplitude_scale() == 1.0
    clock.now += 1800
    assert drift.amplitude_scale() == pytest.approx(0.99)


def test_the_time_factor_makes_hours_of_seconds() -> None:
    clock = Clock()
    drift = RabiDrift(0.05, 3600.0, clock)
    clock.now += 2
    assert drift.amplitude_scale() == pytest.approx(1.1)


def test_a_drift_that_stops_stays_where_it_is_until_recalibrated() -> None:
    clock = Clock()
    drift = RabiDrift(0.1, 1.0, clock)
    clock.now += 3600
    drift.change(0.0, 1.0)
    clock.now += 3600
    assert drift.amplitude_scale() == pytest.approx(1.1)
    drift.recalibrate()
    assert drift.amplitude_scale() == 1.0


def test_a_laser_never_gets_dark() -> None:
    clock = Clock()
    drift = RabiDrift(-1.0, 1.0, clock)
    clock.now += 10**6
    assert drift.amplitude_scale() == SMALLEST_SCALE


@given(steps=st.lists(st.tuples(st.floats(-0.5, 0.5), st.floats(0.1, 100.0), st.floats(0.0, 60.0)), max_size=8))
def test_changing_the_rate_never_makes_the_scale_jump(steps: list[tuple[float, float, float]]) -> None:
    clock = Clock()
    drift = RabiDrift(0.3, 10.0, clock)
    for rate, factor, seconds in steps:
        before = drift.amplitude_scale()
        drift.change(rate, factor)
        assert drift.amplitude_scale() == before
        clock.now += seconds
