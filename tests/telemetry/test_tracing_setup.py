"""Set-up of the SDK from OTEL_* variables; each in a process of its own, because the SDK is global."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

BOUND = 60


def run(script: str, **environment: str) -> str:
    """Run ``script`` in a fresh interpreter and return what it printed."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "QWATCH_"))}
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr, result.stderr
    return result.stdout.strip()


ONE_SPAN = """
    from opentelemetry import trace
    from qwatch.telemetry.tracing import configure_tracing

    tracing = configure_tracing("qwatch-test", resource_attributes={"qpu.id": "FRESNEL"})
    with trace.get_tracer("test").start_as_current_span("task FRESNEL"):
        pass
    print(tracing.owned, len(tracing.processors), tracing.flush(20))
"""


def written(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in directory.iterdir() for line in path.read_text().splitlines()]


def test_without_variables_nothing_is_exported() -> None:
    assert run(ONE_SPAN) == "True 0 True"


def test_a_directory_gets_files(tmp_path: Path) -> None:
    assert run(ONE_SPAN, QWATCH_TRACE_DIRECTORY=str(tmp_path)) == "True 1 True"
    (line,) = written(tmp_path)
    (resource,) = line["resourceSpans"]
    attributes = {item["key"]: item["value"]["stringValue"] for item in resource["resource"]["attributes"]}
    assert attributes["service.name"] == "qwatch-test"
    assert attributes["qpu.id"] == "FRESNEL"
    assert resource["scopeSpans"][0]["spans"][0]["name"] == "task FRESNEL"


def test_spans_are_written_at_exit_without_a_flush(tmp_path: Path) -> None:
    script = ONE_SPAN.replace(", tracing.flush(20)", "")
    run(script, QWATCH_TRACE_DIRECTORY=str(tmp_path))
    assert len(written(tmp_path)) == 1


def test_the_service_name_of_the_environment_wins(tmp_path: Path) -> None:
    run(ONE_SPAN, QWATCH_TRACE_DIRECTORY=str(tmp_path), OTEL_SERVICE_NAME="vqe", OTEL_RESOURCE_ATTRIBUTES="a=b")
    attributes = written(tmp_path)[0]["resourceSpans"][0]["resource"]["attributes"]
    assert {"key": "service.name", "value": {"stringValue": "vqe"}} in attributes
    assert {"key": "a", "value": {"stringValue": "b"}} in attributes


@pytest.mark.parametrize(
    ("variable", "value", "printed"),
    [("OTEL_SDK_DISABLED", "true", "False 0 True"), ("OTEL_TRACES_EXPORTER", "none", "True 0 True")],
)
def test_switched_off(tmp_path: Path, variable: str, value: str, printed: str) -> None:
    out = run(ONE_SPAN, QWATCH_TRACE_DIRECTORY=str(tmp_path), **{variable: value})
    assert out == printed
    assert not list(tmp_path.iterdir())


def test_console_prints_spans() -> None:
    out = run(ONE_SPAN, OTEL_TRACES_EXPORTER="console")
    assert '"name": "task FRESNEL"' in out
    assert "True 1 True" in out


def test_the_sampler_of_the_environment_is_used(tmp_path: Path) -> None:
    run(ONE_SPAN, QWATCH_TRACE_DIRECTORY=str(tmp_path), OTEL_TRACES_SAMPLER="always_off")
    assert not list(tmp_path.iterdir())


def test_the_program_s_own_sdk_wins(tmp_path: Path) -> None:
    script = """
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        from qwatch.telemetry.tracing import configure_tracing

        own = TracerProvider()
        memory = InMemorySpanExporter()
        own.add_span_processor(SimpleSpanProcessor(memory))
        trace.set_tracer_provider(own)
        tracing = configure_tracing("qwatch-test")
        with trace.get_tracer("test").start_as_current_span("task FRESNEL"):
            pass
        print(tracing.owned, trace.get_tracer_provider() is own, len(memory.get_finished_spans()))
        print(tracing.flush(1), tracing.shutdown(1))
    """
    assert run(script, QWATCH_TRACE_DIRECTORY=str(tmp_path)) == "False True 1\nTrue True"
    assert not list(tmp_path.iterdir())


def test_a_provider_that_is_not_the_sdk_s_wins_too(tmp_path: Path) -> None:
    script = """
        from opentelemetry import trace
        from qwatch.telemetry.tracing import configure_tracing

        own = trace.NoOpTracerProvider()
        trace.set_tracer_provider(own)
        tracing = configure_tracing("qwatch-test")
        print(tracing.owned, trace.get_tracer_provider() is own)
    """
    assert run(script, QWATCH_TRACE_DIRECTORY=str(tmp_path)) == "False True"


def test_setting_up_twice_changes_nothing(tmp_path: Path) -> None:
    script = """
        from opentelemetry import trace
        from qwatch.telemetry.tracing import configure_tracing

        first = configure_tracing("qwatch-test")
        provider = trace.get_tracer_provider()
        second = configure_tracing("another")
        print(first.owned, second.owned, trace.get_tracer_provider() is provider)
    """
    assert run(script, QWATCH_TRACE_DIRECTORY=str(tmp_path)) == "True False True"


def test_a_malformed_variable_does_not_break_the_program() -> None:
    script = """
        from opentelemetry import trace
        from qwatch.telemetry.tracing import configure_tracing

        tracing = configure_tracing("qwatch-test")
        trace.get_tracer("test").start_span("task FRESNEL").end()
        print("went on")
    """
    out = run(script, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_EXPORTER_OTLP_TIMEOUT="soon")
    assert out == "went on"


def test_a_directory_that_cannot_be_made_does_not_break_the_program(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert run(ONE_SPAN, QWATCH_TRACE_DIRECTORY=str(blocked / "x")) == "True 1 False"
