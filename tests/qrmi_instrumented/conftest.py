"""The recording daemon, in-memory telemetry, and the environment of a job."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import qrmi
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from qwatch.qrmi.at_exit import end_open_spans
from qwatch.qrmi.measurements import MEASUREMENTS

from .north_server import TOKEN, NorthServer, serving


@pytest.fixture
def north() -> Iterator[NorthServer]:
    """A recording server of the daemon's protocol."""
    with serving() as server:
        yield server


@dataclass
class Telemetry:
    """Providers of a test and what they collected."""

    tracer_provider: TracerProvider
    meter_provider: MeterProvider
    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span

    def points(self, metric: str) -> list[Any]:
        MEASUREMENTS.hand_on()
        data = self.reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for item in scope.metrics
            if item.name == metric
            for point in item.data.data_points
        ]

    @property
    def providers(self) -> dict[str, Any]:
        return {"tracer_provider": self.tracer_provider, "meter_provider": self.meter_provider}


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """An SDK of its own, that exports to memory."""
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracer_provider = TracerProvider(shutdown_on_exit=False)
    tracer_provider.add_span_processor(SimpleSpanProcessor(exporter))
    meter_provider = MeterProvider([reader], shutdown_on_exit=False)
    yield Telemetry(tracer_provider, meter_provider, exporter, reader)
    end_open_spans()
    tracer_provider.shutdown()
    meter_provider.shutdown()


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if (
            name.startswith(("QRMI_", "SLURM_", "QWATCH_", "OTEL_"))
            or "_QRMI_" in name
            or name == "TRACEPARENT"
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """A token file as the daemon makes it."""
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def job_environment(north: NorthServer, munged: None, monkeypatch: pytest.MonkeyPatch) -> NorthServer:
    """The environment of a Slurm job with the QPU ``EMU`` behind the recording server."""
    for name, value in {
        "QRMI_JOB_QPU_RESOURCES": "EMU",
        "QRMI_JOB_QPU_TYPES": "pasqal-local",
        "QRMI_JOB_UID": str(os.getuid()),
        "QRMI_JOB_ID": "77",
        "EMU_QRMI_WARDEN_URL": f"{north.url}/devices/EMU",
    }.items():
        monkeypatch.setenv(name, value)
    return north


@pytest.fixture
def wheel_resource(job_environment: NorthServer) -> qrmi.QuantumResource:
    """The real wheel's resource, pointed at the recording server."""
    return qrmi.QuantumResource("EMU", qrmi.ResourceType.PasqalLocal)


@pytest.fixture
def payload() -> qrmi.Payload:
    """A payload of two atoms and 100 shots."""
    atoms = [{"name": f"q{number}", "x": 6.0 * number, "y": 0.0} for number in range(2)]
    return qrmi.Payload.PasqalCloud(sequence=json.dumps({"name": "p", "register": atoms}), job_runs=100)


@pytest.fixture
def run_task() -> Callable[[Any, qrmi.Payload], str]:
    """Runs a task to its end, as the Pulser connection does, and returns its result."""

    def run(resource: Any, payload: qrmi.Payload) -> str:
        identifier = resource.task_start(payload)
        while resource.task_status(identifier) in (qrmi.TaskStatus.Queued, qrmi.TaskStatus.Running):
            pass
        return str(resource.task_result(identifier).value)

    return run
