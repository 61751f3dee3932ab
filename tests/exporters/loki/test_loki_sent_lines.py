"""What of a record reaches Loki, and what stays behind."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import pytest
from loki_logger_handler.stream import Stream
from loki_logger_handler.streams import Streams
from opentelemetry.sdk.trace import TracerProvider

from qwatch.exporters import loki as loki_module
from qwatch.exporters.loki_lines import EntryEncoder, LineFormatter, payload

TOKEN = "qws_0123456789abcdef"


def test_a_line_arrives_with_labels_metadata_and_text(loki: Any, logs: Any) -> None:
    item = logs(loki.url, tenant="site", auth=("qwatch", "password"))
    before = time.time_ns()
    with TracerProvider().get_tracer("test").start_as_current_span("run FRESNEL") as span:
        item.logger.warning("job %d waits", 17, extra={"qpu_id": "FRESNEL", "job": 17, "shots": 100})
    assert item.handler.flush(30)
    (line,) = loki.lines
    assert line.labels == {"service_name": "qwatch-test", "qpu_id": "FRESNEL", "level": "warning"}
    context = span.get_span_context()
    assert line.metadata == {
        "trace_id": f"{context.trace_id:032x}",
        "span_id": f"{context.span_id:016x}",
        "job": "17",
        "shots": "100",
    }
    assert abs(line.nanoseconds - before) < 60e9
    text = json.loads(line.text)
    assert text["message"] == "job 17 waits"
    assert not {"level", "qpu_id", "job", "trace_id", "service_name"} & text.keys()
    assert loki.headers[0]["x-scope-orgid"] == "site"
    assert loki.headers[0]["authorization"].startswith("Basic ")
    assert loki.headers[0]["content-encoding"] == "gzip"


def test_credentials_do_not_leave(loki: Any, logs: Any) -> None:
    item = logs(loki.url)
    try:
        raise RuntimeError(f"X-Warden-Session: {TOKEN}")
    except RuntimeError:
        item.logger.exception("lost %s", TOKEN, extra={"peer": TOKEN, "unknown": TOKEN})
    assert item.handler.flush(30)
    (line,) = loki.lines
    assert TOKEN not in line.text + json.dumps(line.metadata) + json.dumps(line.labels)
    assert "RuntimeError" in json.loads(line.text)["exception"]


@pytest.mark.parametrize(
    "extra",
    [
        {"qpu_id": 7, "job": 12},
        {"qpu_id": object(), "reason": {"not": "text"}},
        {"unknown": object(), "loki_metadata": "no dictionary"},
        {"loki_metadata": {"session": TOKEN}},
    ],
)
def test_extras_of_any_type_cost_nothing(loki: Any, logs: Any, extra: dict[str, Any]) -> None:
    item = logs(loki.url)
    item.logger.info("before")
    item.logger.info("odd", extra=extra)
    item.logger.info("after")
    assert item.handler.flush(30)
    assert sorted(loki.messages) == ["after", "before", "odd"]
    assert not item.dropped
    assert TOKEN not in json.dumps([[line.labels, line.metadata, line.text] for line in loki.lines])


def test_streams_with_swapped_values_do_not_merge(loki: Any, logs: Any) -> None:
    item = logs(loki.url)
    for device, level in (("warning", logging.INFO), ("info", logging.WARNING)):
        item.logger.log(level, "%s at %s", device, level, extra={"qpu_id": device})
    assert item.handler.flush(30)
    found = {(line.labels["qpu_id"], line.labels["level"]): line.message for line in loki.lines}
    assert found == {("warning", "info"): "warning at 20", ("info", "warning"): "info at 30"}


def test_a_malformed_record_is_counted_and_raises_nothing(loki: Any, logs: Any) -> None:
    item = logs(loki.url)
    item.handler.handle(logging.makeLogRecord({"msg": "%d", "args": ("no number",)}))
    assert item.dropped == {"invalid": 1}


def test_a_very_long_message_is_cut_to_what_loki_takes(loki: Any, logs: Any) -> None:
    item = logs(loki.url)
    item.logger.info("x" * 2**20)
    assert item.handler.flush(30)
    assert len(loki.lines[0].text) < 256 * 1024


def test_large_batches_are_split(loki: Any, logs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loki_module, "BATCH_LINES", 100)
    item = logs(loki.url, interval=0.5)
    texts = item.many(1000)
    assert item.handler.flush(30)
    assert loki.messages == texts
    assert len(loki.request_times) >= 10


def test_its_own_requests_are_not_logged_to_loki(loki: Any, logs: Any) -> None:
    item = logs(loki.url)
    library = logging.getLogger("urllib3")
    level = library.level
    library.setLevel(logging.DEBUG)
    library.addHandler(item.handler)
    try:
        item.logger.info("one")
        assert item.handler.flush(30)
        time.sleep(0.1)
        assert item.handler.flush(30)
    finally:
        library.removeHandler(item.handler)
        library.setLevel(level)
    assert loki.messages == ["one"]


@pytest.mark.parametrize("suffix", ["", "/", "/loki/api/v1/push"])
def test_base_address_and_full_address_both_work(loki: Any, logs: Any, suffix: str) -> None:
    item = logs(loki.url + suffix)
    item.logger.info("one")
    assert item.handler.flush(30)
    assert loki.messages == ["one"]


def test_a_push_is_what_the_library_makes_of_the_same_lines() -> None:
    formatter, identity = LineFormatter("qwatch-test"), {"host_name": 'node "1"', "service_version": "0.1.0"}
    encoder = EntryEncoder(identity)
    entries, streams = [], Streams()
    for number, level in enumerate(("INFO", "ERROR", "INFO")):
        record = logging.makeLogRecord({"name": "a", "msg": f'"{number}"\n\t\\ é \x00 ☃', "levelname": level})
        record.job, record.reason = number, 'x "y"'
        if level == "ERROR":
            record.exc_info = (RuntimeError, RuntimeError("no"), None)
        line = formatter.format(record)
        entries.append(encoder.encode(line))
        stream = next((one for one in streams.streams if one.stream == line.labels), None)
        if stream is None:
            streams.add_stream(stream := Stream(line.labels, identity))
        stream.append_value(line.line, line.loki_metadata)
    made = json.loads(streams.serialize())["streams"]
    # The library also sends two of its settings, which Loki does not know.
    expected = [{"stream": stream["stream"], "values": stream["values"]} for stream in made]
    assert json.loads(payload(entries)) == {"streams": expected}


def test_a_name_that_is_not_utf_8_costs_no_line(loki: Any, logs: Any) -> None:
    item = logs(loki.url)
    item.logger.info("file %s", b"\xff".decode(errors="surrogateescape"), extra={"user": "\udcff"})
    item.logger.info("after")
    assert item.handler.flush(30)
    assert loki.messages[1:] == ["after"]
    assert not item.dropped
