"""What a device does is what its sources tell together; where they tell nothing it is unknown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwatch.collectors.observer.device_picture import picture_of
from qwatch.collectors.observer.sighting import RunningJob, Sighting
from qwatch.telemetry.labels import ACTIVITIES, DEVICE_STATES

JOB = RunningJob("17", 100.0, "4")
RUNS = Sighting(runs=True, running=JOB, pending=3)
WAITS = Sighting(runs=False, pending=3)
EMPTY = Sighting(runs=False, pending=0)
UP = Sighting(operational=True, word="UP")
DOWN = Sighting(operational=False, word="LASER")
OPEN = Sighting(accessible=True, message="ok")
CLOSED = Sighting(accessible=False, message="closed on Monday")


@pytest.mark.parametrize(
    ("told", "state", "activity", "reason"),
    [
        ({}, "unknown", "unknown", ""),
        ({"peer_status": RUNS}, "unknown", "execute", ""),
        ({"peer_status": RUNS, "qpu_api": DOWN}, "offline", "execute", ""),
        ({"peer_status": WAITS, "qpu_api": UP}, "online", "dispatch", ""),
        ({"peer_status": WAITS, "qpu_api": DOWN}, "offline", "fault", "LASER"),
        ({"peer_status": WAITS, "peer_accessible": CLOSED}, "paused", "held", "closed on Monday"),
        ({"peer_status": WAITS, "qrmi": Sighting(operational=True, paused=True)}, "paused", "held", ""),
        ({"peer_status": EMPTY, "peer_accessible": OPEN}, "online", "idle", ""),
        ({"peer_status": EMPTY, "peer_accessible": CLOSED}, "paused", "idle", ""),
        ({"peer_accessible": OPEN}, "online", "unknown", ""),
        ({"qpu_api": UP}, "online", "unknown", ""),
        ({"qpu_api": DOWN}, "offline", "fault", "LASER"),
        ({"qrmi": Sighting(operational=True, runs=True)}, "online", "execute", ""),
        ({"qrmi": Sighting(operational=True, runs=False)}, "online", "unknown", ""),
    ],
)
def test_state_and_activity(told: dict[str, Sighting], state: str, activity: str, reason: str) -> None:
    found = picture_of(told)
    assert (found.state, found.activity, found.reason) == (state, activity, reason)


@pytest.mark.parametrize("told", [{}, {"peer_status": WAITS}, {"peer_status": EMPTY, "peer_accessible": OPEN}])
def test_a_device_that_is_asked_and_silent_is_unknown(told: dict[str, Sighting]) -> None:
    found = picture_of(told, device_is_asked=True)
    assert (found.state, found.activity) == ("unknown", "unknown")


def test_a_job_that_the_peer_sees_running_runs_also_while_the_device_is_silent() -> None:
    assert picture_of({"peer_status": RUNS}, device_is_asked=True).activity == "execute"


def test_the_database_is_believed_before_the_api() -> None:
    found = picture_of({"peer_status": RUNS, "peer_database": EMPTY})
    assert (found.activity, found.pending, found.running) == ("idle", 0, None)


def test_a_job_that_the_device_has_ended_does_not_run_though_the_peer_has_not_seen_it() -> None:
    ended = replace(UP, runs=False, running=RunningJob(None, 101.0, "4"))
    assert picture_of({"peer_status": RUNS, "qpu_api": ended}).activity == "dispatch"


def test_what_the_device_tells_of_another_job_says_nothing_of_this_one() -> None:
    other = replace(UP, runs=False, running=RunningJob(None, 50.0, "3"))
    found = picture_of({"peer_status": RUNS, "qpu_api": other})
    assert (found.activity, found.running) == ("execute", JOB)


def test_the_devices_own_start_is_believed_before_the_peers() -> None:
    device = replace(UP, runs=True, running=RunningJob(None, 102.5, "4"))
    found = picture_of({"peer_status": RUNS, "qpu_api": device}).running
    assert found == RunningJob("17", 102.5, "4")


tellings = st.builds(
    Sighting,
    operational=st.sampled_from([None, True, False]),
    paused=st.sampled_from([None, True, False]),
    accessible=st.sampled_from([None, True, False]),
    runs=st.sampled_from([None, True, False]),
    running=st.sampled_from([None, JOB]),
    pending=st.sampled_from([None, 0, 2]),
)
NAMES = ["peer_database", "peer_status", "peer_accessible", "qpu_api", "qrmi"]


@given(st.dictionaries(st.sampled_from(NAMES), tellings))
def test_whatever_is_told_the_picture_is_in_the_vocabulary_and_invents_nothing(
    told: dict[str, Sighting],
) -> None:
    found = picture_of(told)
    assert found.state in DEVICE_STATES
    assert found.activity in ACTIVITIES
    values = list(told.values())
    if found.activity == "execute":
        assert any(sighting.runs for sighting in values)
    if found.activity in ("idle", "dispatch", "held"):
        assert any(sighting.runs is not None for sighting in values)
        assert any(sighting.pending is not None for sighting in values)
    if found.pending is not None:
        assert found.pending in {sighting.pending for sighting in values}
