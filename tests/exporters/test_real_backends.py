"""Real Loki, Tempo and OTLP receivers, where the environment names them: as much arrives as was made."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import textwrap
import time
from typing import Any

import httpx
import pytest

NUMBER = 500

SCRIPT = """
    import json, logging, sys
    from opentelemetry import trace
    from prometheus_client import CollectorRegistry
    from qwatch.exporters.settings import TelemetrySettings
    from qwatch.exporters.start import start_exporters
    from qwatch.telemetry.instruments import Instruments

    settings, service, number = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    instruments = Instruments(CollectorRegistry())
    exporters = start_exporters(TelemetrySettings(**settings), service, instruments)
    tracer, log = trace.get_tracer("test"), logging.getLogger("qwatch.test")
    with tracer.start_as_current_span("session FRESNEL") as session:
        for index in range(number):
            with tracer.start_as_current_span("run FRESNEL"):
                log.info("line %d", index, extra={"qpu_id": "FRESNEL", "job": index})
    done = exporters.shutdown(60)
    dropped = sum(sample.value for family in instruments.registry.collect() for sample in family.samples)
    context = session.get_span_context()
    print(json.dumps([done, dropped, trace.format_trace_id(context.trace_id)]), file=sys.stderr)
"""


def address(name: str) -> str:
    found = os.environ.get(name, "").rstrip("/")
    if not found:
        pytest.skip(f"{name} names no backend")
    return found


def send(settings: dict[str, Any]) -> tuple[str, str]:
    """Make a session with its spans and lines; return the service's name and the trace's id."""
    service = f"qwatch-test-{secrets.token_hex(4)}"
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "QWATCH_"))}
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), json.dumps(settings), service, str(NUMBER)],
        env=clean,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    done, dropped, trace_id = json.loads(result.stderr.splitlines()[-1])
    assert done
    assert dropped == 0
    return service, trace_id


def lines_in_loki(loki: str, service: str) -> list[Any]:
    """Return the streams of a service, once all its lines can be read."""
    deadline = time.monotonic() + 90
    while True:
        answer = httpx.get(
            f"{loki}/loki/api/v1/query_range",
            params={"query": f'{{service_name="{service}"}}', "limit": str(NUMBER + 10), "since": "1h"},
            timeout=30,
        )
        answer.raise_for_status()
        streams: list[Any] = answer.json()["data"]["result"]
        if sum(len(stream["values"]) for stream in streams) >= NUMBER:
            return streams
        assert time.monotonic() < deadline, streams
        time.sleep(1)


def test_loki_has_every_line_once() -> None:
    loki = address("QWATCH_TEST_LOKI_URL")
    service, _ = send({"loki_url": loki})
    streams = lines_in_loki(loki, service)
    texts = [json.loads(line)["message"] for stream in streams for _, line, *_ in stream["values"]]
    assert sorted(texts) == sorted(f"line {index}" for index in range(NUMBER))
    for stream in streams:
        assert stream["stream"]["qpu_id"] == "FRESNEL"
        assert stream["stream"]["level"] == "info"


def test_tempo_has_every_span() -> None:
    tempo, otlp = address("QWATCH_TEST_TEMPO_URL"), address("QWATCH_TEST_OTLP_URL")
    _, trace_id = send({"otlp_endpoint": otlp})
    deadline = time.monotonic() + 90
    while True:
        answer = httpx.get(f"{tempo}/api/traces/{trace_id}", timeout=30)
        if answer.status_code == 200:
            batches = answer.json().get("batches", [])
            found = [
                span
                for batch in batches
                for scope in batch.get("scopeSpans", batch.get("instrumentationLibrarySpans", []))
                for span in scope["spans"]
            ]
            if len(found) >= NUMBER + 1:
                assert len(found) == NUMBER + 1
                return
        assert time.monotonic() < deadline, answer.text[:500]
        time.sleep(1)


def test_an_otlp_receiver_takes_all_three_signals() -> None:
    otlp = address("QWATCH_TEST_OTLP_URL")
    send({"otlp_endpoint": otlp, "otlp_metrics": True})
