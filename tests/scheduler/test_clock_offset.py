"""What a slice's own times say about the device's clock: only what nothing else explains."""

from __future__ import annotations

import pytest

from qwatch.scheduler.devices.adapter import DeviceJob
from qwatch.scheduler.jobs import JobState
from qwatch.scheduler.slice_run import clock_offset_of


def job(started_at: float | None, ended_at: float | None) -> DeviceJob:
    return DeviceJob(
        uid="1",
        state=JobState.DONE,
        results=None,
        error=None,
        started_at=started_at,
        ended_at=ended_at,
        progress=None,
    )


@pytest.mark.parametrize(
    ("started", "ended", "offset"),
    [
        (100.0, 110.0, 0.0),
        (101.0, 109.0, 0.0),
        (97.5, 105.0, -2.5),
        (104.0, 112.5, 2.5),
        (3700.0, 3708.0, 3598.0),
        (None, 105.0, None),
        (101.0, None, None),
    ],
)
def test_the_offset_is_the_least_that_agrees_with_what_was_observed(
    started: float | None, ended: float | None, offset: float | None
) -> None:
    assert clock_offset_of(job(started, ended), sent_at=100.0, observed_at=110.0) == offset
