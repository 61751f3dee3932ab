"""Every query of every board, asked of a real Prometheus that scraped a daemon at work, finds its data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from qwatch.dashboards import generate
from qwatch.dashboards.grafana import Json
from qwatch.telemetry.recorded_series import JOB_SUCCESS, QUEUE_WAIT

NAME = "FRESNEL"
SUMMARY = {
    "resource_type": "pasqal-local",
    "calls": [
        {"operation": "status", "error_type": "", "count": 3},
        {"operation": "target", "error_type": "QrmiError", "count": 1},
    ],
}
EMPTY_FIELDS = "\\t(null)\\tN/A\\tgres:qpu:1\\tN/A\\tN/A\\t"
PRINTED_BY_SLURM = {
    "squeue": f"77\\tquantum\\tRUNNING{EMPTY_FIELDS}\\n",
    "scontrol": "LicenseName=qpu Total=4 Used=1 Free=3 Reserved=0 Remote=no\\n",
    "sinfo": "node\\tqpu:1\\tqpu:0\\t\\n",
}
NOTHING_TO_TELL = {
    "Alerts that fire now": "all is well",
    "Maintenance ends in": "there is no maintenance",
    "Calls itself": "the on-premises API does not say",
    "Pending at the device": "the on-premises API does not say",
    "Slots free": "the on-premises API does not say",
    "Temperatures of the host": "a machine of tests may have no sensor",
    "Figures of merit of all programs, by OTLP": "no program sends metrics",
    "Phases of all programs, by OTLP": "no program sends metrics",
    "Quality measured": "no quality job ran",
    "Last good probe": "no quality job ran",
    "Benchmark fidelity": "no quality job ran",
    "Rabi deviation": "no quality job ran",
    "Rabi frequency deviation": "no quality job ran",
    "Rabi frequency": "no quality job ran",
    "Readout against spec.": "no quality job ran",
    "Readout error": "no quality job ran",
    "Detuning offset": "no quality job ran",
    "Register fill and preparation": "no quality job ran",
    "Coherence time": "no quality job ran",
    "Quality jobs": "no quality job ran",
    "Duration of quality jobs": "no quality job ran",
    "Age of quality samples": "no quality job ran",
    "Quality feed": "the device has no feed",
    "Calibration due in": "nobody told a calibration",
    "Calibrations": "nobody told a calibration",
    "Sources of the observer": "the daemon schedules itself",
    "Why jobs failed": "no job failed",
    "Ledger difference": "counters and ledger are compared now and then",
    "Counters against ledger": "counters and ledger are compared now and then",
}
"""Panels that may be empty after such a run, and why; those of logs and traces ask no Prometheus."""


@pytest.fixture(scope="module")
def busy(
    run_daemon: Any,
    run_device: Any,
    device_at: Any,
    sequence_text: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """A daemon with one device, on which every collector is switched on."""
    commands = tmp_path_factory.mktemp("slurm")
    for command, text in PRINTED_BY_SLURM.items():
        (commands / command).write_text(f"#!/bin/sh\nprintf '{text}'\n")
        (commands / command).chmod(0o755)
    with (
        run_device(shot_rate=100) as qpu,
        run_daemon(
            online=False,
            devices=[device_at(qpu.url, name=NAME, shot_rate=100)],
            metrics={"accounts": ["physics"]},
            slurm={"enabled": True, "commands": str(commands)},
        ) as daemon,
    ):
        daemon.until_online(NAME)
        yield daemon


@pytest.fixture(scope="module")
def prometheus(busy: Any, sequence_text: str, run_prometheus: Any) -> Iterator[Any]:
    """A Prometheus that saw the daemon at work."""
    with run_prometheus(busy.metrics_url.removeprefix("http://")) as client:
        client.wait_for("qpu_up == 1")
        # Of a histogram Prometheus counts what comes after its first sample.
        for _ in range(2):
            token = busy.acquire()
            busy.ok("POST", "/sessions/summary", json=SUMMARY, headers={"x-warden-session": token})
            busy.ok("DELETE", f"/sessions/{token}")
            client.wait_for("sum(qpu_session_duration_seconds_count) > 0")
        token = busy.acquire()
        for shots in (100, 120):
            busy.finished(busy.submit(token, sequence_text, shots))
        # One runs and others wait for as long as queries are asked.
        short = [busy.submit(token, sequence_text, 150) for _ in range(3)]
        kept = [busy.submit(token, sequence_text, 2000) for _ in range(4)]
        busy.finished(short[-1])
        busy.until(kept[0], "RUNNING")
        client.wait_for("qpu_running_job_start_timestamp_seconds")
        for series in (JOB_SUCCESS.budget_left, QUEUE_WAIT.budget_left, QUEUE_WAIT.burn_rate("3d")):
            client.wait_for(f"{series} and on () qwatch_scheduler_decisions_total")
        client.wait_for("increase(qpu_jobs_finished_total[60s]) > 0")
        yield client
        for number in reversed(kept):
            busy.client.post(f"/jobs/{number}/cancel")


def panels(board: Json) -> Iterator[Json]:
    for panel in board["panels"]:
        yield from (panel, *panel.get("panels", []))


def targets(panel: Json) -> list[str]:
    return [t["expr"] for t in panel.get("targets", []) if t["datasource"]["type"] == "prometheus"]


@pytest.mark.parametrize("name", sorted(generate.BOARDS))
def test_no_panel_is_empty_that_should_have_data(name: str, prometheus: Any, as_grafana_sends: Any) -> None:
    empty = {
        panel["title"]
        for panel in panels(generate.BOARDS[name]())
        if targets(panel) and not any(prometheus.series(as_grafana_sends(query)) for query in targets(panel))
    }
    assert empty - NOTHING_TO_TELL.keys() == set()


@pytest.mark.parametrize("name", sorted(generate.BOARDS))
def test_shares_are_shares(name: str, prometheus: Any, as_grafana_sends: Any) -> None:
    """What is drawn up to 100 % never lies above it."""
    for panel in panels(generate.BOARDS[name]()):
        if panel["type"] != "row" and panel["fieldConfig"]["defaults"].get("max") == 1:
            for query in targets(panel):
                for series in prometheus.series(as_grafana_sends(query)):
                    assert float(series["value"][1]) <= 1.01, (panel["title"], series)


def test_every_panel_that_may_be_empty_exists() -> None:
    titles = {panel["title"] for make in generate.BOARDS.values() for panel in panels(make())}
    assert NOTHING_TO_TELL.keys() <= titles
