"""The Loki handler against a receiver that fails as Loki fails: nothing waits, nothing is lost uncounted."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from qwatch.exporters import loki as loki_module
from qwatch.exporters.loki import LokiHandler

TOKEN = "qws_0123456789abcdef"


class Logs:
    """A logger with a Loki handler, and what the handler dropped."""

    def __init__(self, url: str, **options: Any) -> None:
        self.dropped: Counter[str] = Counter()
        options = {"interval": 0.02, "timeout": 5.0} | options
        self.handler = LokiHandler(url, "qwatch-test", dropped=self.count, **options)
        self.logger = logging.getLogger(f"qwatch.test.loki.{id(self)}")
        self.logger.setLevel(logging.DEBUG)
        self.logger.propagate = False
        self.logger.addHandler(self.handler)

    def count(self, reason: str, number: int) -> None:
        self.dropped[reason] += number

    def many(self, number: int) -> list[str]:
        texts = [f"line {index}" for index in range(number)]
        for text in texts:
            self.logger.info(text)
        return texts


@pytest.fixture
def logs() -> Iterator[Callable[..., Logs]]:
    made: list[Logs] = []

    def make(url: str, **options: Any) -> Logs:
        made.append(Logs(url, **options))
        return made[-1]

    yield make
    for item in made:
        item.logger.removeHandler(item.handler)
        item.handler.close(0)


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loki_module, "FIRST_BACKOFF", 0.02)
    monkeypatch.setattr(loki_module, "LONGEST_BACKOFF", 0.1)


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


def test_down_then_up_loses_nothing(
    loki_at: Any, logs: Any, free_port: Callable[[], int], eventually: Any
) -> None:
    port = free_port()
    item = logs(f"http://127.0.0.1:{port}")
    texts = item.many(50)
    assert not item.handler.flush(0.1)
    assert item.handler.waiting == 50
    receiver = loki_at(port)
    eventually(lambda: item.handler.waiting == 0)
    assert sorted(receiver.messages) == sorted(texts)
    assert not item.dropped


def test_a_server_error_then_recovery_loses_nothing(loki: Any, logs: Any, reply: Any) -> None:
    loki.replies = [reply(500, "ring is not ready"), reply(503), reply(502)]
    item = logs(loki.url)
    texts = item.many(50)
    assert item.handler.flush(30)
    assert sorted(loki.messages) == sorted(texts)
    assert not item.dropped


def test_retry_after_is_waited_for(loki: Any, logs: Any, reply: Any, eventually: Any) -> None:
    loki.replies = [reply(429, "Ingestion rate limit exceeded", {"Retry-After": "1"})]
    item = logs(loki.url)
    item.logger.info("once")
    eventually(lambda: item.handler.waiting == 0)
    first, second = loki.request_times
    assert second - first >= 0.95
    assert loki.messages == ["once"]
    assert not item.dropped


def test_lines_that_are_too_old_are_counted_and_the_others_stored(loki: Any, logs: Any) -> None:
    loki.oldest = time.time() - 3600
    item = logs(loki.url, interval=0.3)
    for age in (7200, 9000, 0, 0, 0):
        record = logging.makeLogRecord({"msg": f"age {age}", "levelname": "INFO"})
        record.created -= age
        item.handler.handle(record)
    assert item.handler.flush(30)
    assert loki.messages == ["age 0"] * 3
    assert item.dropped == {"too_old": 2}
    assert len(loki.request_times) == 1


def test_a_single_line_that_is_too_old_is_found_by_its_time(loki: Any, logs: Any) -> None:
    loki.oldest = time.time() - 3600
    item = logs(loki.url, interval=0.3)
    for age in (7200, 0, 0):
        record = logging.makeLogRecord({"msg": f"age {age}", "levelname": "INFO"})
        record.created -= age
        item.handler.handle(record)
    assert item.handler.flush(30)
    assert item.dropped == {"too_old": 1}


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, "couldn't parse labels", "invalid"),
        (400, "entry for stream '{}' has timestamp too old: x", "too_old"),
        (401, "no org id", "refused"),
        (404, "404 page not found", "refused"),
        (413, "request entity too large", "refused"),
        (302, "", "refused"),
    ],
)
def test_what_is_refused_for_good_is_counted_and_not_repeated(
    loki: Any, logs: Any, reply: Any, status: int, body: str, reason: str
) -> None:
    loki.always = reply(status, body, {"Location": "http://127.0.0.1:9/"} if status == 302 else {})
    item = logs(loki.url)
    item.logger.info("one")
    assert item.handler.flush(30)
    assert item.dropped == {reason: 1}
    assert len(loki.request_times) == 1


@pytest.mark.parametrize(("status", "reason"), [(503, "unreachable"), (429, "refused")])
def test_retries_end(loki: Any, logs: Any, reply: Any, eventually: Any, status: int, reason: str) -> None:
    loki.always = reply(status)
    item = logs(loki.url, retry_seconds=1.0)
    item.many(3)
    eventually(lambda: item.handler.waiting == 0)
    assert item.dropped == {reason: 3}
    assert len(loki.request_times) > 1


def test_hanging_neither_blocks_nor_grows_nor_holds_an_exit(loki: Any, logs: Any, hang: Any) -> None:
    loki.always = hang
    item = logs(loki.url, capacity=100, timeout=30)
    item.many(1000)
    assert item.handler.waiting == 100
    assert item.dropped == {"queue_full": 900}
    assert not item.handler.flush(0.1)
    assert not item.handler.close(0.1)
    assert item.dropped == {"queue_full": 900, "shutdown": 100}
    item.logger.info("too late")
    assert item.dropped["shutdown"] == 101
    assert item.handler.waiting == 0


def test_a_hanging_answer_is_given_up_and_repeated(loki: Any, logs: Any, hang: Any, eventually: Any) -> None:
    loki.replies = [hang]
    item = logs(loki.url, timeout=1.0)
    item.logger.info("once")
    eventually(lambda: item.handler.waiting == 0)
    assert loki.messages == ["once"]
    assert not item.dropped


def test_the_queue_is_bounded_in_bytes_too(
    loki: Any, logs: Any, hang: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loki_module, "MOST_BYTES", 100_000)
    loki.always = hang
    item = logs(loki.url)
    for _ in range(100):
        item.logger.info("x" * 10_000)
    assert 0 < item.handler.waiting <= 10
    assert item.dropped["queue_full"] == 100 - item.handler.waiting


def test_every_line_is_delivered_or_counted(loki: Any, logs: Any, reply: Any) -> None:
    loki.replies = [reply(500), reply(400, "couldn't parse labels"), reply(429), reply(401), reply(503)] * 2
    item = logs(loki.url, capacity=500)
    for number in range(5):
        item.many(400)
        item.handler.flush(1 if number < 4 else 30)
    item.handler.close(30)
    assert len(loki.lines) + sum(item.dropped.values()) == 2000
    assert item.dropped["invalid"] > 0
    assert item.dropped["refused"] > 0


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


def test_trouble_is_told_once(loki: Any, logs: Any, reply: Any, caplog: pytest.LogCaptureFixture) -> None:
    loki.replies = [reply(500)] * 4
    item = logs(loki.url)
    with caplog.at_level(logging.INFO, logger="qwatch.exporters.loki"):
        item.logger.info("one")
        assert item.handler.flush(30)
        item.logger.info("two")
        assert item.handler.flush(30)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "HTTP 500" in caplog.records[0].getMessage()


def test_a_drop_counter_that_raises_does_not_reach_the_program(loki: Any) -> None:
    def count(reason: str, number: int) -> None:
        raise RuntimeError("no counter")

    handler = LokiHandler(loki.url, "qwatch-test", dropped=count)
    handler.close(1)
    handler.handle(logging.makeLogRecord({"msg": "late"}))


def test_closing_twice_and_flushing_nothing(loki: Any, logs: Any) -> None:
    item = logs(loki.url)
    assert item.handler.flush(0)
    assert item.handler.close(1)
    assert item.handler.close(1)
    assert item.handler.flush(1)
    assert not loki.request_times


@pytest.mark.parametrize("suffix", ["", "/", "/loki/api/v1/push"])
def test_base_address_and_full_address_both_work(loki: Any, logs: Any, suffix: str) -> None:
    item = logs(loki.url + suffix)
    item.logger.info("one")
    assert item.handler.flush(30)
    assert loki.messages == ["one"]
