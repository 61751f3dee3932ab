"""A program's own annotations: spans and events, metrics, log records, and the log of its last job."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from opentelemetry import trace
from opentelemetry.trace import NoOpTracerProvider

from qwatch.qrmi import annotate, annotation_delivery, guard, open_spans, program_metrics
from qwatch.qrmi.at_exit import end_open_spans
from qwatch.qrmi.handover import flush_all
from qwatch.qrmi.in_process import InProcessEmulator
from qwatch.qrmi.instrument import instrument
from qwatch.qrmi.local_client import LocalDaemonResource
from qwatch.qrmi.suppression import suppressed_context
from qwatch.telemetry.annotations import MOST_IN_REQUEST


@pytest.fixture(autouse=True)
def _no_job_yet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(open_spans, "_latest", None)
    monkeypatch.setattr(guard, "_seen", set())
    annotation_delivery.forget()
    yield
    annotation_delivery.forget()


@pytest.fixture
def resource(north, token_file, telemetry):
    """A resource behind the recording daemon, with a session."""
    bare = LocalDaemonResource("EMU", north.url, token_file=token_file)
    found = instrument(bare, **telemetry.providers)
    found.acquire()
    yield found
    found.close()


def told(north):
    """Everything that was annotated, as (job, kind, name, value)."""
    flush_all(10)
    return [
        (int(post.path.split("/")[-2]), item["kind"], item["name"], item["value"])
        for post in north.of("POST", "/annotations")
        for item in post.body["annotations"]
    ]


def test_a_phase_is_a_span_below_the_session_and_tasks_are_below_it(resource, telemetry, payload, run_task):
    with annotate.phase("classical optimisation"):
        run_task(resource, payload)
    resource.close()
    phase = telemetry.one("phase classical optimisation")
    assert phase.attributes["qwatch.phase.name"] == "classical optimisation"
    assert phase.parent.span_id == telemetry.one("session EMU").context.span_id
    assert telemetry.one("task EMU").parent.span_id == phase.context.span_id


def test_phases_are_nested_and_decorate_functions(resource, telemetry):
    @annotate.phase("inner")
    def work() -> int:
        return 7

    with annotate.phase("outer"):
        assert work() == 7
        assert work() == 7
    outer = telemetry.one("phase outer")
    assert [span.parent.span_id for span in telemetry.named("phase inner")] == [outer.context.span_id] * 2


def test_a_phase_is_below_the_programs_own_span(resource, telemetry):
    with telemetry.tracer_provider.get_tracer("own").start_as_current_span("own"), annotate.phase("fit"):
        pass
    assert telemetry.one("phase fit").parent.span_id == telemetry.one("own").context.span_id


def test_an_error_passes_through_and_marks_the_phase(resource, telemetry, north, payload):
    resource.task_start(payload)
    with pytest.raises(ZeroDivisionError), annotate.phase("fit"):
        _ = 1 / 0
    span = telemetry.one("phase fit")
    assert span.attributes["error.type"] == "ZeroDivisionError"
    assert not span.status.is_ok
    assert [item[:3] for item in told(north)] == [(1, "phase", "fit")]


def test_a_measure_is_an_event_of_the_phase(resource, telemetry):
    with annotate.phase("fit"):
        annotate.record("energy", np.float64(-1.25), iteration=np.int64(3), unit="Ha")
        annotate.record("cost", 2)
    events = telemetry.one("phase fit").events
    assert [event.name for event in events] == ["measure", "measure"]
    assert dict(events[0].attributes) == {
        "qwatch.measure.name": "energy",
        "qwatch.measure.value": -1.25,
        "qwatch.measure.unit": "Ha",
        "qwatch.measure.iteration": 3,
    }
    assert dict(events[1].attributes) == {"qwatch.measure.name": "cost", "qwatch.measure.value": 2.0}


def test_outside_a_phase_it_is_an_event_of_the_session(resource, telemetry):
    annotate.record("energy", -1)
    resource.close()
    assert [event.name for event in telemetry.one("session EMU").events] == ["measure"]


def test_none_of_a_thousand_is_lost(resource, telemetry):
    with annotate.phase("loop"):
        for number in range(1000):
            annotate.record("energy", number, iteration=number)
    phase, below = telemetry.one("phase loop"), telemetry.named("measures")
    assert {span.parent.span_id for span in below} == {phase.context.span_id}
    values = [event.attributes["qwatch.measure.value"] for span in (phase, *below) for event in span.events]
    assert values == list(range(1000))


def test_under_qwatch_run_measures_have_a_span_below_the_session_of_that_process(
    north, token_file, telemetry, payload, monkeypatch
):
    remote = f"00-{'ab' * 16}-{'cd' * 8}-01"
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", "session-held")
    monkeypatch.setenv("QWATCH_SESSION_TRACEPARENT", remote)
    monkeypatch.setenv("TRACEPARENT", remote)
    north.sessions["session-held"] = "open"
    resource = instrument(LocalDaemonResource("EMU", north.url, token_file=token_file), **telemetry.providers)
    resource.task_start(payload)
    for number in range(3):
        annotate.record("energy", number)
    end_open_spans()
    span = telemetry.one("measures")
    assert [event.attributes["qwatch.measure.value"] for event in span.events] == [0, 1, 2]
    assert f"{span.parent.span_id:016x}" == "cd" * 8
    assert [item[3] for item in told(north)] == [0, 1, 2]


@pytest.mark.parametrize("under_qwatch_run", [True, False])
def test_a_session_that_the_job_holds_is_around_a_phase_with_its_first_task(
    north, token_file, telemetry, payload, monkeypatch, under_qwatch_run
):
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", "session-held")
    if under_qwatch_run:
        monkeypatch.setenv("QWATCH_SESSION_TRACEPARENT", f"00-{'ab' * 16}-{'cd' * 8}-01")
    north.sessions["session-held"] = "open"
    resource = instrument(LocalDaemonResource("EMU", north.url, token_file=token_file), **telemetry.providers)
    with annotate.phase("loop"):
        resource.task_start(payload)
    resource.close()
    phase = telemetry.one("phase loop")
    assert telemetry.one("task EMU").parent.span_id == phase.context.span_id
    session = int("cd" * 8, 16) if under_qwatch_run else telemetry.one("session EMU").context.span_id
    assert phase.parent.span_id == session


def test_annotations_go_to_the_log_of_the_last_job(resource, north, payload):
    annotate.record("before", 0)  # waits for the first job
    for number in (1, 2):
        assert resource.task_start(payload) == str(number)
        annotate.record("energy", -number, iteration=number, unit="Ha")
    with annotate.phase("analysis"):
        pass
    found = told(north)
    assert [item[:3] for item in found] == [
        (1, "measure", "before"),
        (1, "measure", "energy"),
        (2, "measure", "energy"),
        (2, "phase", "analysis"),
    ]
    post = north.of("POST", "/annotations")[0]
    assert post.headers["x-warden-session"] == next(iter(north.sessions))
    assert post.headers["authorization"].startswith("Bearer ")


def test_they_are_sent_without_tracing_too(north, token_file, payload):
    resource = instrument(
        LocalDaemonResource("EMU", north.url, token_file=token_file), tracer_provider=NoOpTracerProvider()
    )
    resource.acquire()
    resource.task_start(payload)
    annotate.record("energy", 1)
    assert told(north) == [(1, "measure", "energy", 1.0)]


def test_many_are_sent_together(resource, north, payload):
    resource.task_start(payload)
    flush_all(10)
    for number in range(500):
        annotate.record("energy", number)
    assert [item[3] for item in told(north)] == list(range(500))
    sizes = [len(post.body["annotations"]) for post in north.of("POST", "/annotations")]
    assert max(sizes) <= MOST_IN_REQUEST


def test_each_thread_has_a_last_job_of_its_own(resource, north, payload):
    ready = threading.Barrier(2)

    def loop() -> None:
        identifier = resource.task_start(payload)
        ready.wait(30)
        annotate.record("energy", float(identifier))

    threads = [threading.Thread(target=loop) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((item[0], item[3]) for item in told(north)) == [(1, 1.0), (2, 2.0)]


def test_a_daemon_without_the_route_is_left_alone_and_still_told_traces(resource, north, payload):
    north.serves_annotations = False
    resource.task_start(payload)
    annotate.record("energy", 1)
    flush_all(10)
    annotate.record("energy", 2)
    flush_all(10)
    assert len(north.of("POST", "/annotations")) == 1
    assert "trace" not in resource.telemetry.handover.unserved


def test_a_resource_without_a_daemon_gets_none_of_another_ones(
    resource, north, payload, monkeypatch, telemetry
):
    resource.task_start(payload)
    alone = InProcessEmulator()
    monkeypatch.setattr(alone, "task_start", lambda payload: "1")
    instrument(alone, **telemetry.providers).task_start(payload)
    annotate.record("energy", 1)
    assert told(north) == []


@pytest.mark.parametrize(
    ("name", "value", "more"),
    [
        ("", 1, {}),
        ("two\nlines", 1, {}),
        ("x" * 65, 1, {}),
        (None, 1, {}),
        ("energy", float("nan"), {}),
        ("energy", float("-inf"), {}),
        ("energy", "low", {}),
        ("energy", 1 + 2j, {}),
        ("energy", np.array([1.0, 2.0]), {}),
        ("energy", 1, {"iteration": -1}),
        ("energy", 1, {"iteration": "third"}),
        ("energy", 1, {"unit": "kilo joule"}),
    ],
)
def test_what_is_no_annotation_is_left_out_and_told_once(resource, north, payload, caplog, name, value, more):
    resource.task_start(payload)
    annotate.record(name, value, **more)
    annotate.record(name, value, **more)
    with annotate.phase("two\nlines"):
        pass
    assert told(north) == []
    assert 1 <= len([record for record in caplog.records if record.levelno == logging.WARNING]) <= 2


def test_suppression_is_honoured(resource, north, payload, telemetry, caplog):
    from opentelemetry import context

    resource.task_start(payload)
    caplog.set_level(logging.INFO)
    token = context.attach(suppressed_context())
    try:
        with annotate.phase("quiet"):
            annotate.record("energy", 1)
    finally:
        context.detach(token)
    assert told(north) == []
    assert telemetry.named("phase quiet") == []
    assert [record for record in caplog.records if record.name == annotate.__name__] == []


def test_log_records_carry_the_fields_of_the_vocabulary(resource, caplog):
    caplog.set_level(logging.INFO)
    with annotate.phase("fit"):
        annotate.record("energy", -1.5, iteration=2, unit="Ha")
    energy, fit = [record for record in caplog.records if record.name == annotate.__name__]
    assert energy.getMessage() == "measure energy = -1.5 Ha (iteration 2)"
    assert (energy.measure, energy.value, energy.iteration, energy.unit) == ("energy", -1.5, 2, "Ha")
    assert fit.phase == "fit"
    assert fit.seconds >= 0


def test_metrics_have_a_bounded_number_of_names(telemetry):
    metrics = program_metrics.ProgramMetrics(telemetry.meter_provider)
    for number in range(100):
        metrics.measure(f"m{number}", number)
        metrics.phase(f"p{number}", 0.5)
    measures = {p.attributes["measure"]: p.value for p in telemetry.points("qwatch.program.measure")}
    assert len(measures) == program_metrics.MOST_NAMES + 1
    assert measures["m1"] == 1
    assert measures["other"] == 99
    phases = {p.attributes["phase"]: p.count for p in telemetry.points("qwatch.program.phase.duration")}
    assert phases["other"] == 100 - program_metrics.MOST_NAMES


def test_it_works_where_nothing_else_is_there(tmp_path):
    program = (
        "from qwatch.qrmi import annotate\n"
        "with annotate.phase('alone'):\n"
        "    annotate.record('energy', 1.0)\n"
        "annotate.record('energy', 'low')\n"
        "print('done')\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path
    )
    assert found.stdout == "done\n"


def test_a_hanging_daemon_holds_no_record_up_and_the_exit_for_a_bounded_time(tmp_path):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        program = (
            "import time\n"
            "from qwatch.qrmi import annotate, annotation_delivery\n"
            "from qwatch.qrmi.handover import DaemonAddress, Handover\n"
            f"address = DaemonAddress('http://127.0.0.1:{silent.getsockname()[1]}', dict)\n"
            "annotation_delivery.job_started(Handover(address), '1', 'session')\n"
            "for number in range(5000):\n"
            "    annotate.record('energy', number)\n"
            "print('done')\n"
        )
        environment = {k: v for k, v in os.environ.items() if not k.startswith("QWATCH_")}
        found = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            env=environment,
        )
    assert found.stdout == "done\n"
    assert found.stderr == ""


def test_the_last_words_of_a_program_are_sent(north, token_file, tmp_path):
    program = (
        "import qrmi, json\n"
        "from pathlib import Path\n"
        "from qwatch.qrmi import annotate\n"
        "from qwatch.qrmi.instrument import instrument\n"
        "from qwatch.qrmi.local_client import LocalDaemonResource\n"
        f"bare = LocalDaemonResource('EMU', {north.url!r}, token_file=Path({str(token_file)!r}))\n"
        "resource = instrument(bare)\n"
        "resource.acquire()\n"
        "resource.task_start(qrmi.Payload.PasqalCloud(sequence='{}', job_runs=3))\n"
        "annotate.record('energy', -2.5)\n"
    )
    subprocess.run([sys.executable, "-c", program], timeout=60, check=True, cwd=tmp_path)
    assert told(north) == [(1, "measure", "energy", -2.5)]


def test_a_forked_process_goes_on(resource, north, payload, telemetry):
    resource.task_start(payload)
    annotate.record("energy", 1)
    flush_all(10)
    with annotate.phase("parent"):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                annotate.record("energy", 2)
                flush_all(10)
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (1, "measure", "energy", 2.0) in told(north)
    assert len(telemetry.named("phase parent")) == 1
    assert trace.get_current_span() is trace.INVALID_SPAN
