"""Periods as users write them, in the zone of their machine, whatever its clocks do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from qwatch.cli.periods import PeriodError, local_zone, period

NOW = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """A function that sets the zone of this machine."""

    def be_in(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield be_in
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("name", "month", "begin", "end", "hours"),
    [
        ("Europe/Paris", "2026-10", "2026-09-30T22:00", "2026-10-31T23:00", 31 * 24 + 1),
        ("Europe/Paris", "2026-03", "2026-02-28T23:00", "2026-03-31T22:00", 31 * 24 - 1),
        ("America/New_York", "2026-12", "2026-12-01T05:00", "2027-01-01T05:00", 31 * 24),
        ("UTC", "2028-02", "2028-02-01T00:00", "2028-03-01T00:00", 29 * 24),
        ("Asia/Kathmandu", "2026-01", "2025-12-31T18:15", "2026-01-31T18:15", 31 * 24),
    ],
)
def test_a_month_is_that_of_this_machines_zone(
    zone: Callable[[str], None], name: str, month: str, begin: str, end: str, hours: int
) -> None:
    zone(name)
    found = period(month, None, None, NOW)
    assert found.begin == datetime.fromisoformat(begin).replace(tzinfo=UTC)
    assert found.end == datetime.fromisoformat(end).replace(tzinfo=UTC)
    assert found.end.astimezone(UTC) - found.begin.astimezone(UTC) == timedelta(hours=hours)
    assert found.zone == name


def test_moments_without_a_zone_have_the_offset_that_held_then(zone: Callable[[str], None]) -> None:
    zone("Europe/Paris")
    found = period(None, "2026-07-01", "2026-11-01 06:00", NOW)
    assert found.begin == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert found.end == datetime(2026, 11, 1, 5, tzinfo=UTC)
    assert period(None, "2026-07-01T00:00Z", None, NOW).begin == datetime(2026, 7, 1, tzinfo=UTC)


def test_without_anything_it_is_the_last_thirty_days_and_durations_count_back() -> None:
    assert (period(None, None, None, NOW).begin, period(None, None, None, NOW).end) == (
        NOW - timedelta(days=30),
        NOW,
    )
    found = period(None, "7d", "1d12h", NOW)
    assert (found.begin, found.end) == (NOW - timedelta(days=7), NOW - timedelta(days=1, hours=12))
    assert period(None, None, "2026-11-01T00:00Z", NOW).begin == datetime(2026, 10, 2, tzinfo=UTC)


def test_a_zone_that_has_no_name_is_told_by_its_offset(zone: Callable[[str], None]) -> None:
    zone("XYZ-04:30")
    assert local_zone(NOW) == "+04:30"
    zone("XYZ03:30")
    assert local_zone(NOW) == "-03:30"


@pytest.mark.parametrize(
    ("month", "begin", "end", "told"),
    [
        ("2026-13", None, None, "not a month"),
        ("november", None, None, "not a month"),
        ("0000-01", None, None, "not a month"),
        ("2026-11", "1d", None, "by itself"),
        (None, "soon", None, "neither a moment"),
        (None, "1d", "2d", "before it begins"),
    ],
)
def test_what_is_no_period_is_said_in_one_line(
    month: str | None, begin: str | None, end: str | None, told: str
) -> None:
    with pytest.raises(PeriodError, match=told) as refused:
        period(month, begin, end, NOW)
    assert "\n" not in str(refused.value)
