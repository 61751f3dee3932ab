"""The handler when Loki fails as Loki fails: nothing waits, nothing is lost uncounted."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import pytest

from qwatch.exporters import loki as loki_module
from qwatch.exporters.loki import LokiHandler


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
