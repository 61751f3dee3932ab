"""A real Prometheus that scrapes the whole catalogue accepts every query of boards and rules, and answers."""

from __future__ import annotations

import http.server
import itertools
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from qwatch.dashboards import generate
from qwatch.telemetry.catalogue import Kind, Metric, catalogue
from qwatch.telemetry.recorded_series import QUEUE_WAIT

MOST_SERIES = 300
"""Of one metric; enough for every combination that boards and rules ask for."""
OF_LOGS_AND_TRACES: dict[str, set[str]] = {
    "my_jobs": {
        *("My jobs", "My jobs ended", "Failed", "Wait, median", "Run, median", "QPU time", "My wait and run"),
        *("My figures of merit", "Where the time of my programs went", "My newest log line"),
        *("My errors", "My log lines", "Traces of the Slurm job"),
    },
    "qpu": {"Log lines", "Traces"},
    "queue_and_scheduling": {"Log lines", "Traces"},
    "fleet": set(),
    "internals": {"Warnings and errors"},
    "objectives": set(),
    "utilization": set(),
}
"""Panels that ask no Prometheus, by board."""


def label_sets(metric: Metric) -> Iterator[dict[str, str]]:
    choices = [
        label.values or (("FRESNEL",) if label.name == "qpu_id" else ("any",)) for label in metric.labels
    ]
    for values in itertools.islice(itertools.product(*choices), MOST_SERIES):
        yield dict(zip(metric.label_names, values, strict=True))


def exposition(age: float) -> str:
    """Return every metric of the catalogue; counters and histograms grow with ``age`` (seconds)."""
    lines: list[str] = []

    def line(name: str, labels: dict[str, str], value: float) -> None:
        inside = ",".join(f'{label}="{text}"' for label, text in labels.items())
        lines.append(f"{name}{{{inside}}} {value}")

    for metric in catalogue():
        name = metric.prometheus_name
        for number, labels in enumerate(label_sets(metric)):
            if metric.kind is Kind.COUNTER:
                line(name, labels, age)
            elif metric.kind is Kind.GAUGE:
                line(name, labels, time.time() - 60 if name.endswith("_timestamp_seconds") else number == 0)
            else:
                for rank, bound in enumerate((*metric.buckets, float("inf")), start=1):
                    line(f"{name}_bucket", {**labels, "le": f"{bound:g}".replace("inf", "+Inf")}, age * rank)
                line(f"{name}_sum", labels, age)
                line(f"{name}_count", labels, age * (len(metric.buckets) + 1))
    return "\n".join(lines).replace("True", "1").replace("False", "0") + "\n"


@pytest.fixture(scope="module")
def exporter() -> Iterator[str]:
    """Serve the exposition; gives the address."""
    started = time.monotonic()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = exposition(time.monotonic() - started).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def prometheus(exporter: str, run_prometheus: Any) -> Iterator[Any]:
    """Run a Prometheus that scrapes the exporter and evaluates the rules each second."""
    with run_prometheus(exporter) as client:
        client.wait_for("rate(qpu_jobs_finished_total[10s])")
        client.wait_for("qpu_id:qpu_utilization:ratio_rate5m")
        client.wait_for(QUEUE_WAIT.budget_left)
        client.wait_for(QUEUE_WAIT.burn_rate("3d"))
        yield client


def queries() -> list[Any]:
    found = []
    for name, make in generate.BOARDS.items():
        board = make()
        annotations = board["annotations"]["list"]
        found += [pytest.param(a["expr"], False, id=f"{name}: {a['name']} (annotation)") for a in annotations]
        for panel in itertools.chain(board["panels"], *(p.get("panels", []) for p in board["panels"])):
            for target in panel.get("targets", []):
                if target["datasource"]["type"] == "prometheus":
                    where = f"{name}: {panel['title']} {target['refId']}"
                    found.append(pytest.param(target["expr"], True, id=where))
    return found


@pytest.mark.parametrize(("query", "answered"), queries())
def test_query_of_a_board_is_accepted_and_answered(
    query: str, answered: bool, prometheus: Any, as_grafana_sends: Any
) -> None:
    query = as_grafana_sends(query)
    # $1 is what label_replace found.
    assert not re.search(r"\$(?!\d)", query)
    found = prometheus.series(query)
    assert found or not answered, f"nothing for {query}"
    assert not [series for series in found if series["value"][1] == "NaN"]


@pytest.mark.parametrize("name", sorted(generate.BOARDS))
def test_only_panels_of_logs_and_traces_ask_no_prometheus(name: str) -> None:
    board = generate.BOARDS[name]()
    panels = [*board["panels"], *(inner for row in board["panels"] for inner in row.get("panels", []))]
    assert {
        panel["title"]
        for panel in panels
        if panel["type"] != "row"
        and not any(target["datasource"]["type"] == "prometheus" for target in panel["targets"])
    } == OF_LOGS_AND_TRACES[name]


def test_query_of_the_variable_for_the_device_finds_it(prometheus: Any) -> None:
    assert prometheus.get("label/qpu_id/values", **{"match[]": "qpu_info"}) == ["FRESNEL"]


def test_no_rule_fails_to_evaluate(prometheus: Any) -> None:
    groups = prometheus.get("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert rules
    deadline = time.monotonic() + 30
    while any(rule["health"] == "unknown" for rule in rules) and time.monotonic() < deadline:
        time.sleep(0.3)
        rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    unhealthy = {rule["name"]: rule.get("lastError", "") for rule in rules if rule["health"] != "ok"}
    assert unhealthy == {}


def test_every_recording_rule_records(prometheus: Any) -> None:
    recorded = [
        rule["name"]
        for group in prometheus.get("rules")["groups"]
        for rule in group["rules"]
        if rule["type"] == "recording"
    ]
    # Long windows are sums of steps, which are recorded every few seconds.
    deadline = time.monotonic() + 60
    while (
        missing := [name for name in recorded if not prometheus.series(name)]
    ) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert missing == []


def test_recorded_time_ratios_lie_between_0_and_1(prometheus: Any) -> None:
    for name in ("utilization", "available_utilization", "dispatch_efficiency"):
        ((_, value),) = (s["value"] for s in prometheus.series(f"qpu_id:qpu_{name}:ratio_rate5m"))
        assert 0 < float(value) < 1
