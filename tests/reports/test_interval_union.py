"""The union of intervals, against one made of the moments in each."""

from __future__ import annotations

import random

import numpy
from hypothesis import given
from hypothesis import strategies as st

from qwatch.reports.interval_union import between, contains, union

moments = st.integers(0, 30)
intervals = st.lists(st.tuples(moments, st.integers(1, 8)).map(lambda of: (of[0], of[0] + of[1])), max_size=12)


def united(found: list[tuple[int, int]]) -> list[float]:
    begins, ends = ([float(of[place]) for of in found] for place in (0, 1))
    return union(numpy.array(begins), numpy.array(ends)).tolist()  # type: ignore[no-any-return]


@given(intervals, moments, st.integers(1, 10))
def test_it_has_the_moments_that_any_of_the_intervals_has(
    found: list[tuple[int, int]], first: int, count: int
) -> None:
    asked = range(first, first + count)
    told = contains(numpy.array(united(found)), numpy.array(asked, dtype=float))
    assert told.tolist() == [any(begin <= moment < end for begin, end in found) for moment in asked]


@given(intervals, st.randoms())
def test_its_parts_are_apart_and_in_order_whatever_the_order_of_the_intervals(
    found: list[tuple[int, int]], chance: random.Random
) -> None:
    bounds = united(found)
    assert bounds == sorted(set(bounds))
    mixed = list(found)
    chance.shuffle(mixed)
    assert united(mixed) == bounds


def test_moments_between_two_include_the_first_and_not_the_last() -> None:
    assert between(numpy.array([1.0, 2.0, 2.0, 3.0, 4.0]), 2.0, 4.0).tolist() == [2.0, 2.0, 3.0]
