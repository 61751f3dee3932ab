"""When a job would start: what goes before it, what runs, and whether the device takes work."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from qwatch.scheduler.backlog import RunningSlice
from qwatch.scheduler.devices.polling import DurationModel
from qwatch.scheduler.forecast import Waiting, before_a_new_job, forecast, slice_end
from qwatch.scheduler.windows import OpenWindows, Window, WindowKind

NOW = 1_000_000.0
QUEUE = [Waiting("production", 2, 300), Waiting("development", 1, 100), Waiting("qa", 4, 1000)]


def device(
    running: RunningSlice | None = None, takes_work: bool = True, ends: tuple[float | None, ...] = ()
) -> Any:
    """A device of 10 shots a second."""
    windows = tuple(
        Window(
            id=number,
            qpu_id="EMU",
            kind=WindowKind.DRAIN,
            procedure=None,
            result=None,
            message="",
            note="",
            allow_qa=False,
            opened_at=0.0,
            opened_by="root",
            announced_end_at=end,
            closed_at=None,
            closed_by=None,
        )
        for number, end in enumerate(ends)
    )
    durations = DurationModel(seconds_per_shot=0.1)
    return SimpleNamespace(
        durations=durations,
        running=running,
        windows=OpenWindows(windows),
        takes_work=takes_work and not windows,
    )


def test_a_job_on_an_idle_device_starts_now() -> None:
    found = forecast(device(), NOW)
    assert found.free
    assert found.after(before_a_new_job([], "production")) == NOW


def test_a_job_starts_after_what_runs_and_what_waits_before_it() -> None:
    found = forecast(device(RunningSlice(100, NOW - 4)), NOW)
    assert not found.free
    assert found.after(before_a_new_job(QUEUE, "production")) == pytest.approx(NOW + 6 + 40)


def test_a_quality_job_waits_for_all_others_and_for_those_of_its_class() -> None:
    found = forecast(device(), NOW)
    assert found.after(before_a_new_job(QUEUE, "qa")) == pytest.approx(NOW + 140)


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((NOW + 60,), NOW + 60),
        ((NOW + 60, NOW + 600), NOW + 600),
        ((NOW + 60, None), None),
        ((NOW - 60,), None),
    ],
)
def test_a_closed_device_is_expected_at_its_announced_end(
    ends: tuple[float | None, ...], expected: float | None
) -> None:
    found = forecast(device(ends=ends), NOW)
    assert not found.free
    assert found.after(before_a_new_job([], "test")) == expected


def test_nothing_is_told_of_a_device_that_is_offline() -> None:
    assert forecast(device(takes_work=False), NOW).after(before_a_new_job([], "test")) is None


def test_nothing_is_told_before_the_first_slice_taught_how_long_shots_take() -> None:
    new = device(RunningSlice(100, NOW))
    new.durations = DurationModel()
    assert slice_end(new, NOW) is None
    assert forecast(new, NOW).after(before_a_new_job(QUEUE, "test")) is None


def test_a_slice_that_takes_twice_as_long_as_predicted_has_no_end_that_can_be_told() -> None:
    late = device(RunningSlice(100, NOW - 22))
    assert slice_end(late, NOW) is None
    assert forecast(late, NOW).after(before_a_new_job([], "test")) is None
