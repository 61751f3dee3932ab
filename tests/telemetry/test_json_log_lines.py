"""Log lines: one JSON object each, with the ids of the trace, known fields only, and no credentials."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from datetime import datetime

import pytest
from opentelemetry.sdk.trace import TracerProvider

from qwatch.telemetry.json_logging import ConsoleFormatter, JsonFormatter, configure_logging

TOKEN = "qws_0123456789abcdef"


@pytest.fixture
def output() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter("qwatch-test"))
    logger = logging.getLogger("qwatch.test.json")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(handler)
    yield logger, stream
    logger.removeHandler(handler)


def only_line(stream: io.StringIO) -> dict[str, object]:
    (text,) = stream.getvalue().splitlines()
    line = json.loads(text)
    assert isinstance(line, dict)
    return line


def test_a_line_tells_when_what_and_who(output: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = output
    logger.warning("job %s waits", 17, extra={"job": "17", "qpu_id": "FRESNEL", "seconds": 2.5})
    line = only_line(stream)
    moment = datetime.fromisoformat(str(line.pop("timestamp")))
    assert moment.utcoffset() is not None
    assert line == {
        "level": "warning",
        "service_name": "qwatch-test",
        "logger": "qwatch.test.json",
        "message": "job 17 waits",
        "qpu_id": "FRESNEL",
        "job": "17",
        "seconds": 2.5,
    }


def test_ids_of_the_current_span(output: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = output
    with TracerProvider().get_tracer("test").start_as_current_span("run FRESNEL") as span:
        logger.info("started")
    context = span.get_span_context()
    line = only_line(stream)
    assert line["trace_id"] == f"{context.trace_id:032x}"
    assert line["span_id"] == f"{context.span_id:016x}"


def test_ids_given_with_the_record_win(output: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = output
    with TracerProvider().get_tracer("test").start_as_current_span("run FRESNEL"):
        logger.info("started", extra={"trace_id": "a" * 32})
    line = only_line(stream)
    assert line["trace_id"] == "a" * 32
    assert "span_id" not in line


def test_without_a_span_there_are_no_ids(output: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = output
    logger.info("started")
    assert not {"trace_id", "span_id"} & only_line(stream).keys()


def test_unknown_fields_stay_behind(output: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = output
    logger.info("started", extra={"program": "secret pulse", "account": "phys"})
    line = only_line(stream)
    assert "program" not in line
    assert line["account"] == "phys"


def test_credentials_are_masked_everywhere(output: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = output
    try:
        raise RuntimeError(f"X-Warden-Session: {TOKEN}")
    except RuntimeError:
        logger.exception("session %s failed", TOKEN, extra={"peer": TOKEN, "route": [TOKEN]})
    line = only_line(stream)
    assert TOKEN not in json.dumps(line)
    assert "RuntimeError" in str(line["exception"])


def test_a_message_with_line_breaks_is_one_line(output: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = output
    logger.info('first\nsecond {"level": "critical"}')
    assert only_line(stream)["level"] == "info"


@pytest.mark.parametrize("value", [object(), {1, 2}, b"raw", ValueError("x"), float("inf")])
def test_a_field_that_is_not_json_costs_nothing(
    output: tuple[logging.Logger, io.StringIO], value: object
) -> None:
    logger, stream = output
    logger.info("done", extra={"reason": value})
    assert only_line(stream)["message"] == "done"


def test_arguments_that_do_not_fit_are_shown() -> None:
    record = logging.makeLogRecord({"msg": "%d jobs of %s", "args": ("many",), "levelname": "INFO"})
    message = json.loads(JsonFormatter("qwatch-test").format(record))["message"]
    assert "%d jobs of %s" in message
    assert "many" in message


def test_a_name_that_is_not_utf8_reaches_the_stream() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter("qwatch-test"))
    handler.emit(logging.makeLogRecord({"msg": "file \udcff is missing", "levelname": "INFO"}))
    assert json.loads(raw.getvalue())["message"].startswith("file ")


def test_text_for_people_is_short_and_masked() -> None:
    try:
        raise RuntimeError(TOKEN)
    except RuntimeError:
        record = logging.makeLogRecord(
            {"msg": f"lost {TOKEN}", "levelname": "ERROR", "qpu_id": "FRESNEL", "exc_info": sys.exc_info()}
        )
    text = ConsoleFormatter().format(record)
    assert TOKEN not in text
    assert "[qpu_id=FRESNEL]" in text
    assert "Traceback" in text


def test_configure_logging_sets_level_and_stream() -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    level = root.level
    handler = configure_logging("qwatch-test", "warning", "json", stream)
    try:
        logging.getLogger("qwatch.anything").info("not this")
        logging.getLogger("qwatch.anything").warning("this")
        assert only_line(stream)["message"] == "this"
        assert logging.getLogger("urllib3").level == logging.WARNING
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


@pytest.mark.parametrize(("level", "style"), [("info", "xml"), ("loud", "json")])
def test_wrong_style_or_level_is_an_error(level: str, style: str) -> None:
    root = logging.getLogger()
    before = list(root.handlers)
    with pytest.raises(ValueError):
        configure_logging("qwatch-test", level, style, io.StringIO())
    assert root.handlers == before
