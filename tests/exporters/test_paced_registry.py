"""A registry read in small steps: the same families, and pauses only where the reading takes its time."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from qwatch.exporters.paced_registry import LONGEST_STEP, TURN, PacedRegistry


def registry_of(families: int) -> CollectorRegistry:
    registry = CollectorRegistry()
    for number in range(families):
        Gauge(f"family_{number}", "for a test", registry=registry).set(number)
    return registry


def test_the_text_is_the_same() -> None:
    registry = registry_of(50)

    assert generate_latest(PacedRegistry(registry)) == generate_latest(registry)


def test_others_get_a_turn_after_each_step_of_slow_work() -> None:
    pauses: list[float] = []

    for _ in PacedRegistry(registry_of(5), pauses.append).collect():
        time.sleep(2 * LONGEST_STEP)

    assert pauses == [TURN] * 5


def test_steps_are_summed_up_until_they_are_long_enough() -> None:
    pauses: list[float] = []
    families = 20

    for _ in PacedRegistry(registry_of(families), pauses.append).collect():
        time.sleep(LONGEST_STEP / 4)

    assert 0 < len(pauses) < families
