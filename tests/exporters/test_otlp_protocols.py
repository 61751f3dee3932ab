"""OTLP over gRPC as over HTTP, by setting or standard variable, and one clear line where it is missing."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic import ValidationError

from qwatch.exporters.settings import TelemetrySettings
from qwatch.telemetry.otlp import OtlpProtocolError, OtlpTarget, span_exporter

SCRIPT = """
    import json, logging, sys
    from opentelemetry import metrics, trace
    from qwatch.telemetry.identity import program_attributes
    from qwatch.telemetry.tracing import configure_tracing

    tracing = configure_tracing("vqe", resource_attributes=program_attributes(), export_metrics=True)
    with trace.get_tracer("test").start_as_current_span("task FRESNEL"):
        metrics.get_meter("test").create_histogram("qrmi.client.operation.duration", "s").record(0.5)
    print(tracing.shutdown(30))
"""


def run(**environment: str) -> str:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "QWATCH_"))}
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT)],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def attributes(resource: Any) -> dict[str, str]:
    return {item.key: item.value.string_value for item in resource.attributes}


def test_a_program_sends_spans_and_metrics_over_grpc_with_its_slurm_job(otlp_grpc: Any) -> None:
    job = {"SLURM_JOB_ID": "4711", "SLURM_CLUSTER_NAME": "jean-zay"}
    protocol = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_HEADERS": "x-scope-orgid=site"}
    assert run(OTEL_EXPORTER_OTLP_ENDPOINT=otlp_grpc.url, **protocol, **job) == "True"
    (spans,) = otlp_grpc.of(ExportTraceServiceRequest)
    (points,) = otlp_grpc.of(ExportMetricsServiceRequest)
    for resource in (spans.resource_spans[0].resource, points.resource_metrics[0].resource):
        found = attributes(resource)
        assert found["service.name"] == "vqe"
        assert (found["slurm.job.id"], found["slurm.cluster.name"]) == ("4711", "jean-zay")
        assert found["host.name"]
    assert all(found["x-scope-orgid"] == "site" for found in otlp_grpc.metadata)


def test_a_receiver_that_is_not_ready_is_asked_again(otlp_grpc: Any) -> None:
    otlp_grpc.failures = [grpc.StatusCode.UNAVAILABLE]
    where = {"OTEL_EXPORTER_OTLP_ENDPOINT": otlp_grpc.url, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert run(**where) == "True"
    assert len(otlp_grpc.of(ExportTraceServiceRequest)) == 1


def test_http_is_what_is_spoken_where_nothing_is_said(otlp: Any) -> None:
    assert run(OTEL_EXPORTER_OTLP_ENDPOINT=otlp.url) == "True"
    assert len(otlp.spans) == len(otlp.metric_requests) == 1


def test_an_unknown_protocol_of_the_environment_does_not_break_the_program(otlp: Any) -> None:
    assert run(OTEL_EXPORTER_OTLP_ENDPOINT=otlp.url, OTEL_EXPORTER_OTLP_PROTOCOL="http/json") == "True"
    assert not otlp.spans


def test_without_grpc_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if "grpc" in name else found(name))
    with pytest.raises(OtlpProtocolError, match=r"pip install 'qwatch\[grpc\]'"):
        span_exporter(OtlpTarget("http://collector:4317", "grpc"))
    with pytest.raises(ValidationError, match=r"pip install 'qwatch\[grpc\]'"):
        TelemetrySettings(otlp_endpoint="http://collector:4317", otlp_protocol="grpc")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"logs": "loki"}, "needs loki_url"),
        ({"logs": "otlp"}, "needs otlp_endpoint"),
        ({"otlp_metrics": True}, "needs otlp_endpoint"),
        ({"logs": "syslog"}, "logs"),
        ({"otlp_protocol": "udp"}, "otlp_protocol"),
    ],
)
def test_a_destination_that_is_missing_is_told(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], told: str
) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    with pytest.raises(ValidationError, match=told):
        TelemetrySettings(**given)


def test_a_protocol_of_the_environment_that_cannot_be_spoken_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
    with pytest.raises(ValidationError, match="'http/json' is neither"):
        TelemetrySettings(otlp_endpoint="http://collector:4318", otlp_metrics=True)


def test_where_logs_go_by_default() -> None:
    assert TelemetrySettings().log_destination == "stdout"
    assert TelemetrySettings(loki_url="http://loki:3100").log_destination == "loki"
    assert TelemetrySettings(loki_url="http://loki:3100", logs="stdout").log_destination == "stdout"
    otlp = TelemetrySettings(otlp_endpoint="http://tempo:4318")
    assert otlp.log_destination == "stdout", "a receiver of traces need not take logs"


def test_headers_do_not_show() -> None:
    settings = TelemetrySettings.model_validate({"otlp_headers": {"authorization": "Bearer hunter2"}})
    assert "hunter2" not in repr(settings) + settings.model_dump_json() + repr(settings.otlp)
    assert settings.otlp.headers == {"authorization": "Bearer hunter2"}
