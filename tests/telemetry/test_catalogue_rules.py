"""The catalogue keeps the rules by which dashboards, alerts and sites rely on it."""

from __future__ import annotations

import re

import pytest

from qwatch.collectors.external_text import OUR_PREFIXES
from qwatch.telemetry import labels, own_metrics
from qwatch.telemetry.attributes import span_name
from qwatch.telemetry.catalogue import OTHER, Kind, Label, Metric, by_prometheus_name, catalogue
from qwatch.telemetry.job_metrics import WAIT_BUCKETS
from qwatch.telemetry.log_fields import FIELDS, STREAM_LABELS

ENTRIES = catalogue()
BASE_UNITS = ("seconds", "bytes", "hertz", "ratio", "celsius")
OTHER_UNITS = re.compile(
    r"_(milli|micro|nano|kilo|mega|giga|ms|us|ns|minutes|hours|days|percent|kb|mb|gb)(_|$)"
)
IDENTITIES = re.compile(
    r"(^|_)(job|jobs|session|user|uid|account|trace|span|pid|process_id|program|hash|error|message|token|peer|host)(_id)?$"
)
BOUNDED_BY_THE_SITE = {
    "qpu_id",
    "procedure",
    "vendor",
    "technology",
    "model",
    "route",
    "collector",
    "source",
    "device",
    "version",
    "revision",
    "schema",
    "sensor",
    "partition",
    "license",
    "gres",
    "metric",
}
BOUNDED_BY_THE_PROGRAM = {"measure", "phase"}
OPTED_IN = {"qpu.account.busy": "account"}
"""What identifies somebody and is exposed only for those that the site lists, a hundred at most."""

each_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)


def test_names_are_unique_in_both_spellings() -> None:
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES)
    assert len(by_prometheus_name()) == len(ENTRIES)


def test_no_name_is_a_series_of_another_metric() -> None:
    names = {entry.prometheus_name for entry in ENTRIES}
    derived = {
        f"{entry.prometheus_name}{suffix}"
        for entry in ENTRIES
        if entry.kind is Kind.HISTOGRAM
        for suffix in ("_bucket", "_sum", "_count", "_created")
    }
    assert not names & derived


@each_entry
def test_name_has_one_of_our_prefixes(entry: Metric) -> None:
    assert entry.name.startswith(("qpu.", "qrmi.", "qwatch.", "slurm.qpu."))
    assert entry.prometheus_name.startswith(OUR_PREFIXES)
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", entry.prometheus_name)


@each_entry
def test_counters_and_only_counters_end_in_total(entry: Metric) -> None:
    assert entry.prometheus_name.endswith("_total") == (entry.kind is Kind.COUNTER)
    assert not entry.name.endswith(".total")


@each_entry
def test_unit_is_a_base_unit_and_spelled_in_the_name(entry: Metric) -> None:
    assert not OTHER_UNITS.search(entry.prometheus_name)
    name = entry.prometheus_name.removesuffix("_total")
    spelled = {"s": "seconds", "By": "bytes", "Hz": "hertz", "1": "ratio", "Cel": "celsius"}
    if entry.unit in spelled:
        assert name.endswith(f"_{spelled[entry.unit]}")
    else:
        assert not name.endswith(BASE_UNITS)


@each_entry
def test_help_is_one_plain_line(entry: Metric) -> None:
    assert entry.help
    assert "\n" not in entry.help
    assert not entry.help.endswith(".")


@each_entry
def test_labels_are_bounded_and_identify_nobody(entry: Metric) -> None:
    assert len(set(entry.label_names)) == len(entry.labels)
    for label in entry.labels:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", label.name)
        assert label.help
        if OPTED_IN.get(entry.name) == label.name:
            continue
        assert not IDENTITIES.search(label.name), f"{label.name} would identify a job or a person"
        if label.values is None:
            bounded = BOUNDED_BY_THE_SITE
            if entry.name.startswith("qwatch.program."):
                bounded = BOUNDED_BY_THE_PROGRAM
            assert label.name in bounded, f"{label.name} has no enumeration"
        else:
            assert len(set(label.values)) == len(label.values) <= 64


@each_entry
def test_device_metrics_name_their_device(entry: Metric) -> None:
    if entry.name.startswith("qpu."):
        assert entry.label_names[0] == "qpu_id"


@each_entry
def test_buckets_rise_and_belong_to_histograms(entry: Metric) -> None:
    assert bool(entry.buckets) == (entry.kind is Kind.HISTOGRAM)
    assert list(entry.buckets) == sorted(set(entry.buckets))
    assert all(bound > 0 for bound in entry.buckets)
    assert len(entry.buckets) <= 20


@each_entry
def test_timestamps_are_gauges_in_seconds(entry: Metric) -> None:
    if "timestamp" in entry.name:
        assert entry.kind is Kind.GAUGE
        assert entry.prometheus_name.endswith("_timestamp_seconds")


def test_wait_buckets_reach_from_a_second_to_a_day_and_hold_the_hour() -> None:
    assert WAIT_BUCKETS[0] == 1.0
    assert WAIT_BUCKETS[-1] == 86400.0
    assert 3600.0 in WAIT_BUCKETS


def test_only_histograms_of_jobs_have_exemplars() -> None:
    for entry in ENTRIES:
        if entry.exemplars:
            assert entry.kind is Kind.HISTOGRAM


def test_state_enumerations_hold_the_unknown() -> None:
    assert "unknown" in labels.DEVICE_STATES
    assert "unknown" in labels.ACTIVITIES


def test_drop_reasons_and_signals_are_those_of_the_exporters() -> None:
    assert own_metrics.TELEMETRY_DROPPED.label_names == ("signal", "reason")
    assert set(labels.SIGNAL.values or ()) == {"traces", "metrics", "logs"}


def test_stream_labels_are_three_and_no_identity() -> None:
    assert STREAM_LABELS == ("service_name", "qpu_id", "level")
    assert len(set(FIELDS)) == len(FIELDS)


def test_translation_of_names() -> None:
    assert Metric("a.b", Kind.COUNTER, "s", "help").prometheus_name == "a_b_seconds_total"
    assert Metric("a.b", Kind.COUNTER, "{job}", "help").prometheus_name == "a_b_total"
    assert Metric("a.b", Kind.GAUGE, "1", "help").prometheus_name == "a_b_ratio"
    assert Metric("a.seconds", Kind.GAUGE, "s", "help").prometheus_name == "a_seconds"
    assert Metric("a.b", Kind.GAUGE, "", "help").prometheus_name == "a_b"


@pytest.mark.parametrize("unit", ["ms", "MHz", "%", "seconds"])
def test_a_unit_that_is_no_base_unit_is_refused(unit: str) -> None:
    with pytest.raises(ValueError, match="not a base unit"):
        Metric("a.b", Kind.GAUGE, unit, "help")


def test_buckets_are_for_histograms() -> None:
    with pytest.raises(ValueError, match="histogram"):
        Metric("a.b", Kind.GAUGE, "s", "help", buckets=(1.0,))
    with pytest.raises(ValueError, match="histogram"):
        Metric("a.b", Kind.HISTOGRAM, "s", "help")


def test_values_outside_an_enumeration_become_other() -> None:
    closed = Label("state", ("on", "off"), "help")
    open_ = Label("qpu_id", None, "help")
    metric = Metric("a.b", Kind.GAUGE, "", "help", (open_, closed))
    assert metric.label_values({"state": "on", "qpu_id": "X"}) == ("X", "on")
    assert metric.label_values({"state": "burning", "qpu_id": "X"}) == ("X", OTHER)


@pytest.mark.parametrize("given", [{}, {"state": "on", "more": "x"}, {"other": "on"}])
def test_wrong_labels_are_an_error(given: dict[str, str]) -> None:
    metric = Metric("a.b", Kind.GAUGE, "", "help", (Label("state", ("on",), "help"),))
    with pytest.raises(KeyError):
        metric.label_values(given)


def test_span_names_carry_the_device() -> None:
    assert span_name("queue", "FRESNEL") == "queue FRESNEL"
