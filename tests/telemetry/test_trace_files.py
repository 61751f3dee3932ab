"""Spans in files are OTLP JSON Lines that the official protocol definition reads."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from qwatch.telemetry.trace_file import TraceFileExporter


def spans() -> list[ReadableSpan]:
    provider = TracerProvider(resource=Resource({"service.name": "qwatch-test"}))
    tracer = provider.get_tracer("qwatch")
    with tracer.start_as_current_span("task FRESNEL", kind=SpanKind.CLIENT) as parent:
        parent.set_attribute("qpu.job.shots.requested", 2**40)
        parent.set_attribute("ratio", 0.5)
        link = Link(parent.get_span_context())
        with tracer.start_as_current_span("run FRESNEL", links=[link], kind=SpanKind.CONSUMER) as child:
            child.add_event("held", {"reason": "device_down"})
            child.set_status(Status(StatusCode.ERROR, "timeout"))
    assert isinstance(parent, ReadableSpan)
    assert isinstance(child, ReadableSpan)
    return [child, parent]


def parsed(line: str) -> ExportTraceServiceRequest:
    """Read a line by the protobuf definition; OTLP's one deviation is that ids are hexadecimal."""
    request: dict[str, Any] = json.loads(line)
    for resource in request["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for item in (span, *span.get("links", ())):
                    for field in ("traceId", "spanId", "parentSpanId"):
                        if field in item:
                            raw = bytes.fromhex(item[field])
                            item[field] = base64.b64encode(raw).decode()
                assert isinstance(span["kind"], int)
                assert isinstance(span["startTimeUnixNano"], str)
    return ParseDict(request, ExportTraceServiceRequest())


def test_a_batch_is_one_line_that_protobuf_reads(tmp_path: Path) -> None:
    child, parent = spans()
    exporter = TraceFileExporter(tmp_path / "made", "qwatch-test")
    assert exporter.export([child, parent]) is SpanExportResult.SUCCESS
    assert exporter.export([parent]) is SpanExportResult.SUCCESS
    (path,) = (tmp_path / "made").iterdir()
    first, second = path.read_text().splitlines()
    request = parsed(first)
    assert len(parsed(second).resource_spans[0].scope_spans[0].spans) == 1
    (resource,) = request.resource_spans
    assert {item.key: item.value.string_value for item in resource.resource.attributes}["service.name"] == (
        "qwatch-test"
    )
    written_child, written_parent = resource.scope_spans[0].spans
    assert child.context is not None
    assert parent.context is not None
    assert written_child.name == "run FRESNEL"
    assert int.from_bytes(written_child.trace_id, "big") == child.context.trace_id
    assert int.from_bytes(written_child.span_id, "big") == child.context.span_id
    assert written_child.parent_span_id == written_parent.span_id
    assert written_child.links[0].span_id == written_parent.span_id
    assert written_child.events[0].name == "held"
    assert written_child.status.message == "timeout"
    assert written_child.start_time_unix_nano == child.start_time
    values = {item.key: item.value for item in written_parent.attributes}
    assert values["qpu.job.shots.requested"].int_value == 2**40
    assert values["ratio"].double_value == 0.5


def test_files_are_kept_to_two(tmp_path: Path) -> None:
    exporter = TraceFileExporter(tmp_path, "qwatch-test", rotate_bytes=500)
    for _ in range(20):
        assert exporter.export(spans()) is SpanExportResult.SUCCESS
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 2
    assert names[0].endswith(".otlp.jsonl")
    assert names[1].endswith(".otlp.old.jsonl")
    for path in tmp_path.iterdir():
        for line in path.read_text().splitlines():
            parsed(line)


def test_a_disk_that_refuses_is_a_failed_export_and_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    exporter = TraceFileExporter(blocked / "traces", "qwatch-test")
    for _ in range(3):
        assert exporter.export(spans()) is SpanExportResult.FAILURE
    assert len(caplog.records) == 1
    assert str(blocked) in caplog.text


def test_a_service_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    exporter = TraceFileExporter(tmp_path / "in", "../out")
    assert exporter.export(spans()) is SpanExportResult.SUCCESS
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
