"""Instruments: addressed by catalogue entry, clamped, created with 0, safe under threads."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from qwatch.telemetry import device_metrics, job_metrics, own_metrics
from qwatch.telemetry.catalogue import Kind, Label, Metric
from qwatch.telemetry.instruments import Instruments
from qwatch.telemetry.series_guard import SeriesGuard


@pytest.fixture
def instruments() -> Instruments:
    return Instruments(CollectorRegistry())


def test_adding_zero_creates_the_series(instruments: Instruments) -> None:
    instruments.add(job_metrics.SUBMITTED, 0, qpu_id="FRESNEL", job_class="production")
    text = generate_latest(instruments.registry).decode()
    assert 'qpu_jobs_submitted_total{job_class="production",qpu_id="FRESNEL"} 0.0' in text


def test_values_outside_the_enumeration_add_up_in_other(instruments: Instruments) -> None:
    for reason in ("cosmic ray", "other", "gremlins"):
        instruments.add(own_metrics.TELEMETRY_DROPPED, 2, signal="logs", reason=reason)
    assert instruments.value(own_metrics.TELEMETRY_DROPPED, signal="logs", reason="other") == 6
    assert "cosmic" not in generate_latest(instruments.registry).decode()


def test_labels_must_be_those_declared(instruments: Instruments) -> None:
    with pytest.raises(KeyError):
        instruments.add(job_metrics.SUBMITTED, qpu_id="FRESNEL")
    with pytest.raises(KeyError):
        instruments.add(job_metrics.SUBMITTED, qpu_id="FRESNEL", user="ada")


def test_kinds_are_not_mixed(instruments: Instruments) -> None:
    with pytest.raises(TypeError):
        instruments.add(device_metrics.UP, qpu_id="FRESNEL")
    with pytest.raises(TypeError):
        instruments.observe(job_metrics.SUBMITTED, 1.0, qpu_id="FRESNEL", job_class="test")


def test_a_histogram_has_the_entry_s_buckets(instruments: Instruments) -> None:
    instruments.observe(job_metrics.WAIT, 3500.0, qpu_id="FRESNEL", job_class="test")
    text = generate_latest(instruments.registry).decode()
    for bound in job_metrics.WAIT_BUCKETS:
        assert f'le="{bound}"' in text
    assert "_created" not in text


def test_exemplars_only_where_the_entry_has_them(instruments: Instruments) -> None:
    exemplar = {"trace_id": "a" * 32}
    instruments.observe(job_metrics.WAIT, 1.0, exemplar, qpu_id="FRESNEL", job_class="test")
    instruments.observe(device_metrics.DISPATCH_GAP, 0.1, exemplar, qpu_id="FRESNEL")
    lines = generate_openmetrics(instruments.registry).decode().splitlines()
    with_exemplar = [line for line in lines if "trace_id" in line]
    assert [line.split("{")[0] for line in with_exemplar] == ["qpu_job_wait_duration_seconds_bucket"]
    assert "trace_id" not in generate_latest(instruments.registry).decode()


def test_a_metric_without_labels(instruments: Instruments) -> None:
    metric = Metric("qwatch.test.things", Kind.COUNTER, "{thing}", "Things")
    instruments.add(metric, 3)
    assert instruments.value(metric) == 3


class SlowRegistry(CollectorRegistry):
    """A registry that gives other threads time to come in between."""

    def register(self, collector: Collector) -> None:
        time.sleep(0.05)
        super().register(collector)


def test_first_use_by_many_threads_at_once() -> None:
    instruments = Instruments(SlowRegistry())

    def use(_: int) -> None:
        instruments.add(job_metrics.SUBMITTED, qpu_id="FRESNEL", job_class="test")
        instruments.observe(job_metrics.WAIT, 1.0, qpu_id="FRESNEL", job_class="test")

    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(use, range(8)))) == 8
    assert instruments.value(job_metrics.SUBMITTED, qpu_id="FRESNEL", job_class="test") == 8


def test_what_would_make_too_many_series_is_left_out_and_counted() -> None:
    things = Metric("qwatch.test.things", Kind.COUNTER, "{thing}", "Things", (Label("place", None, "where"),))
    times = Metric("qwatch.test.times", Kind.HISTOGRAM, "s", "Times", (Label("place", None, "where"),), (1.0,))
    instruments = Instruments(CollectorRegistry(), SeriesGuard(3))
    for round_ in range(2):
        for place in range(10):
            instruments.add(things, place=str(place))
            instruments.observe(times, 0.5, place=str(place))
        for metric in (things, times):
            left_out = instruments.value(own_metrics.SERIES_DROPPED, metric=metric.prometheus_name)
            assert left_out == 7 * (round_ + 1)
    text = generate_latest(instruments.registry).decode()
    assert text.count("qwatch_test_things_total{") == 3
    assert text.count("qwatch_test_times_seconds_count{") == 3
    assert instruments.value(things, place="2") == 2


def test_an_own_limit_for_each_device() -> None:
    guard = SeriesGuard(3, devices=100)
    assert guard.limit(job_metrics.SUBMITTED) == 300
    assert guard.limit(own_metrics.COLLECTOR_SUCCESS) == 3


def test_the_count_of_what_is_left_out_is_bounded_too() -> None:
    instruments = Instruments(CollectorRegistry(), SeriesGuard(3))
    for number in range(10):
        instruments.dropped(Metric(f"site.m{number}", Kind.GAUGE, "", "help"))
    assert generate_latest(instruments.registry).decode().count("qwatch_series_dropped_total{") == 3
