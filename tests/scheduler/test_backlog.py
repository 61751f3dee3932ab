"""Queue and expected wait of a device, from memory."""

from __future__ import annotations

import pytest

from qwatch.scheduler.backlog import Backlog, RunningSlice, expected_wait
from qwatch.scheduler.devices.polling import DurationModel


def model(overhead: float = 0.5, seconds_per_shot: float = 0.01) -> DurationModel:
    return DurationModel(seconds_per_shot=seconds_per_shot, overhead=overhead)


def test_an_empty_device_has_no_wait_even_if_nothing_is_known_of_it() -> None:
    assert expected_wait(Backlog(), None, DurationModel(), 0.0) == 0.0


def test_before_anything_ran_the_wait_is_not_known() -> None:
    assert expected_wait(Backlog(1, 100), None, DurationModel(), 0.0) is None
    assert expected_wait(Backlog(), RunningSlice(100, 0.0), DurationModel(), 0.0) is None


def test_each_job_costs_its_overhead_and_its_shots() -> None:
    assert expected_wait(Backlog(3, 600), None, model(), 0.0) == pytest.approx(3 * 0.5 + 6.0)


def test_what_runs_is_waited_for_as_far_as_it_has_not_run() -> None:
    running = RunningSlice(1000, since=100.0)
    assert expected_wait(Backlog(), running, model(), 104.0) == pytest.approx(6.5)
    assert expected_wait(Backlog(1, 100), running, model(), 104.0) == pytest.approx(8.0)
    assert expected_wait(Backlog(), running, model(), 112.0) == 0.0


def test_a_slice_that_takes_far_too_long_leaves_the_wait_unknown() -> None:
    assert expected_wait(Backlog(), RunningSlice(100, since=0.0), model(), 60.0) is None


def test_jobs_may_leave_before_they_are_seen_to_come() -> None:
    waiting = Backlog()
    waiting.left(100)
    assert waiting.pending == 0
    assert expected_wait(waiting, None, model(), 0.0) == 0.0
    waiting.came(100)
    assert (waiting.jobs, waiting.shots) == (0, 0)
