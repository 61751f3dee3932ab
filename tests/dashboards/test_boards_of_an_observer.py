"""Fed by an observer that only the QPU's own API tells something, boards show that and claim nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from qwatch.dashboards import generate
from qwatch.dashboards.grafana import Json
from qwatch.dashboards.panels.completeness import TOLD

NAME = "FRESNEL"
KNOWN = {
    "QPUs",
    "Not online",
    "Gone silent",
    "Every QPU",
    "Activity of each QPU",
    "Where the time of each QPU went",
    "Data of each QPU",
    "What each source tells",
}
"""Panels of Fleet that such an observer can fill."""
NOT_KNOWN = {"Waiting", "Oldest waiting job", "Dispatch efficiency", "Jobs waiting for each QPU"}
"""Panels of Fleet that would lie if they showed a number."""


@pytest.fixture(scope="module")
def prometheus(run_device: Any, run_daemon: Any, run_prometheus: Any, wait_until: Any) -> Iterator[Any]:
    """A Prometheus that scrapes an observer of a device, with nothing else beside it."""
    with run_device() as qpu:
        observed = {"name": NAME, "simulator": True, "qpu_api": {"url": qpu.url, "interval": 0.2}}
        with run_daemon(start=False, devices=[], observer={"devices": [observed]}) as daemon:
            daemon.write_configuration()
            daemon._verb = (*daemon._verb, "--role", "observer")
            daemon.spawn()
            wait_until(lambda: ready(daemon.metrics_url), "the observer does not get ready")
            with run_prometheus(daemon.metrics_url.removeprefix("http://")) as client:
                client.wait_for('qpu_state{state="online"} == 1')
                client.wait_for("increase(qpu_time_seconds_total[10s]) > 0")
                yield client


def ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", timeout=10).status_code == 200
    except httpx.HTTPError:
        return False


def panels(name: str) -> dict[str, Json]:
    board = generate.BOARDS[name]()
    every = [*board["panels"], *(inner for row in board["panels"] for inner in row.get("panels", []))]
    return {panel["title"]: panel for panel in every if panel["type"] != "row"}


def test_fleet_shows_what_is_told_and_nothing_else(prometheus: Any, as_grafana_sends: Any) -> None:
    fleet = panels("fleet")
    filled = {
        title
        for title in KNOWN | NOT_KNOWN
        if any(prometheus.series(as_grafana_sends(target["expr"])) for target in fleet[title]["targets"])
    }
    assert filled == KNOWN


def test_what_each_source_tells_is_true(prometheus: Any, as_grafana_sends: Any) -> None:
    table = panels("fleet")["What each source tells"]
    told = {
        title: float(prometheus.series(as_grafana_sends(target["expr"]))[0]["value"][1])
        for (title, _), target in zip(TOLD, table["targets"], strict=True)
    }
    assert {title for title, value in told.items() if value == 1} >= {"State", "Time"}
    assert {title for title, value in told.items() if value == 0} >= {"Queue", "Dispatch", "Quality"}


@pytest.mark.parametrize("name", sorted(generate.BOARDS))
def test_no_query_fails_for_want_of_data(name: str, prometheus: Any, as_grafana_sends: Any) -> None:
    for panel in panels(name).values():
        for target in panel["targets"]:
            if target["datasource"]["type"] == "prometheus":
                prometheus.series(as_grafana_sends(target["expr"]))
