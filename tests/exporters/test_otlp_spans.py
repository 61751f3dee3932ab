"""Spans by OTLP over HTTP to a receiver with the official protocol definition: healthy, refusing, hanging."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import Any

import pytest

BOUND = 60

SCRIPT = """
    import sys, time
    from collections import Counter
    from opentelemetry import trace
    from qwatch.telemetry.tracing import configure_tracing

    dropped = Counter()
    tracing = configure_tracing(
        "qwatch-test",
        otlp_endpoint=sys.argv[1] or None,
        dropped=lambda reason, count: dropped.update({reason: count}),
        limit=64,
    )
    tracer = trace.get_tracer("test")
    for number in range(int(sys.argv[2])):
        with tracer.start_as_current_span("run FRESNEL", attributes={"qpu.id": "FRESNEL", "n": number}) as span:
            span.add_event("held", {"header": "X-Warden-Session: qws_0123456789abcdef"})
    print(tracing.shutdown(float(sys.argv[3])), dict(dropped))
"""


def run(url: str, spans: int, seconds: float, **environment: str) -> str:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "QWATCH_"))}
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), url, str(spans), str(seconds)],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert not result.stderr, "a backend in trouble is counted, not reported"
    return result.stdout.strip()


def test_a_healthy_receiver_gets_every_span_without_credentials(otlp: Any) -> None:
    assert run(otlp.url, 50, 30) == "True {}"
    assert len(otlp.spans) == 50
    assert otlp.resource["service.name"] == "qwatch-test"
    span = otlp.spans[0]
    assert span.name == "run FRESNEL"
    assert len(span.trace_id) == 16
    assert {item.key: item.value.string_value for item in span.attributes}["qpu.id"] == "FRESNEL"
    assert all(b"qws_" not in request.SerializeToString() for request in otlp.requests)


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_the_endpoint_of_the_environment(otlp: Any, variable: str) -> None:
    suffix = "/v1/traces" if "TRACES" in variable else ""
    assert run("", 3, 30, **{variable: otlp.url + suffix}) == "True {}"
    assert len(otlp.spans) == 3


def test_a_refusing_receiver_is_counted(otlp: Any, reply: Any) -> None:
    otlp.always = reply(400)
    assert run(otlp.url, 5, 30) == "False {'unreachable': 5}"


def test_a_receiver_that_recovers_gets_every_span(otlp: Any, reply: Any) -> None:
    otlp.replies = [reply(503)]
    assert run(otlp.url, 5, 30) == "True {}"
    assert len(otlp.spans) == 5


def test_a_receiver_that_is_down_does_not_hold_the_exit(free_port: Any) -> None:
    assert run(f"http://127.0.0.1:{free_port()}", 5, 0.5) == "False {'shutdown': 5}"


def test_a_hanging_receiver_neither_blocks_nor_grows_nor_holds_the_exit(otlp: Any, hang: Any) -> None:
    otlp.always = hang
    assert run(otlp.url, 200, 0.5) == "False {'queue_full': 136, 'shutdown': 64}"
