"""Wall time by activity: every second once, never moved, also over restarts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine

from qwatch.scheduler import activity, device_record, tables
from qwatch.scheduler.activity import ActivityClock, Partition
from qwatch.telemetry.labels import ACTIVITIES

steps = st.floats(min_value=0, max_value=1e6, allow_nan=False)
turns = st.one_of(st.none(), st.sampled_from(ACTIVITIES))


class SettableClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(events=st.lists(st.tuples(steps, turns), max_size=60))
def test_the_seconds_sum_to_the_elapsed_time_and_never_fall(events: list[tuple[float, str | None]]) -> None:
    now = SettableClock()
    clock = ActivityClock(monotonic=now)
    before = clock.seconds()
    elapsed = 0.0
    for step, turn in events:
        now.now += step
        elapsed += step
        held = clock.activity
        if turn is None:
            after = clock.seconds()
        else:
            assert clock.turn_to(turn) is (turn != held)
            after = clock.seconds()
        assert sum(after.values()) == pytest.approx(elapsed, rel=1e-9, abs=1e-6)
        for name in ACTIVITIES:
            assert after[name] >= before[name]
            if name != held:
                assert after[name] == before[name], "a second is never attributed to what did not hold"
        before = after


@given(events=st.lists(st.tuples(st.floats(-1e6, 1e6), turns), max_size=60))
def test_a_clock_that_steps_back_takes_nothing_away(events: list[tuple[float, str | None]]) -> None:
    now = SettableClock()
    clock = ActivityClock(monotonic=now)
    before = clock.seconds()
    for step, turn in events:
        now.now += step
        if turn is not None:
            clock.turn_to(turn)
        after = clock.seconds()
        assert all(after[name] >= before[name] for name in ACTIVITIES)
        before = after


@given(word=st.text(max_size=20).filter(lambda word: word not in ACTIVITIES))
def test_an_activity_outside_the_vocabulary_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="is not one of"):
        ActivityClock().turn_to(word)


@pytest.fixture(scope="module")
def database() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    tables.metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@given(
    stored=st.dictionaries(st.sampled_from(ACTIVITIES), st.floats(0, 1e9), min_size=1),
    gap=st.floats(-1e6, 1e6),
)
@settings(deadline=None)
def test_a_restart_adds_the_time_without_a_daemon_to_unknown(
    database: Connection, stored: dict[str, float], gap: float
) -> None:
    device_record.load_or_create(database, "EMU")
    whole = dict.fromkeys(ACTIVITIES, 0.0) | stored
    activity.save(database, [Partition("EMU", whole, 5e6)])
    loaded = activity.load(database, "EMU", 5e6 + gap)
    expected = whole | {"unknown": whole["unknown"] + max(gap, 0.0)}
    assert loaded == pytest.approx(expected, abs=1e-6)
    now = SettableClock()
    clock = ActivityClock(loaded, monotonic=now)
    assert clock.activity == "unknown"
    assert clock.seconds() == pytest.approx(expected, abs=1e-6)


def test_a_device_that_was_never_seen_begins_at_zero(database: Connection) -> None:
    device_record.load_or_create(database, "NEW")
    assert sum(activity.load(database, "NEW", 1e9).values()) == 0


def test_devices_that_are_stored_together_keep_their_own_time(database: Connection) -> None:
    for name in ("ONE", "TWO"):
        device_record.load_or_create(database, name)
    none = dict.fromkeys(ACTIVITIES, 0.0)
    partitions = [("ONE", 1.0, 5.0), ("TWO", 2.0, 6.0), ("ONE", 3.0, 7.0)]
    activity.save(database, [Partition(name, none | {"idle": spent}, at) for name, spent, at in partitions])
    assert activity.load(database, "ONE", 7.0) == none | {"idle": 3.0}
    assert activity.load(database, "TWO", 8.0) == none | {"idle": 2.0, "unknown": 2.0}
