"""PromQL is made from the catalogue: what is not in it does not pass."""

from __future__ import annotations

import pytest

from qwatch.telemetry import device_metrics, job_metrics, promql

FRESNEL = {"qpu_id": "FRESNEL"}


def test_selector_names_metric_labels_and_window() -> None:
    given: promql.Matches = {**FRESNEL, "activity": promql.none_of("fault", "unknown")}
    assert (
        promql.select(device_metrics.TIME, given, "5m")
        == 'qpu_time_seconds_total{qpu_id="FRESNEL",activity!~"fault|unknown"}[5m]'
    )


def test_variables_are_not_checked_against_the_enumeration() -> None:
    given = {
        "qpu_id": promql.variable("qpu_id"),
        "job_class": promql.variable("job_class", multiple=True),
    }
    assert (
        promql.select(job_metrics.SUBMITTED, given)
        == 'qpu_jobs_submitted_total{qpu_id="$qpu_id",job_class=~"$job_class"}'
    )


def test_label_that_the_metric_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="qpu_up has no label activity; it has qpu_id"):
        promql.select(device_metrics.UP, {"activity": "idle"})


@pytest.mark.parametrize("wanted", ["exeute", promql.one_of("execute", "exeute")])
def test_value_outside_the_enumeration_is_refused(wanted: str | promql.Match) -> None:
    with pytest.raises(ValueError, match="activity is never exeute"):
        promql.select(device_metrics.TIME, {"activity": wanted})


def test_quantile_wants_a_histogram() -> None:
    with pytest.raises(ValueError, match="not a histogram"):
        promql.quantile(0.9, device_metrics.TIME, FRESNEL, "5m")


def test_age_wants_a_timestamp() -> None:
    with pytest.raises(ValueError, match="not a timestamp"):
        promql.age(device_metrics.UP, FRESNEL)


def test_state_number_counts_in_the_order_of_the_enumeration() -> None:
    assert promql.state_number(device_metrics.STATE, "state", FRESNEL) == (
        'max((qpu_state{qpu_id="FRESNEL",state="online"} == 1) * 0'
        ' or (qpu_state{qpu_id="FRESNEL",state="paused"} == 1) * 1'
        ' or (qpu_state{qpu_id="FRESNEL",state="offline"} == 1) * 2'
        ' or (qpu_state{qpu_id="FRESNEL",state="unknown"} == 1) * 3)'
    )


def test_state_number_wants_an_enumeration() -> None:
    with pytest.raises(ValueError, match="vendor is not an enumeration"):
        promql.state_number(device_metrics.INFO, "vendor", FRESNEL)


@pytest.mark.parametrize(
    ("ratio", "part", "whole"),
    [
        (promql.UTILIZATION, 'activity="execute"', ""),
        (promql.AVAILABLE_UTILIZATION, 'activity="execute"', 'activity!~"fault|maintenance|unknown"'),
        (promql.DISPATCH_EFFICIENCY, 'activity="execute"', 'activity=~"execute|dispatch"'),
    ],
    ids=lambda value: value.name if isinstance(value, promql.TimeRatio) else "",
)
def test_the_three_definitions_of_utilization(ratio: promql.TimeRatio, part: str, whole: str) -> None:
    def increase(matcher: str) -> str:
        labels = f"{{{matcher}}}" if matcher else ""
        return f"sum(increase(qpu_time_seconds_total{labels}[1h]))"

    assert ratio.over("1h", {}) == f"{increase(part)} / ({increase(whole)} > 0)"
