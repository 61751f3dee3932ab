"""Spans and log lines through a real Collector with the gateway's configuration."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

CONFIGURATION = Path(__file__).parents[2] / "compose" / "collector" / "config.yaml"


class Gateway:
    """A running Collector before a receiver of ours that stands for Tempo, Loki and Prometheus."""

    def __init__(self, url: str, receiver: Any) -> None:
        self.url = url
        self.receiver = receiver


@pytest.fixture
def gateway(
    require_program: Callable[..., Path],
    otlp: Any,
    free_port: Callable[[], int],
    tmp_path: Path,
    wait_until: Any,
) -> Iterator[Gateway]:
    otelcol = require_program("otelcol", package="make engines (with Go), or otelcol-contrib from its releases")
    ports = {name: free_port() for name in ("http", "grpc", "health", "metrics")}
    environment = {
        "COLLECTOR_OTLP_HTTP": f"127.0.0.1:{ports['http']}",
        "COLLECTOR_OTLP_GRPC": f"127.0.0.1:{ports['grpc']}",
        "COLLECTOR_HEALTH": f"127.0.0.1:{ports['health']}",
        "COLLECTOR_METRICS_HOST": "127.0.0.1",
        "COLLECTOR_METRICS_PORT": str(ports["metrics"]),
        "COLLECTOR_TEMPO": otlp.url,
        "COLLECTOR_LOKI": otlp.url,
        "COLLECTOR_PROMETHEUS": f"{otlp.url}/api/v1/write",
        "COLLECTOR_POLLS_PERCENT": "0",
    }
    with (tmp_path / "otelcol.log").open("wb") as log:
        process = subprocess.Popen(
            [otelcol, f"--config={CONFIGURATION}"],
            env=os.environ | environment,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: _answers(f"http://127.0.0.1:{ports['health']}/"))
        yield Gateway(f"http://127.0.0.1:{ports['http']}", otlp)
    finally:
        process.terminate()
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1).status_code == 200
    except httpx.HTTPError:
        return False


def _span(trace: str, span: str, name: str, operation: str | None) -> dict[str, Any]:
    now = time.time_ns()
    attributes = [{"key": "qpu.id", "value": {"stringValue": "EMU"}}]
    if operation is not None:
        attributes.append({"key": "qrmi.operation.name", "value": {"stringValue": operation}})
    return {
        "traceId": trace,
        "spanId": span,
        "name": name,
        "kind": 1,
        "startTimeUnixNano": str(now - 1000),
        "endTimeUnixNano": str(now),
        "attributes": attributes,
    }


def test_a_jobs_trace_is_kept_whole_and_polls_are_sampled(gateway: Gateway, wait_until: Any) -> None:
    job, polls = "a" * 32, "b" * 32
    spans = [
        _span(job, "1" * 16, "task_start EMU", "task_start"),
        _span(job, "2" * 16, "status EMU", "status"),
        _span(job, "3" * 16, "queue EMU", None),
        _span(polls, "4" * 16, "status EMU", "status"),
        _span(polls, "5" * 16, "is_accessible EMU", "is_accessible"),
    ]
    body = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    assert httpx.post(f"{gateway.url}/v1/traces", json=body, timeout=5).status_code == 200
    wait_until(lambda: len(gateway.receiver.spans) >= 3)
    assert {span.name for span in gateway.receiver.spans} == {"task_start EMU", "status EMU", "queue EMU"}
    assert {bytes(span.trace_id).hex() for span in gateway.receiver.spans} == {job}


def test_a_log_line_keeps_its_resource_and_its_fields(gateway: Gateway, wait_until: Any) -> None:
    record = {
        "timeUnixNano": str(time.time_ns()),
        "body": {"kvlistValue": {"values": [{"key": "message", "value": {"stringValue": "job 7 queued"}}]}},
        "attributes": [{"key": "job", "value": {"stringValue": "7"}}],
    }
    resource = {"attributes": [{"key": "qpu_id", "value": {"stringValue": "EMU"}}]}
    body = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [record]}]}]}
    assert httpx.post(f"{gateway.url}/v1/logs", json=body, timeout=5).status_code == 200
    wait_until(lambda: gateway.receiver.log_requests)
    (found,) = gateway.receiver.log_requests[0].resource_logs
    assert [(item.key, item.value.string_value) for item in found.resource.attributes] == [("qpu_id", "EMU")]
    (line,) = found.scope_logs[0].log_records
    assert [(item.key, item.value.string_value) for item in line.attributes] == [("job", "7")]
