"""Numbers as people read them."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwatch.reports import number_format
from qwatch.reports.number_format import SPACE, THIN


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (0.0031, "3.1 ms"),
        (0.05, "50 ms"),
        (7.25, "7.2 s"),
        (41, "41 s"),
        (99.6, "1.7 min"),
        (3599, "60 min"),
        (3600, "1 h"),
        (5400, "1.5 h"),
        (400_000, "111 h"),
        (4_000_000, "1 111 h"),
        (-4500, "−1.2 h"),
    ],
)
def test_lengths_of_time(seconds: float, shown: str) -> None:
    assert number_format.duration(seconds).replace(THIN, " ").replace(SPACE, " ") == shown


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [
        (0, "0.0 %"),
        (1, "100.0 %"),
        (0.0000001, "< 0.1 %"),
        (0.999999, "> 99.9 %"),
        (0.5, "50.0 %"),
        (-0.031, "−3.1 %"),
    ],
)
def test_a_little_is_not_nothing_and_almost_all_is_not_all(ratio: float, shown: str) -> None:
    assert number_format.percent(ratio).replace(THIN, " ").replace(SPACE, " ") == shown


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (2_004_000.0, "Hz", "2.004 MHz"),
        (4.6e-6, "s", "4.600 µs"),
        (0.0312, "1", "3.12 %"),
        (1234567.0, "count", "1 234 567"),
    ],
)
def test_values_with_units(value: float, unit: str, shown: str) -> None:
    assert number_format.in_unit(value, unit).replace(THIN, " ").replace(SPACE, " ") == shown


def test_the_hour_that_comes_twice_is_told_apart_by_its_offset() -> None:
    zone = ZoneInfo("Europe/Paris")
    first = 1_792_888_200  # 2026-10-25 02:30 in summer time
    assert number_format.moment(first, zone) == number_format.moment(first + 3600, zone) == "2026-10-25 02:30"
    assert number_format.iso(first, zone).endswith("+02:00")
    assert number_format.iso(first + 3600, zone).endswith("+01:00")


@given(st.floats(-1e12, 1e12), st.sampled_from(["ratio", "seconds", "hertz", "count", "Ha", ""]))
def test_every_number_has_a_short_text(value: float, unit: str) -> None:
    shown = number_format.in_unit(value, unit)
    assert any(character.isdigit() for character in shown)
    assert len(shown) < 32
    assert "-" not in shown


@pytest.mark.parametrize(
    ("seconds", "whole", "shown"),
    [
        (41.2, 173.0, "41.200 s"),
        (41.2, 5000.0, "0:00:41.2"),
        (3599.97, 5000.0, "1:00:00.0"),
        (-0.5, 60.0, "−0.500 s"),
    ],
)
def test_times_of_one_timeline_have_one_form(seconds: float, whole: float, shown: str) -> None:
    assert number_format.offset(seconds, whole).replace(SPACE, " ") == shown
