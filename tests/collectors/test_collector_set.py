"""Each collector fails alone: whatever one does, the scrape and the other collectors go on."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from qwatch.collectors.interface import Collector, Sample
from qwatch.collectors.registry import CollectorSet
from qwatch.telemetry import device_metrics, job_metrics, own_metrics
from qwatch.telemetry.catalogue import Kind, Label, Metric
from qwatch.telemetry.instruments import Instruments

UP = device_metrics.UP
TIME = device_metrics.TIME


class Scripted:
    """A collector that runs the function it was given."""

    def __init__(
        self, name: str, collect: Callable[[], Iterable[Sample]], metrics: tuple[Metric, ...] = (UP, TIME)
    ) -> None:
        self.name = name
        self.metrics = metrics
        self.run = collect

    def collect(self) -> Iterable[Sample]:
        return self.run()


def up(qpu_id: str, value: float = 1.0) -> list[Sample]:
    return [Sample(UP, {"qpu_id": qpu_id}, value)]


def failing() -> Iterable[Sample]:
    raise OSError("no\nanswer")


def scrape(*collectors: Collector, **options: object) -> dict[tuple[str, ...], float]:
    """Return every series of one scrape by name and label values."""
    return series(CollectorSet(collectors, **options))  # type: ignore[arg-type]


def series(collector_set: CollectorSet) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in collector_set.collect()
        for sample in family.samples
    }


def test_samples_become_families_by_entry() -> None:
    found = scrape(
        Scripted("a", lambda: [*up("FRESNEL"), Sample(TIME, {"activity": "idle", "qpu_id": "FRESNEL"}, 7)])
    )
    assert found["qpu_up", "FRESNEL"] == 1
    assert found["qpu_time_seconds_total", "FRESNEL", "idle"] == 7
    assert found["qwatch_collector_success", "a"] == 1
    assert found["qwatch_collector_duration_seconds", "a"] >= 0
    assert found["qwatch_collector_last_success_timestamp_seconds", "a"] == pytest.approx(time.time(), abs=60)


def test_one_family_for_the_devices_of_several_collectors() -> None:
    registry = CollectorRegistry()
    registry.register(CollectorSet([Scripted("a", lambda: up("FRESNEL")), Scripted("b", lambda: up("EMU"))]))
    text = generate_latest(registry).decode()
    assert text.count("# TYPE qpu_up gauge") == 1
    assert 'qpu_up{qpu_id="FRESNEL"} 1.0\nqpu_up{qpu_id="EMU"} 1.0\n' in text
    names = [family.name for family in parse_openmetrics(generate_openmetrics(registry).decode())]
    assert len(set(names)) == len(names)


def undeclared() -> Iterator[Sample]:
    yield from up("X")
    yield Sample(device_metrics.HEALTHY, {"qpu_id": "X"}, 1)


def duplicate() -> Iterator[Sample]:
    yield from up("X")
    yield from up("X", 0.0)


def half_way() -> Iterator[Sample]:
    yield from up("X")
    raise ValueError("half way")


BAD: dict[str, tuple[Callable[[], Iterable[Sample]], str]] = {
    "raises": (failing, "OSError: no answer"),
    "raises half way": (half_way, "ValueError: half way"),
    "undeclared": (undeclared, "qpu_healthy, which it does not declare"),
    "duplicate": (duplicate, "twice"),
    "missing label": (lambda: [Sample(UP, {}, 1)], "labels"),
    "wrong label": (lambda: [Sample(UP, {"user": "ada"}, 1)], "labels"),
    "label no text": (lambda: [Sample(UP, {"qpu_id": 7}, 1)], "no text"),  # type: ignore[dict-item]
    "label no text in an enumeration": (
        lambda: [Sample(TIME, {"qpu_id": "X", "activity": None}, 1)],  # type: ignore[dict-item]
        "no text",
    ),
    "value no number": (lambda: [Sample(UP, {"qpu_id": "X"}, "many")], "ValueError"),  # type: ignore[arg-type]
    "no iterable": (lambda: None, "TypeError"),  # type: ignore[dict-item,return-value]
    "exits": (lambda: sys.exit(1), "SystemExit"),
    "series of another": (lambda: up("FRESNEL"), "that the collector good emits too"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_collector_fails_alone(case: str, caplog: pytest.LogCaptureFixture) -> None:
    collect, reason = BAD[case]
    found = scrape(
        Scripted("good", lambda: up("FRESNEL")),
        Scripted("bad", collect),
        Scripted("too", lambda: up("EMU")),
    )
    assert found["qpu_up", "FRESNEL"] == 1
    assert found["qpu_up", "EMU"] == 1
    assert ("qpu_up", "X") not in found
    assert found["qwatch_collector_success", "bad"] == 0
    assert found["qwatch_collector_success", "good"] == 1
    assert found["qwatch_collector_success", "too"] == 1
    assert ("qwatch_collector_last_success_timestamp_seconds", "bad") not in found
    (record,) = caplog.records
    assert reason in record.getMessage()
    assert "\n" not in record.getMessage()
    assert record.__dict__["collector"] == "bad"


def test_a_streak_of_failures_is_told_at_its_beginning_and_end(caplog: pytest.LogCaptureFixture) -> None:
    collector = Scripted("a", lambda: up("FRESNEL"))
    collectors = CollectorSet([collector])
    with caplog.at_level(logging.INFO, logger="qwatch.collectors"):
        first = series(collectors)["qwatch_collector_last_success_timestamp_seconds", "a"]
        collector.run = failing
        for _ in range(5):
            found = series(collectors)
            assert found["qwatch_collector_success", "a"] == 0
            assert found["qwatch_collector_last_success_timestamp_seconds", "a"] == first
        collector.run = lambda: up("FRESNEL")
        series(collectors)
        collector.run = failing
        series(collectors)
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO", "ERROR"]
    assert "after 5 failures" in caplog.records[1].getMessage()


def test_a_collector_that_hangs_fails_alone_and_runs_once(caplog: pytest.LogCaptureFixture) -> None:
    let_go = threading.Event()
    runs: list[int] = []

    def hang() -> Iterable[Sample]:
        runs.append(1)
        let_go.wait(60)
        return up("SLOW")

    collectors = CollectorSet([Scripted("slow", hang), Scripted("good", lambda: up("FRESNEL"))], timeout=0.5)
    try:
        for _ in range(3):
            found = series(collectors)
            assert found["qpu_up", "FRESNEL"] == 1
            assert found["qwatch_collector_success", "slow"] == 0
            assert found["qwatch_collector_duration_seconds", "slow"] >= 0.5
        assert len(runs) == 1
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert "still running" in caplog.text
    finally:
        let_go.set()
    deadline = time.monotonic() + 30
    while series(collectors)["qwatch_collector_success", "slow"] == 0:
        assert time.monotonic() < deadline


def test_scrapes_at_the_same_time_share_an_update() -> None:
    running = threading.Lock()
    overlaps: list[int] = []
    count = iter(range(10**6))

    def collect() -> Iterable[Sample]:
        if not running.acquire(blocking=False):
            overlaps.append(1)
            return []
        try:
            time.sleep(0.005)
            return [Sample(TIME, {"qpu_id": "FRESNEL", "activity": "idle"}, next(count))]
        finally:
            running.release()

    registry = CollectorRegistry()
    registry.register(CollectorSet([Scripted("a", collect), Scripted("b", failing)]))
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda _: generate_latest(registry).decode(), range(80)))
    assert not overlaps
    for text in texts:
        assert text.count("qpu_time_seconds_total{") == 1
        assert 'qwatch_collector_success{collector="a"} 1.0' in text
        assert 'qwatch_collector_success{collector="b"} 0.0' in text


def test_values_outside_the_enumeration_add_up_in_other() -> None:
    things = Metric(
        "qwatch.test.things", Kind.GAUGE, "{thing}", "Things", (Label("kind", ("a", "other"), "help"),)
    )

    def collect() -> Iterable[Sample]:
        return [Sample(things, {"kind": kind}, 2) for kind in ("a", "b", "c", "other")]

    found = scrape(Scripted("s", collect, (things,)))
    assert found["qwatch_test_things", "a"] == 2
    assert found["qwatch_test_things", "other"] == 6


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=20))
def test_any_text_of_a_label_leaves_the_exposition_readable(text: str) -> None:
    registry = CollectorRegistry()
    registry.register(CollectorSet([Scripted("s", lambda: up(text))]))
    generate_latest(registry).decode()
    families = list(parse_openmetrics(generate_openmetrics(registry).decode()))
    assert families[0].name == "qpu_up"


def test_collectors_are_switched_off_by_name(caplog: pytest.LogCaptureFixture) -> None:
    collectors = CollectorSet(
        [Scripted("a", lambda: up("FRESNEL")), Scripted("b", failing)], disabled=("b", "slurm")
    )
    assert collectors.names == ("a",)
    assert ("qwatch_collector_success", "b") not in series(collectors)
    (record,) = caplog.records
    assert "slurm" in record.getMessage()


def test_names_are_unique() -> None:
    with pytest.raises(ValueError, match="two collectors"):
        CollectorSet([Scripted("a", list), Scripted("a", list)])


def test_a_histogram_is_refused() -> None:
    with pytest.raises(ValueError, match="histogram"):
        CollectorSet([Scripted("a", list, (job_metrics.WAIT,))])


def test_a_clash_with_an_instrument_is_found_at_registration() -> None:
    registry = CollectorRegistry()
    Instruments(registry).add(job_metrics.SUBMITTED, 0, qpu_id="FRESNEL", job_class="test")
    with pytest.raises(ValueError, match="qpu_jobs_submitted"):
        registry.register(CollectorSet([Scripted("a", list, (job_metrics.SUBMITTED,))]))


def test_no_collectors_is_a_valid_set() -> None:
    registry = CollectorRegistry()
    registry.register(CollectorSet([]))
    assert own_metrics.COLLECTOR_SUCCESS.prometheus_name in generate_latest(registry).decode()


def test_a_thread_that_cannot_start_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    collectors = CollectorSet([Scripted("a", lambda: up("FRESNEL"))])
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert series(collectors)["qwatch_collector_success", "a"] == 0
