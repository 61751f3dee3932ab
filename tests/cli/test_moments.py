"""Moments and durations as administrators write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from qwatch.cli.moments import MomentError, moment

ZONE = timezone(timedelta(hours=1))
NOW = datetime(2026, 11, 23, 15, 30, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2h", NOW + timedelta(hours=2)),
        ("90s", NOW + timedelta(seconds=90)),
        ("1d12h", NOW + timedelta(days=1, hours=12)),
        ("45min", NOW + timedelta(minutes=45)),
        ("18:00", datetime(2026, 11, 23, 18, 0, tzinfo=ZONE)),
        ("2026-11-24T06:00", datetime(2026, 11, 24, 6, 0, tzinfo=ZONE)),
        ("2026-11-24 06:00:00Z", datetime(2026, 11, 24, 6, 0, tzinfo=UTC)),
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=ZONE)),
    ],
)
def test_moments_and_durations(text: str, expected: datetime) -> None:
    found = moment(text, NOW)
    assert found == expected
    assert found.tzinfo is not None


def test_a_duration_can_count_back() -> None:
    assert moment("30m", NOW, past=True) == NOW - timedelta(minutes=30)


@pytest.mark.parametrize("text", ["", "soon", "h", "-2h", "2 hours", "25:00", "2026-13-01"])
def test_anything_else_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(MomentError, match="neither a moment such as") as refused:
        moment(text, NOW)
    assert "\n" not in str(refused.value)
