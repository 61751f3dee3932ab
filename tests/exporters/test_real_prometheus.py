"""A real Prometheus reads what the metrics port writes, exemplars included, and promtool finds no fault."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from prometheus_client import CollectorRegistry, generate_latest

from qwatch.collectors.interface import Sample
from qwatch.collectors.registry import CollectorSet
from qwatch.exporters.prometheus import metrics_application
from qwatch.telemetry import job_metrics
from qwatch.telemetry.catalogue import Kind, Metric, catalogue
from qwatch.telemetry.instruments import Instruments
from qwatch.telemetry.own_metrics import COLLECTOR_DURATION, COLLECTOR_LAST_SUCCESS, COLLECTOR_SUCCESS

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def some_labels(metric: Metric) -> dict[str, str]:
    return {label.name: label.values[0] if label.values else "FRESNEL" for label in metric.labels}


class EveryGauge:
    """Emits every gauge of the catalogue but those of the set itself."""

    name = "every"
    metrics = tuple(
        entry
        for entry in catalogue()
        if entry.kind is Kind.GAUGE
        and entry not in (COLLECTOR_SUCCESS, COLLECTOR_DURATION, COLLECTOR_LAST_SUCCESS)
    )

    def collect(self) -> Iterable[Sample]:
        for entry in self.metrics:
            yield Sample(entry, some_labels(entry), 1.0)


@pytest.fixture
def registry() -> CollectorRegistry:
    """A registry in which every entry of the catalogue has a series."""
    registry = CollectorRegistry()
    instruments = Instruments(registry)
    for entry in catalogue():
        if entry.kind is Kind.COUNTER:
            instruments.add(entry, 1, **some_labels(entry))
        elif entry.kind is Kind.HISTOGRAM:
            instruments.observe(entry, 1.0, {"trace_id": TRACE}, **some_labels(entry))
    registry.register(CollectorSet([EveryGauge()]))
    return registry


def test_promtool_finds_no_fault(registry: CollectorRegistry, require_program: Callable[..., Path]) -> None:
    promtool = require_program("promtool", package="prometheus")
    text = generate_latest(registry)
    names = {line.split()[2] for line in text.decode().splitlines() if line.startswith("# TYPE")}
    assert names == {entry.prometheus_name for entry in catalogue()}
    result = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr.decode()
    assert not result.stderr


@pytest.fixture
def served(registry: CollectorRegistry, free_port: Callable[[], int]) -> Iterator[int]:
    port = free_port()
    config = uvicorn.Config(metrics_application(registry), port=port, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield port
    server.should_exit = True
    thread.join(30)


@pytest.fixture
def prometheus(
    served: int, tmp_path: Path, free_port: Callable[[], int], require_program: Callable[..., Path]
) -> Iterator[str]:
    program = require_program("prometheus", package="prometheus")
    port = free_port()
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        "scrape_configs:\n"
        f"  - {{job_name: qwatch, static_configs: [{{targets: ['127.0.0.1:{served}']}}]}}\n"
    )
    with (tmp_path / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={configuration}",
                f"--storage.tsdb.path={tmp_path / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--enable-feature=exemplar-storage",
            ],
            stdout=log,
            stderr=log,
        )
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        process.wait(30)


def asked(url: str, found: Callable[[Any], bool]) -> Any:
    """Ask until the answer is as wanted."""
    deadline = time.monotonic() + 60
    data: Any = None
    while time.monotonic() < deadline:
        try:
            data = httpx.get(url, timeout=5).json()["data"]
            if found(data):
                return data
        except (httpx.HTTPError, ValueError):
            pass
        time.sleep(0.1)
    pytest.fail(f"{url} never answered as wanted: {data}")


def test_prometheus_scrapes_every_metric_and_its_exemplars(prometheus: str) -> None:
    targets = asked(
        f"{prometheus}/api/v1/targets",
        lambda data: any(target["health"] != "unknown" for target in data["activeTargets"]),
    )
    (target,) = targets["activeTargets"]
    assert target["health"] == "up", target["lastError"]
    names = set(asked(f"{prometheus}/api/v1/label/__name__/values", lambda data: "up" in data))
    for entry in catalogue():
        suffix = "_bucket" if entry.kind is Kind.HISTOGRAM else ""
        assert entry.prometheus_name + suffix in names
    # OpenMetrics writes 3600.0; the rules that match both spellings rely on it being there at all.
    hour = f'{job_metrics.WAIT.prometheus_name}_bucket{{le=~"3600(\\\\.0)?"}}'
    asked(f"{prometheus}/api/v1/query?query={httpx.QueryParams({'q': hour})['q']}", lambda data: data["result"])
    series = f"{job_metrics.WAIT.prometheus_name}_bucket"
    start, end = time.time() - 600, time.time() + 600
    (found, *_) = asked(f"{prometheus}/api/v1/query_exemplars?query={series}&start={start}&end={end}", bool)
    assert found["seriesLabels"]["qpu_id"] == "FRESNEL"
    assert found["exemplars"][0]["labels"] == {"trace_id": TRACE}
