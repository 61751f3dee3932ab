"""Which period is asked for, and which is the one before it."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwatch.reports.period import Asked, PeriodError, earlier, periods

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 11, 23, 18, 30, tzinfo=PARIS).timestamp()


def told(asked: Asked, now: float = NOW, zone: ZoneInfo = PARIS) -> tuple[str, str, str, str]:
    period, previous = periods(asked, zone, now)
    edges = (period.begin, period.end, previous.begin, previous.end)
    first, last, before, until = (f"{datetime.fromtimestamp(moment, zone):%Y-%m-%dT%H:%M}" for moment in edges)
    return first, last, before, until


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (
            Asked(month="2026-10"),
            ("2026-10-01T00:00", "2026-11-01T00:00", "2026-09-01T00:00", "2026-10-01T00:00"),
        ),
        (
            Asked(month="2026-01"),
            ("2026-01-01T00:00", "2026-02-01T00:00", "2025-12-01T00:00", "2026-01-01T00:00"),
        ),
        (
            Asked(month="2024-02"),
            ("2024-02-01T00:00", "2024-03-01T00:00", "2024-01-01T00:00", "2024-02-01T00:00"),
        ),
        (
            Asked(week="2026-W01"),
            ("2025-12-29T00:00", "2026-01-05T00:00", "2025-12-22T00:00", "2025-12-29T00:00"),
        ),
        (Asked(year="2025"), ("2025-01-01T00:00", "2026-01-01T00:00", "2024-01-01T00:00", "2025-01-01T00:00")),
        (
            Asked(begin="2026-11-02", end="2026-11-04"),
            ("2026-11-02T00:00", "2026-11-04T00:00", "2026-10-31T00:00", "2026-11-02T00:00"),
        ),
        (
            Asked(begin="2026-11-02T10:00:00Z", end="2026-11-02T12:00:00Z"),
            ("2026-11-02T11:00", "2026-11-02T13:00", "2026-11-02T09:00", "2026-11-02T11:00"),
        ),
    ],
)
def test_a_period_that_has_ended_is_whole(asked: Asked, expected: tuple[str, str, str, str]) -> None:
    assert told(asked) == expected


def test_without_a_period_it_is_the_month_so_far_beside_as_much_of_the_last() -> None:
    expected = ("2026-11-01T00:00", "2026-11-23T18:30", "2026-10-01T00:00", "2026-10-23T18:30")
    assert told(Asked()) == expected
    assert told(Asked(month="2026-11")) == expected


def test_of_a_shorter_month_before_no_more_is_taken_than_there_is() -> None:
    now = datetime(2026, 3, 31, 12, tzinfo=PARIS).timestamp()
    assert told(Asked(), now)[2:] == ("2026-02-01T00:00", "2026-03-01T00:00")


@pytest.mark.parametrize(
    ("month", "hours"), [("2026-03", 31 * 24 - 1), ("2026-10", 31 * 24 + 1), ("2024-02", 29 * 24)]
)
def test_a_month_is_as_long_as_its_clocks_say(month: str, hours: int) -> None:
    period, _ = periods(Asked(month=month), PARIS, NOW)
    assert period.seconds == hours * 3600


@pytest.mark.parametrize(
    ("asked", "label"),
    [
        (Asked(month="2026-10"), "October 2026"),
        (Asked(year="2025"), "2025"),
        (Asked(begin="2026-11-02", end="2026-11-03"), "2026-11-02"),
        (Asked(begin="2026-11-02", end="2026-11-09"), "2026-11-02 to 2026-11-08"),
        (Asked(), "2026-11-01 00:00 to 2026-11-23 18:30"),
    ],
)
def test_a_period_is_named_as_people_do(asked: Asked, label: str) -> None:
    assert periods(asked, PARIS, NOW)[0].label == label


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        (Asked(month="2026-13"), "'2026-13' is not a month such as 2026-11"),
        (Asked(week="2026-W54"), "the year has no such week"),
        (Asked(year="26"), "'26' is not a year"),
        (Asked(begin="yesterday"), "'yesterday' is neither a date"),
        (Asked(end="2026-11-01"), "--to needs --from"),
        (Asked(begin="2026-11-02", end="2026-11-01"), "ends (2026-11-01) before it begins (2026-11-02)"),
        (Asked(month="2026-12"), "begins in the future"),
        (Asked(month="2026-10", begin="2026-10-01"), "ask for one of"),
    ],
)
def test_what_is_no_period_is_told_in_a_line(asked: Asked, line: str) -> None:
    with pytest.raises(PeriodError) as error:
        periods(asked, PARIS, NOW)
    assert line in str(error.value)


@given(
    st.integers(2000, 2030),
    st.integers(1, 12),
    st.sampled_from(["UTC", "Europe/Paris", "Asia/Kolkata", "Pacific/Apia", "America/Sao_Paulo"]),
)
def test_months_follow_each_other_without_a_gap(year: int, month: int, zone: str) -> None:
    period, previous = periods(Asked(month=f"{year}-{month:02}"), ZoneInfo(zone), 4e9)
    assert previous.end == period.begin
    pasts = earlier(period, previous, 8)
    assert pasts[0] == (previous.begin, previous.end)
    assert all(later[0] == before[1] for later, before in pairwise(pasts))
    assert all(27 * 86_400 < end - begin < 32 * 86_400 for begin, end in pasts)
