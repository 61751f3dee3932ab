"""Loki, OTLP and standard output: whichever is active, a record has the same stream labels and fields."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from qwatch.exporters.otlp_logs import OtlpLogHandler
from qwatch.telemetry.log_fields import STREAM_LABELS
from qwatch.telemetry.otlp import OtlpTarget, log_exporter

TOKEN = "qws_0123456789abcdef"

SCRIPT = """
    import json, logging, sys
    from opentelemetry import trace
    from prometheus_client import CollectorRegistry
    from qwatch.exporters.settings import TelemetrySettings
    from qwatch.exporters.start import start_exporters
    from qwatch.telemetry.instruments import Instruments

    instruments = Instruments(CollectorRegistry())
    settings = TelemetrySettings(**json.loads(sys.argv[1]))
    exporters = start_exporters(settings, "qwatch-test", instruments, "node1:8007")
    log = logging.getLogger("qwatch.test")
    context = trace.SpanContext(int("a" * 32, 16), int("b" * 16, 16), False, trace.TraceFlags(1))
    with trace.use_span(trace.NonRecordingSpan(context)):
        log.info("job %d runs", 17, extra={"qpu_id": "FRESNEL", "job": 17, "shots": 100, "seconds": 2.5})
        try:
            raise RuntimeError("X-Warden-Session: qws_0123456789abcdef")
        except RuntimeError:
            log.exception("lost qws_0123456789abcdef", extra={"peer": "10.0.0.1"})
    log.warning("no device, no trace")
    print("done", exporters.shutdown(30), file=sys.stderr)
"""
Seen = tuple[dict[str, str], dict[str, str]]


def run(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the lines on standard output."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "QWATCH_"))}
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), json.dumps(settings)],
        env=clean,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.stderr == "done True\n"
    return [json.loads(line) for line in result.stdout.splitlines()]


def by_agent(lines: list[dict[str, Any]]) -> Iterator[Seen]:
    """What a site's agent makes of standard output: the labels by name, all else as fields."""
    for line in lines:
        labels = {name: str(line.pop(name)) for name in STREAM_LABELS if name in line}
        del line["timestamp"]
        yield labels, {name: str(value) for name, value in line.items()}


def by_push(lines: list[Any]) -> Iterator[Seen]:
    """What Loki keeps of its own push: labels, structured metadata, and the fields of the line."""
    for line in lines:
        text = json.loads(line.text)
        del text["timestamp"]
        yield line.labels, line.metadata | {name: str(value) for name, value in text.items()}


def by_otlp(requests: list[Any]) -> Iterator[Seen]:
    """What Loki makes of OTLP, with the three labels as `otlp_config` in docs/exporters.md names them."""
    for request in requests:
        for resource in request.resource_logs:
            common = {item.key.replace(".", "_"): text_of(item.value) for item in resource.resource.attributes}
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    fields = common | {item.key: text_of(item.value) for item in record.attributes}
                    for name, raw in (("trace_id", record.trace_id), ("span_id", record.span_id)):
                        if any(raw):
                            fields[name] = raw.hex()
                    body: list[KeyValue] = list(record.body.kvlist_value.values)
                    fields |= {item.key: text_of(item.value) for item in body}
                    labels = {name: fields.pop(name) for name in STREAM_LABELS if name in fields}
                    assert record.severity_text.lower() == labels["level"]
                    yield labels, fields


def text_of(value: AnyValue) -> str:
    return str(getattr(value, value.WhichOneof("value") or "string_value"))


def sorted_by_message(seen: Iterator[Seen]) -> list[Seen]:
    return sorted(seen, key=lambda item: item[1]["message"])


def test_the_same_record_has_the_same_labels_and_fields_all_three_ways(loki: Any, otlp: Any) -> None:
    on_output = sorted_by_message(by_agent(run({})))
    assert not run({"logs": "loki", "loki_url": loki.url})
    assert not run({"logs": "otlp", "otlp_endpoint": otlp.url, "loki_url": loki.url})
    in_loki, in_otlp = sorted_by_message(by_push(loki.lines)), sorted_by_message(by_otlp(otlp.log_requests))
    assert len(on_output) == 3
    assert on_output == in_loki == in_otlp
    labels, fields = on_output[0]
    assert labels == {"service_name": "qwatch-test", "level": "info", "qpu_id": "FRESNEL"}
    assert fields["message"] == "job 17 runs"
    assert fields["trace_id"] == "a" * 32
    assert fields["span_id"] == "b" * 16
    assert (fields["job"], fields["shots"], fields["seconds"]) == ("17", "100", "2.5")
    assert fields["service_instance_id"] == "node1:8007"
    assert {"service_version", "host_name", "logger"} <= fields.keys()
    assert "RuntimeError" in on_output[1][1]["exception"]
    assert TOKEN not in json.dumps([on_output, in_loki, in_otlp])


def test_real_loki_has_the_same_labels(otlp: Any) -> None:
    url = os.environ.get("QWATCH_TEST_LOKI_URL")
    if not url:
        pytest.skip("QWATCH_TEST_LOKI_URL names no Loki")
    run({"logs": "loki", "loki_url": url})
    answer = httpx.get(f"{url}/loki/api/v1/labels", timeout=30).json()
    assert set(STREAM_LABELS) <= set(answer["data"])


def handler_to(url: str, **options: Any) -> tuple[logging.Logger, OtlpLogHandler]:
    handler = OtlpLogHandler(log_exporter(OtlpTarget(url)), "qwatch-test", **options)
    logger = logging.getLogger(f"qwatch.test.otlp.{id(handler)}")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    return logger, handler


def test_a_hanging_receiver_neither_blocks_nor_grows_nor_holds_an_exit(otlp: Any, hang: Any) -> None:
    otlp.always = hang
    dropped: dict[str, int] = {}
    logger, handler = handler_to(
        otlp.url, capacity=100, dropped=lambda reason, n: dropped.update({reason: dropped.get(reason, 0) + n})
    )
    for number in range(1000):
        logger.info("line %d", number)
    assert handler.waiting == 100
    assert dropped == {"queue_full": 900}
    assert not handler.close(0.1)
    assert dropped == {"queue_full": 900, "shutdown": 100}


def test_a_malformed_record_is_counted_and_raises_nothing(otlp: Any) -> None:
    dropped: list[str] = []
    logger, handler = handler_to(otlp.url, dropped=lambda reason, n: dropped.append(reason))
    logger.info("%d", "no number")
    logger.info("good")
    assert handler.close(30)
    assert dropped == ["invalid"]
    assert [fields["message"] for _, fields in by_otlp(otlp.log_requests)] == ["good"]


def test_what_the_sending_logs_is_told_once_and_never_sent(
    otlp: Any, reply: Any, caplog: pytest.LogCaptureFixture
) -> None:
    otlp.replies = [reply(500), reply(500)]
    ours = logging.getLogger("qwatch.exporters.otlp_logs")
    logger, handler = handler_to(otlp.url)
    ours.addHandler(handler)
    caplog.set_level(logging.INFO, logger=ours.name)
    try:
        for text in ("one", "two", "three"):
            logger.info(text)
            handler.flush(30)
        assert handler.close(30)
    finally:
        ours.removeHandler(handler)
    assert [record.levelname for record in caplog.records if record.name == ours.name] == ["WARNING", "INFO"]
    assert [fields["message"] for _, fields in by_otlp(otlp.log_requests)] == ["three"]
