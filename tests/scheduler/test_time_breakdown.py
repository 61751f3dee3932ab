"""The partition of a job's and of a session's time: it adds up whatever the times are."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwatch.scheduler.time_breakdown import (
    JOB_PARTS,
    SESSION_PARTS,
    JobTimes,
    SliceTimes,
    job_breakdown,
    job_intervals,
    session_breakdown,
)

NOW = 1000.0
moments = st.floats(min_value=0, max_value=NOW, allow_nan=False)
perhaps = st.none() | moments
slices = st.builds(
    SliceTimes,
    claimed_at=moments,
    posted_at=perhaps,
    started_at=perhaps,
    ended_at=perhaps,
    fetched_at=perhaps,
    given_back=st.booleans(),
)
any_jobs = st.builds(
    JobTimes, created_at=moments, ended_at=perhaps, fetched_at=perhaps, slices=st.lists(slices, max_size=4)
)
phases = st.lists(st.tuples(moments, moments), max_size=4)


@st.composite
def real_jobs(draw):
    """A job as the scheduler writes it: its moments follow each other."""
    times = sorted(draw(st.lists(moments, min_size=7, max_size=7)))
    created, claimed, posted, started, ended, seen, fetched = times
    reached = draw(st.integers(0, 7))
    one = SliceTimes(
        claimed,
        posted if reached > 2 else None,
        started if reached > 4 else None,
        ended if reached > 4 else None,
        seen if reached > 4 else None,
    )
    return JobTimes(
        created,
        seen if reached > 4 else None,
        fetched if reached > 5 else None,
        [one] if reached > 1 else [],
    )


@given(any_jobs)
def test_a_jobs_parts_follow_each_other_without_a_gap_and_add_up(job):
    found = job_breakdown(job, NOW)
    assert set(found.seconds) == set(JOB_PARTS)
    assert all(value >= 0 for value in found.seconds.values())
    assert sum(found.seconds.values()) == pytest.approx(found.end - found.begin)
    intervals = job_intervals(job, NOW)
    for one, following in itertools.pairwise(intervals):
        assert one.end == following.begin
        assert one.begin < one.end


@given(real_jobs())
def test_a_job_is_told_from_its_creation_to_its_last_known_moment(job):
    found = job_breakdown(job, NOW)
    assert found.begin == job.created_at
    if job.ended_at is None:
        assert found.end == NOW
    else:
        assert found.end == (job.fetched_at if job.fetched_at is not None else job.ended_at)
        (one,) = job.slices
        assert found.seconds["device"] == pytest.approx(one.ended_at - one.started_at)
        assert found.seconds["queue"] == pytest.approx(one.claimed_at - job.created_at)


@given(moments, perhaps, st.lists(any_jobs, max_size=5), phases)
def test_a_sessions_parts_add_up(begin, end, jobs, told):
    found = session_breakdown(begin, end, jobs, told, NOW)
    assert set(found.seconds) == set(SESSION_PARTS)
    assert all(value >= 0 for value in found.seconds.values())
    assert sum(found.seconds.values()) == pytest.approx(found.end - found.begin)
    assert found.begin <= begin
    assert found.end >= (NOW if end is None else end) or found.end == found.begin


@given(moments, st.lists(real_jobs(), max_size=5), phases)
def test_phases_move_time_between_classical_and_idle_and_nothing_else(begin, jobs, told):
    without = session_breakdown(begin, None, jobs, [], NOW).seconds
    with_them = session_breakdown(begin, None, jobs, told, NOW).seconds
    for part in JOB_PARTS:
        assert with_them[part] == pytest.approx(without[part])
    assert with_them["classical"] >= without["classical"] - 1e-6
    assert with_them["classical"] + with_them["idle"] == pytest.approx(without["classical"] + without["idle"])


@given(real_jobs())
def test_a_session_of_one_job_has_that_jobs_parts(job):
    alone = job_breakdown(job, NOW)
    found = session_breakdown(0.0, NOW, [job], [], NOW)
    for part in JOB_PARTS:
        assert found.seconds[part] == pytest.approx(alone.seconds[part])
    assert found.seconds["classical"] == pytest.approx(0)


def run(created: float, claimed: float, started: float, ended: float, fetched: float) -> JobTimes:
    one = SliceTimes(claimed, (claimed + started) / 2, started, ended, ended)
    return JobTimes(created, ended, fetched, [one])


def test_a_variational_loop():
    jobs = [run(10, 12, 13, 20, 21), run(25, 26, 27, 30, 32)]
    found = session_breakdown(0, 40, jobs, [], NOW)
    assert found.seconds == {"idle": 18, "queue": 3, "dispatch": 2, "device": 10, "fetch": 3, "classical": 4}
    # The program told that it prepared until 9 and worked on after the last fetch.
    told = session_breakdown(0, 40, jobs, [(2, 9), (30, 38)], NOW)
    assert told.seconds == found.seconds | {"classical": 17, "idle": 5}


def test_of_two_jobs_at_once_the_device_is_told():
    found = session_breakdown(0, 10, [run(0, 1, 2, 6, 6), run(0, 6, 7, 10, 10)], [], NOW)
    assert found.seconds == {"idle": 0, "classical": 0, "queue": 1, "dispatch": 2, "device": 7, "fetch": 0}


def test_a_job_that_was_given_back_waits_again():
    lost = SliceTimes(2, 3, given_back=True)
    job = JobTimes(0, 10, 12, [lost, SliceTimes(5, 6, 7, 9, 10)])
    assert job_breakdown(job, NOW).seconds == {"queue": 4, "dispatch": 3, "device": 2, "fetch": 3}


def test_a_job_that_the_device_refused_was_never_on_it():
    found = job_breakdown(JobTimes(0, 3, None, [SliceTimes(2, fetched_at=3)]), NOW)
    assert found.seconds == {"queue": 2, "dispatch": 1, "device": 0, "fetch": 0}


def test_a_job_that_runs_is_on_the_device_until_now():
    found = job_breakdown(JobTimes(0, None, None, [SliceTimes(2, 3)]), 10)
    assert found.seconds == {"queue": 2, "dispatch": 1, "device": 7, "fetch": 0}
    assert found.end == 10


def test_an_empty_session_is_idle():
    assert session_breakdown(5, None, [], [], 9).seconds["idle"] == 4


def test_jobs_that_outlive_their_session_are_told_to_their_end():
    found = session_breakdown(0, 1, [run(0, 2, 3, 8, 9)], [], NOW)
    assert (found.begin, found.end) == (0, 9)
