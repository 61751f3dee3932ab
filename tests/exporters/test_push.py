"""`qwatch push`: files of a node with no way out reach the receiver, each request once, also interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

from qwatch.telemetry.otlp_lines import as_line
from qwatch.telemetry.trace_file import TraceFileExporter

PROGRAM = """
    from opentelemetry import metrics, trace
    from qwatch.telemetry.identity import program_attributes
    from qwatch.telemetry.tracing import configure_tracing

    tracing = configure_tracing("vqe", resource_attributes=program_attributes(), export_metrics=True)
    with trace.get_tracer("test").start_as_current_span("task FRESNEL"):
        metrics.get_meter("test").create_histogram("qrmi.client.operation.duration", "s").record(0.5)
    assert tracing.shutdown(30)
"""


def clean(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "QWATCH_"))}
    return kept | more


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "qwatch.cli.main", "push", *(str(item) for item in arguments)]


def push(*arguments: object, code: int = 0, **environment: str) -> str:
    done = subprocess.run(
        command(*arguments), env=clean(**environment), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr


def report(*arguments: object, **environment: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(push("--json", *arguments, **environment))
    return found


def write_spans(folder: Path, requests: int, name: str = "vqe") -> list[str]:
    """Write one span a request; return their names."""
    exporter = TraceFileExporter(folder, name)
    tracer = TracerProvider(resource=Resource({"service.name": name})).get_tracer("test")
    names = [f"{name} {number}" for number in range(requests)]
    for text in names:
        span = tracer.start_span(text)
        span.end()
        assert isinstance(span, ReadableSpan)
        exporter.export([span])
    return names


def arrived(otlp: Any) -> list[str]:
    return [span.name for span in otlp.spans]


def test_a_program_s_spans_and_metrics_and_logs_arrive_once(otlp: Any, tmp_path: Path) -> None:
    environment = clean(QWATCH_TRACE_DIRECTORY=str(tmp_path), SLURM_JOB_ID="4711")
    subprocess.run([sys.executable, "-c", textwrap.dedent(PROGRAM)], env=environment, check=True, timeout=60)
    record = LogRecord(timestamp=1, body="hello", severity_text="INFO")
    record.trace_id, record.span_id = int("a" * 32, 16), int("b" * 16, 16)
    logs = encode_logs([ReadableLogRecord(record, Resource({"service.name": "vqe"}))])
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "collector.otlp.jsonl").write_text(as_line(logs))
    found = report(tmp_path, "--to", otlp.url)
    assert (found["files"], found["spans"], found["points"], found["logs"]) == (3, 1, 1, 1)
    assert found["unsent_bytes"] == found["refused"] == found["invalid"] == 0
    (span,) = otlp.spans
    assert len(span.trace_id) == 16
    assert otlp.resource["slurm.job.id"] == "4711"
    (metrics,) = otlp.metric_requests
    assert metrics.resource_metrics[0].scope_metrics[0].metrics[0].histogram.data_points[0].sum == 0.5
    assert otlp.log_requests == [logs]
    again = report(QWATCH_TRACE_DIRECTORY=str(tmp_path), OTEL_EXPORTER_OTLP_ENDPOINT=otlp.url)
    assert again["requests"] == 0
    assert again["already_sent_bytes"] > 0
    assert len(otlp.spans) == 1


def test_only_what_was_added_is_sent_also_after_a_rotation(otlp: Any, tmp_path: Path) -> None:
    exporter = TraceFileExporter(tmp_path, "vqe", rotate_bytes=1500)
    tracer = TracerProvider().get_tracer("test")
    for number in range(12):
        span = tracer.start_span(f"span {number}")
        span.end()
        assert isinstance(span, ReadableSpan)
        exporter.export([span])
        push(tmp_path, "--to", otlp.url)
    assert arrived(otlp) == [f"span {number}" for number in range(12)]
    assert list(tmp_path.glob("*.old.jsonl")), "the file was to be rotated meanwhile"


def test_a_line_that_is_being_written_is_left_for_the_next_time(otlp: Any, tmp_path: Path) -> None:
    names = write_spans(tmp_path, 3)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-10])
    assert report(tmp_path, "--to", otlp.url)["unsent_bytes"] > 0
    assert arrived(otlp) == names[:2]
    file.write_bytes(whole)
    assert report(tmp_path, "--to", otlp.url)["unsent_bytes"] == 0
    assert arrived(otlp) == names


def test_a_receiver_that_fails_meanwhile_is_asked_again(otlp: Any, reply: Any, tmp_path: Path) -> None:
    names = write_spans(tmp_path, 3)
    otlp.replies = [reply(503), reply(429, "", {"Retry-After": "1"})]
    assert report(tmp_path, "--to", otlp.url)["requests"] == 3
    assert arrived(otlp) == names


def test_a_receiver_that_is_down_is_one_line_and_costs_nothing(
    otlp: Any, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    names = write_spans(tmp_path, 3)
    told = push(tmp_path, "--to", f"http://127.0.0.1:{free_port()}", "--patience", "0", code=1)
    assert told.count("\n") == 1
    assert "takes nothing" in told
    assert report(tmp_path, "--to", otlp.url)["spans"] == 3
    assert arrived(otlp) == names


@pytest.mark.parametrize("status", [401, 404])
def test_a_receiver_that_refuses_the_sender_stops_it_and_nothing_is_forgotten(
    otlp: Any, reply: Any, tmp_path: Path, status: int
) -> None:
    write_spans(tmp_path, 3)
    otlp.always = reply(status, "no org id")
    assert "check the address and the headers" in push(tmp_path, "--to", otlp.url, code=1)
    otlp.always = None
    found = report(tmp_path, "--to", otlp.url, "--header", "X-Scope-OrgID=site")
    assert found["spans"] == 3
    assert otlp.headers[-1]["x-scope-orgid"] == "site"


def test_a_request_that_is_refused_does_not_stop_the_others(otlp: Any, reply: Any, tmp_path: Path) -> None:
    names = write_spans(tmp_path, 3)
    (file,) = tmp_path.iterdir()
    with file.open("a") as lines:
        lines.write("no json\n{}\n")
    otlp.replies = [reply(400, "span is too large")]
    told = push(tmp_path, "--to", otlp.url, code=1)
    assert "span is too large" in told
    assert arrived(otlp) == names[1:]
    assert report(tmp_path, "--to", otlp.url)["requests"] == 0
    assert report(tmp_path, "--to", otlp.url)["invalid"] == 0, "a line is looked at once"


@pytest.fixture
def slow_otlp(otlp: Any) -> Any:
    """A receiver that has taken the fifth request and does not answer it until it is told."""
    otlp.reached, otlp.go_on = threading.Event(), threading.Event()
    taken = otlp.requests

    class Watched(list[Any]):
        def append(self, item: Any) -> None:
            super().append(item)
            if len(self) == 5:
                otlp.reached.set()
                otlp.go_on.wait(60)

    otlp.requests = Watched(taken)
    return otlp


def test_an_interrupted_push_goes_on_where_it_stopped(slow_otlp: Any, tmp_path: Path) -> None:
    names = write_spans(tmp_path, 20)
    process = subprocess.Popen(command(tmp_path, "--to", slow_otlp.url), env=clean(), stderr=subprocess.PIPE)
    assert slow_otlp.reached.wait(60)
    process.send_signal(signal.SIGTERM)
    slow_otlp.go_on.set()
    _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert b"go on from here" in told
    assert arrived(slow_otlp) == names[:5]
    assert report(tmp_path, "--to", slow_otlp.url)["spans"] == 15
    assert arrived(slow_otlp) == names


def test_a_killed_push_sends_at_most_the_request_that_was_under_way_again(
    slow_otlp: Any, tmp_path: Path
) -> None:
    names = write_spans(tmp_path, 20)
    process = subprocess.Popen(command(tmp_path, "--to", slow_otlp.url), env=clean())
    assert slow_otlp.reached.wait(60)
    process.kill()
    process.wait(60)
    slow_otlp.go_on.set()
    assert report(tmp_path, "--to", slow_otlp.url)["spans"] == 16
    assert Counter(arrived(slow_otlp)) == Counter(names) + Counter([names[4]])


def test_two_at_once_do_not_send_twice(slow_otlp: Any, tmp_path: Path) -> None:
    names = write_spans(tmp_path, 10)
    process = subprocess.Popen(command(tmp_path, "--to", slow_otlp.url), env=clean(), stdout=subprocess.DEVNULL)
    assert slow_otlp.reached.wait(60)
    assert "another 'qwatch push' is at work" in push(tmp_path, "--to", slow_otlp.url, code=1)
    slow_otlp.go_on.set()
    assert process.wait(60) == 0
    assert arrived(slow_otlp) == names


def test_over_grpc_and_again(otlp: Any, otlp_grpc: Any, tmp_path: Path) -> None:
    write_spans(tmp_path, 3)
    assert report(tmp_path, "--to", otlp.url)["spans"] == 3
    assert report(tmp_path, "--to", otlp_grpc.url, "--protocol", "grpc")["spans"] == 0
    assert report(tmp_path, "--to", otlp_grpc.url, "--protocol", "grpc", "--again")["spans"] == 3
    assert len(otlp_grpc.requests) == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((".",), "give --to URL"),
        (("--to", "http://x:1"), "set QWATCH_TRACE_DIRECTORY"),
        ((".", "--to", "x:1"), "is not an address"),
        (("./nowhere", "--to", "http://x:1"), "nowhere: No such file or directory"),
        ((".", "--to", "http://x:1", "--header", "x"), "NAME=VALUE"),
        ((".", "--to", "http://x:1", "--protocol", "udp"), "neither 'http/protobuf' nor 'grpc'"),
    ],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], told: str) -> None:
    said = push(*arguments, code=1)
    assert told in said
    assert said.count("\n") == 1
