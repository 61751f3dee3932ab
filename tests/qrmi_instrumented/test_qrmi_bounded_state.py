"""Long sessions, many tasks, threads, forks: what the instrumentation keeps stays bounded and right."""

from __future__ import annotations

import gc
import json
import os
import threading
import weakref

from opentelemetry.sdk.trace import SpanProcessor

from qwatch.qrmi import task_spans
from qwatch.qrmi.instrument import instrument
from qwatch.qrmi.session_spans import MOST_IN_ONE_TRACE

from .fake_resource import FakeResource


def test_long_sessions_link_their_tasks(telemetry, payload):
    resource = instrument(FakeResource(), **telemetry.providers)
    token = resource.acquire()
    for _ in range(MOST_IN_ONE_TRACE + 3):
        resource.task_result(resource.task_start(payload))
    resource.release(token)
    session, tasks = telemetry.one("session FAKE"), telemetry.named("task FAKE")
    inside = [task for task in tasks if task.context.trace_id == session.context.trace_id]
    assert tasks[: len(inside)] == inside
    assert len(inside) == 199
    roots = tasks[len(inside) :]
    assert len({task.context.trace_id for task in roots}) == len(roots) == 3
    for task in roots:
        assert task.parent is None
        assert session.context.span_id in {link.context.span_id for link in task.links}


def test_open_tasks_stay_bounded(telemetry, payload, monkeypatch):
    monkeypatch.setattr(task_spans, "MOST_OPEN", 50)
    monkeypatch.setattr(task_spans, "MOST_ENDED", 20)
    resource = instrument(FakeResource(), **telemetry.providers)
    resource.acquire()
    for number in range(3000):
        identifier = resource.task_start(payload)
        if number % 3:
            resource.task_status(identifier)
        if number % 100 == 0:
            telemetry.exporter.clear()
    assert len(resource.telemetry.spans.tasks) <= 100
    assert len(resource.telemetry.spans.tasks._ended) <= 20
    telemetry.exporter.clear()
    resource.close()
    assert len(telemetry.named("task FAKE")) <= 100


def test_a_hundred_thousand_tasks_leave_nothing_behind(payload):
    resource = instrument(FakeResource())

    def batch(count):
        for _ in range(count):
            resource.task_status(resource.task_start(payload))
        gc.collect()
        return len(gc.get_objects())

    before = batch(3000)
    assert batch(97_000) < before + 500


class StartedSpans(SpanProcessor):
    """Knows which of the spans that were started are still in memory."""

    def __init__(self):
        self._started = []

    def on_start(self, span, parent_context=None):
        self._started.append(weakref.ref(span))

    @property
    def kept(self):
        gc.collect()
        return [span.name for reference in self._started if (span := reference()) is not None]


def test_of_an_ended_task_only_the_place_in_its_trace_is_kept(telemetry, payload):
    started = StartedSpans()
    telemetry.providers["tracer_provider"].add_span_processor(started)
    resource = instrument(FakeResource(), **telemetry.providers)
    resource.acquire()
    tasks = [resource.task_start(payload) for _ in range(5)]
    for task in tasks:
        resource.task_result(task)
    resource.telemetry.flush()
    assert started.kept == ["session FAKE"]
    resource.task_logs(tasks[0])
    late = telemetry.one("task_logs FAKE")
    assert late.parent.span_id == telemetry.named("task FAKE")[0].context.span_id
    assert late.context.trace_id == telemetry.one("acquire FAKE").context.trace_id


def test_threads_may_share_it(telemetry, payload):
    resource = instrument(FakeResource(), **telemetry.providers)
    resource.acquire()

    def work():
        for _ in range(50):
            identifier = resource.task_start(payload)
            resource.task_status(identifier)
            resource.task_result(identifier)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    resource.close()
    assert len(telemetry.named("task FAKE")) == 300
    assert len(telemetry.named("wait FAKE")) == 300
    assert len(telemetry.named("session FAKE")) == 1


def test_a_forked_process_leaves_the_parents_spans_alone(telemetry, payload):
    resource = instrument(FakeResource(), **telemetry.providers)
    resource.acquire()
    resource.task_start(payload)
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            resource.task_result(resource.task_start(payload))
            resource.close()
            names = [span.name for span in telemetry.spans]
            parent = telemetry.spans[-1].parent.span_id
            os.write(writing, json.dumps([names, parent]).encode())
        finally:
            os._exit(0)
    os.waitpid(process, 0)
    names, parent = json.loads(os.read(reading, 10_000))
    os.close(reading)
    os.close(writing)
    assert names == ["acquire FAKE", "task_start FAKE", "task_start FAKE", "task_result FAKE", "task FAKE"]
    resource.close()
    assert telemetry.one("session FAKE").context.span_id == parent


def test_spans_of_a_resource_that_is_gone_end_with_the_next_session(telemetry, payload):
    resource = instrument(FakeResource(), **telemetry.providers)
    resource.acquire()
    resource.task_start(payload)
    del resource
    gc.collect()
    assert telemetry.named("session FAKE") == []
    instrument(FakeResource(name="OTHER"), **telemetry.providers).acquire()
    assert len(telemetry.named("session FAKE")) == 1
    assert len(telemetry.named("task FAKE")) == 1
