"""The daemon's metrics by OTLP have the values, names and units that the catalogue and `/metrics` have."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from qwatch.exporters.otlp_metrics import OtlpMetricsSender, metrics_data
from qwatch.telemetry import device_metrics, job_metrics, own_metrics
from qwatch.telemetry.catalogue import Kind, by_prometheus_name, catalogue
from qwatch.telemetry.instruments import Instruments
from qwatch.telemetry.otlp import OtlpTarget, metric_exporter

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def by_otlp(metrics: Iterable[Metric]) -> Values:
    """Return the samples that a Prometheus would make of OTLP's metrics, by the standard translation."""
    spelled = {entry.name: entry for entry in catalogue()}
    found: Values = {}
    for metric in metrics:
        entry = spelled.get(metric.name)
        name = metric.name if entry is None else entry.prometheus_name
        assert entry is None or metric.unit == entry.unit
        points: Any = metric.gauge.data_points or metric.sum.data_points or metric.histogram.data_points
        for point in points:
            labels = {item.key: item.value.string_value for item in point.attributes}
            if not metric.HasField("histogram"):
                found[name, tuple(sorted(labels.items()))] = point.as_double
                continue
            assert sum(point.bucket_counts) == point.count
            total = 0
            for bound, count in zip([*point.explicit_bounds, float("inf")], point.bucket_counts, strict=True):
                total += count
                found[f"{name}_bucket", tuple(sorted((labels | {"le": str(bound)}).items()))] = total
            found[f"{name}_count", tuple(sorted(labels.items()))] = point.count
            found[f"{name}_sum", tuple(sorted(labels.items()))] = point.sum
    return found


def by_text(text: str) -> Values:
    found: Values = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = dict(sample.labels)
            if "le" in labels:
                labels["le"] = str(float(labels["le"]))
            found[sample.name, tuple(sorted(labels.items()))] = sample.value
    return found


def sent(registry: Collector) -> list[Metric]:
    data = encode_metrics(metrics_data(registry, Resource({"service.name": "qwatch"}), 1))
    return [item for found in data.resource_metrics for scope in found.scope_metrics for item in scope.metrics]


def some_labels(entry: Any) -> dict[str, str]:
    return {label.name: label.values[0] if label.values else "FRESNEL" for label in entry.labels}


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([entry for entry in catalogue() if entry.kind is not Kind.GAUGE]),
            st.floats(min_value=0, max_value=1e6),
        ),
        max_size=30,
    )
)
def test_whatever_is_counted_and_observed_is_the_same_by_both_paths(observed: list[tuple[Any, float]]) -> None:
    registry = CollectorRegistry()
    instruments = Instruments(registry)
    for entry, value in observed:
        if entry.kind is Kind.COUNTER:
            instruments.add(entry, value, **some_labels(entry))
        else:
            instruments.observe(entry, value, {"trace_id": TRACE}, **some_labels(entry))
    assert by_otlp(sent(registry)) == by_text(generate_latest(registry).decode())


def test_kinds_units_and_help_are_the_catalogue_s() -> None:
    registry = CollectorRegistry()
    instruments = Instruments(registry)
    instruments.add(job_metrics.SUBMITTED, 3, qpu_id="FRESNEL", job_class="test")
    instruments.observe(job_metrics.WAIT, 12.0, {"trace_id": TRACE}, qpu_id="FRESNEL", job_class="test")
    found = {metric.name: metric for metric in sent(registry)}
    submitted, wait = found["qpu.jobs.submitted"], found["qpu.job.wait.duration"]
    assert submitted.unit == "{job}"
    assert submitted.description == job_metrics.SUBMITTED.help
    assert submitted.sum.is_monotonic
    cumulative = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    assert submitted.sum.aggregation_temporality == wait.histogram.aggregation_temporality == cumulative
    (point,) = wait.histogram.data_points
    assert wait.unit == "s"
    assert list(point.explicit_bounds) == list(job_metrics.WAIT.buckets)
    assert point.start_time_unix_nano == 1
    assert abs(point.time_unix_nano - time.time_ns()) < 60e9
    assert [item.trace_id.hex() for item in point.exemplars] == [TRACE]


class Site(Collector):
    """What a site's own collector exposes beside the catalogue."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily("cryostat_temperature_kelvin", "of the cold plate", labels=["stage"])
        family.add_metric(["4K"], 4.2)
        yield family


def test_a_metric_outside_the_catalogue_keeps_its_name() -> None:
    registry = CollectorRegistry()
    registry.register(Site())
    (metric,) = sent(registry)
    assert metric.name == "cryostat_temperature_kelvin"
    assert metric.gauge.data_points[0].as_double == 4.2


def test_a_receiver_that_is_down_is_counted_and_made_up_for(otlp: Any, reply: Any, eventually: Any) -> None:
    otlp.always = reply(500)
    registry = CollectorRegistry()
    instruments = Instruments(registry)
    dropped: Counter[str] = Counter()
    sender = OtlpMetricsSender(
        registry,
        metric_exporter(OtlpTarget(otlp.url)),
        Resource({"service.name": "qwatch"}),
        0.05,
        lambda reason, count: dropped.update({reason: count}),
    )
    instruments.add(job_metrics.SUBMITTED, 3, qpu_id="FRESNEL", job_class="test")
    sender.start()
    eventually(lambda: dropped["unreachable"] >= 3)
    otlp.always = None
    eventually(lambda: otlp.metric_requests)
    instruments.add(job_metrics.SUBMITTED, 4, qpu_id="FRESNEL", job_class="test")
    assert sender.shutdown()
    assert sender.shutdown()
    last = otlp.metric_requests[-1].resource_metrics[0].scope_metrics[0].metrics
    assert list(by_otlp(last).values()) == [7]


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_daemon_s_two_paths_agree(
    run_daemon: Any,
    run_device: Any,
    device_at: Any,
    sequence_text: str,
    wait_until: Any,
    otlp: Any,
    otlp_grpc: Any,
    protocol: str,
) -> None:
    receiver = otlp if protocol == "http/protobuf" else otlp_grpc
    telemetry = {
        "otlp_endpoint": receiver.url,
        "otlp_protocol": protocol,
        "otlp_metrics": True,
        "otlp_metrics_interval": 0.2,
        "otlp_headers": {"X-Scope-OrgID": "site"},
    }
    with (
        run_device(shot_rate=1e4) as qpu,
        run_daemon(devices=[device_at(qpu.url)], telemetry=telemetry) as daemon,
    ):
        number = daemon.submit(daemon.acquire(), sequence_text, 10)
        assert daemon.finished(number)["status"] == "DONE"

        def settled(values: Values) -> Values:
            """Leave out what time itself moves, and what the asking does."""
            moving = (
                device_metrics.TIME,
                own_metrics.STORE_DURATION,
                own_metrics.LAST_LOOP,
                own_metrics.LOOP_DURATION,
                own_metrics.HTTP_DURATION,
            )
            names = tuple(entry.prometheus_name for entry in moving)
            return {
                key: value
                for key, value in values.items()
                if not key[0].startswith((*names, "qwatch_host", "qwatch_collector"))
            }

        def newest() -> Values:
            if protocol == "grpc":
                requests = [item for item in receiver.requests if hasattr(item, "resource_metrics")]
            else:
                requests = receiver.metric_requests
            scopes = requests[-1].resource_metrics[0].scope_metrics if requests else []
            return by_otlp(scopes[0].metrics) if scopes else {}

        def agree() -> bool:
            scraped = httpx.get(f"{daemon.metrics_url}/metrics", timeout=30).text
            return settled(newest()) == settled(by_text(scraped)) != {}

        wait_until(agree, "the two paths never agree")
        names = {name for name, _ in newest()}
        known = by_prometheus_name()
        assert device_metrics.TIME.prometheus_name in names
        assert {name for name in known if f"{name}_bucket" in names or name in names} >= {
            entry.prometheus_name for entry in (job_metrics.SUBMITTED, job_metrics.FINISHED, job_metrics.RUN)
        }
        headers = receiver.metadata if protocol == "grpc" else receiver.headers
        assert headers[-1]["x-scope-orgid"] == "site"
        assert daemon.stop() == 0
