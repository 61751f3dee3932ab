"""The wheel's own log records arrive with the ids of the call that caused them. RUST_LOG is read at import."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading

import pytest

from qwatch.qrmi import library_logs
from qwatch.qrmi.library_logs import LibraryLogs

BEGIN = """
import json, logging, os, sys, threading
import qrmi
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
records, spans_at_emit = [], []

class Keep(logging.Handler):
    def emit(self, record):
        records.append(record)
        spans_at_emit.append(trace.get_current_span().get_span_context().span_id)

logging.getLogger().addHandler(Keep())
logging.getLogger().setLevel(1)
from qwatch.qrmi import library_logs
from qwatch.qrmi.instrument import instrument, uninstrument

def fresh():
    # It makes a connection of its own, and says so.
    return qrmi.QuantumResource("EMU", qrmi.ResourceType.PasqalLocal)

def shown():
    library_logs._LOGS.flush(30)
    of_wheel = [record for record in records if record.name.startswith(("qrmi", "reqwest", "hyper", "pasqal"))]
    return [
        [record.name, record.levelno, getattr(record, "span_id", None), record.threadName, record.getMessage()]
        for record in of_wheel
    ]
"""


def run(program, **environment):
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done


CALLS = """
instrument()
fresh().target()
fresh().status()
spans = {span.name: format(span.context.span_id, "016x") for span in exporter.get_finished_spans()}
print(json.dumps([shown(), spans, [format(item, "016x") for item in spans_at_emit]]))
"""


def test_each_record_carries_the_ids_of_its_call(job_environment):
    (records, spans, at_emit), done = run(CALLS, RUST_LOG="trace")
    assert done.stderr == ""
    connecting = [record for record in records if record[0] == "qrmi.reqwest.connect"]
    assert [record[2] for record in connecting] == [spans["target EMU"], spans["status EMU"]]
    assert all(record[1] == logging.DEBUG and record[3] == "MainThread" for record in connecting)
    assert all("starting new connection" in record[4] for record in connecting)
    # Whoever asks for the present span, as OpenTelemetry's handler does, gets that of the call.
    assert {spans["target EMU"], spans["status EMU"]} <= set(at_emit)
    assert {record[2] for record in records} <= {*spans.values(), None}


def test_no_credential_is_in_them(job_environment):
    (records, _, _), _ = run(CALLS, RUST_LOG="trace")
    assert len(records) > 4
    assert "MUNGE:" not in json.dumps(records)


def test_the_levels_are_those_of_the_program(job_environment):
    quiet = "logging.getLogger('qrmi').setLevel(logging.WARNING)\n"
    (records, spans, _), _ = run(quiet + CALLS, RUST_LOG="trace")
    assert records == []
    assert spans


def test_nothing_is_logged_unless_the_library_is_told_to(job_environment):
    (records, _, _), _ = run(CALLS, RUST_LOG="")
    assert records == []


OWN_CALLBACK = """
seen = []
instrument()
qrmi.set_log_callback(lambda *given: seen.append(given))
fresh().status()
before = len(seen)
uninstrument()
fresh().status()
print(json.dumps([shown(), before, len(seen), seen[0]]))
"""


def test_a_callback_of_the_program_wins_and_stays(job_environment):
    (records, before, after, first), _ = run(OWN_CALLBACK, RUST_LOG="debug")
    assert records == []
    assert 0 < before < after
    assert first[:2] == ["DEBUG", "reqwest::connect"]


LOGS_LEFT_ALONE = """
seen = []
qrmi.set_log_callback(lambda *given: seen.append(given))
instrument(library_logs=False)
fresh().status()
print(json.dumps([shown(), len(seen)]))
"""


def test_they_can_be_left_alone(job_environment):
    (records, seen), _ = run(LOGS_LEFT_ALONE, RUST_LOG="debug")
    assert records == []
    assert seen > 0


UNDONE = """
fresh().status()
first = shown()
instrument()
uninstrument()
records.clear()
fresh().status()
print(json.dumps([first, shown()]))
"""


def test_undone_the_records_are_as_the_library_forwards_them(job_environment):
    (before, after), _ = run(UNDONE, RUST_LOG="debug")
    assert len(before) > 0
    assert [record[:4] for record in before] == [record[:4] for record in after]


FORKED = """
instrument()
library_logs._LOGS.take("INFO", "qrmi::parent", "before")
shown()
records.clear()
reading, writing = os.pipe()
if os.fork() == 0:
    library_logs._LOGS.take("INFO", "qrmi::child", "in the child")
    os.write(writing, json.dumps(shown()).encode())
    os._exit(0)
os.wait()
library_logs._LOGS.take("INFO", "qrmi::parent", "in the parent")
print(json.dumps([json.loads(os.read(reading, 10000)), shown()]))
"""


def test_a_forked_process_has_its_own(job_environment):
    (child, parent), _ = run(FORKED)
    assert [record[4] for record in child] == ["in the child"]
    assert [record[4] for record in parent] == ["in the parent"]


@pytest.fixture
def logs():
    return LibraryLogs()


def test_a_thread_without_a_call_gives_no_ids(logs, caplog):
    caplog.set_level(logging.DEBUG, "qrmi")
    thread = threading.Thread(target=logs.take, args=("WARN", "hyper::proto", "odd"), name="foreign")
    thread.start()
    thread.join()
    assert logs.flush(30)
    (record,) = caplog.records
    assert (record.name, record.levelno, record.threadName) == ("qrmi.hyper.proto", logging.WARNING, "foreign")
    assert not hasattr(record, "trace_id")


def test_when_too_many_wait_they_are_dropped_and_told(logs, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG, "qrmi")
    monkeypatch.setattr(library_logs, "MOST_WAITING", 10)
    held = threading.Event()

    class Slow(logging.Handler):
        def emit(self, record):
            held.wait(60)

    slow = Slow()
    logging.getLogger("qrmi").addHandler(slow)
    try:
        for number in range(1000):
            logs.take("INFO", "qrmi", str(number))
        assert logs._queue.qsize() <= 10
        assert logs.flush(0.01) is False
        held.set()
        assert logs.flush(60)
    finally:
        logging.getLogger("qrmi").removeHandler(slow)
    messages = [record.getMessage() for record in caplog.records]
    (dropped,) = [message for message in messages if "dropped" in message]
    assert len(messages) - 1 + int(dropped.split()[0]) == 1000


def test_credentials_are_masked_and_faults_of_handlers_kept_away(logs, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG, "qrmi")
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logs.take("TRACE", "hyper", "x-munge-cred: MUNGE:AwQDAAB=: and 50 % of it")
    logs.take("ODD", "", "a level of a newer library")
    assert logs.flush(30)
    first, second = caplog.records
    assert first.getMessage() == "x-munge-cred: [redacted] and 50 % of it"
    assert second.levelno == logging.INFO
