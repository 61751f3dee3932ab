"""No metric has more series than it may have; what is left out is counted, and the rest does not flap."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from qwatch.collectors.interface import Sample
from qwatch.collectors.registry import CollectorSet
from qwatch.collectors.series_limit import SeriesLimit
from qwatch.telemetry import labels, own_metrics
from qwatch.telemetry.catalogue import Kind, Label, Metric
from qwatch.telemetry.instruments import Instruments
from qwatch.telemetry.series_guard import SeriesGuard

PLACES = Metric("site.place", Kind.GAUGE, "", "Places", (Label("place", None, "help"),))
PARTS = Metric("site.part", Kind.GAUGE, "", "Parts", (labels.QPU_ID, Label("place", None, "help")))


class Emitting:
    """Emits a series for each of its places."""

    def __init__(self, name: str, metric: Metric, places: Iterable[str]) -> None:
        self.name = name
        self.metrics = (metric,)
        self.places = list(places)

    def collect(self) -> Iterable[Sample]:
        (metric,) = self.metrics
        more = {"qpu_id": "EMU"} if labels.QPU_ID in metric.labels else {}
        return [Sample(metric, {"place": place} | more, 1) for place in self.places]


class Scraped:
    """Collectors under a guard, with what was dropped."""

    def __init__(self, *collectors: Emitting, most: int, devices: int = 1) -> None:
        guard = SeriesGuard(most, devices)
        self.registry = CollectorRegistry()
        self.instruments = Instruments(self.registry, guard)
        self.registry.register(CollectorSet(collectors, guard=guard, dropped=self.instruments.dropped))

    def places(self) -> list[str]:
        return [
            sample.labels["place"]
            for family in self.registry.collect()
            for sample in family.samples
            if "place" in sample.labels
        ]

    def dropped(self, metric: Metric) -> float:
        return self.instruments.value(own_metrics.SERIES_DROPPED, metric=metric.prometheus_name)


def test_the_surplus_is_left_out_and_counted_at_every_scrape() -> None:
    site = Scraped(Emitting("a", PLACES, map(str, range(25))), most=10)
    assert site.places() == [str(number) for number in range(10)]
    assert site.dropped(PLACES) == 15
    site.places()
    assert site.dropped(PLACES) == 30


def test_the_limit_is_of_the_metric_whoever_emits_it() -> None:
    site = Scraped(Emitting("a", PLACES, "abcdefgh"), Emitting("b", PLACES, "ijkl"), most=10)
    assert len(site.places()) == 10
    assert site.dropped(PLACES) == 2


def test_a_metric_of_devices_may_have_so_many_for_each() -> None:
    site = Scraped(Emitting("a", PARTS, map(str, range(25))), most=10, devices=2)
    assert len(site.places()) == 20
    assert site.dropped(PARTS) == 5


def test_what_was_told_stays_and_what_goes_makes_room() -> None:
    emitting = Emitting("a", PLACES, ["x", "y"])
    site = Scraped(emitting, most=3)
    assert site.places() == ["x", "y"]
    emitting.places = ["a", "b", "c", "x", "y"]
    assert site.places() == ["a", "x", "y"]
    emitting.places = ["a", "b", "c", "y"]
    assert site.places() == ["a", "b", "y"]
    emitting.places = ["b"]
    assert site.places() == ["b"]


@given(st.lists(st.sets(st.text("abcdef", min_size=1, max_size=2), max_size=20), max_size=8), st.integers(1, 8))
def test_never_more_never_less_than_may_be_and_all_is_accounted_for(scrapes: list[set[str]], most: int) -> None:
    dropped: list[int] = []
    limit = SeriesLimit(SeriesGuard(most), lambda metric, count: dropped.append(count))
    before: set[tuple[str, ...]] = set()
    for places in scrapes:
        dropped.clear()
        given = {(place,): 1.0 for place in sorted(places)}
        kept = limit.within(PLACES, given)
        assert len(kept) == min(len(given), most)
        assert len(given) - len(kept) == sum(dropped)
        assert before & given.keys() <= kept.keys()
        before = set(kept)
