"""Bare and instrumented resources against the same server: the same calls give the same, and send the same."""

from __future__ import annotations

import json
import sys
import threading

import pytest
import qrmi

from qwatch.qrmi.instrument import instrument, uninstrument
from qwatch.qrmi.resource_types import PAYLOADS
from qwatch.telemetry.labels import QRMI_ERROR_TYPES

from .fake_resource import FakeResource

JOB = {"id": 1, "user_id": "0", "status": "DONE", "results": '{"counter": {"0": 5}}'}
METHODS = (
    "acquire",
    "is_accessible",
    "status",
    "target",
    "metadata",
    "resource_id",
    "resource_type",
    "task_start",
    "task_status",
    "task_result",
    "task_logs",
    "task_stop",
    "release",
)
OF_TASKS = ("task_status", "task_result", "task_logs", "task_stop")
HTTP_ERRORS = (400, 401, 403, 404, 409, 413, 422, 429, 500, 503)
BODIES = {
    "nothing": "",
    "no JSON": "<html>",
    "no object": "[]",
    "no fields": "{}",
    "nulls": json.dumps({"id": None, "status": None, "results": None, "logs": None, "specs": None}),
    "a word nobody knows": json.dumps({**JOB, "status": "HELD", "specs": "[]", "is_accessible": "yes"}),
    "waiting": json.dumps({**JOB, "status": "PENDING", "results": None}),
    "failed": json.dumps({**JOB, "status": "ERROR", "results": None}),
    "cancelled": json.dumps({**JOB, "status": "CANCELED", "results": None}),
    "not ASCII": json.dumps({**JOB, "results": "\u03c8\U0001f600", "logs": "\u03c8", "message": "\u00e9"}),
    "everything": json.dumps(
        {**JOB, "logs": "l", "specs": '{"name": "E"}', "is_accessible": False, "message": "shut"}
    ),
}


def outcome(resource, name, payload):
    given = {"task_start": (payload,), "release": ("held",)}.get(name, ("1",) if name in OF_TASKS else ())
    try:
        value = getattr(resource, name)(*given)
    except Exception as error:
        return type(error), str(error), error.args, error.__cause__, error.__context__
    kind, value = type(value), getattr(value, "value", value)
    return kind, value.to_dict() if hasattr(value, "to_dict") else value


def bare_and_instrumented(north, telemetry, payload):
    """Return what each way of calling gives, and what it sends."""

    def of(resource):
        north.requests.clear()
        found = {name: outcome(resource, name, payload) for name in METHODS}
        handover = getattr(getattr(resource, "telemetry", None), "handover", None)
        assert handover is None or handover.flush(30)
        own = ("/trace", "/sessions/summary")
        sent = [
            (item.method, item.path, item.body, sorted(set(item.headers) - {"x-munge-cred"}))
            for item in list(north.requests)
            if not item.path.endswith(own)
        ]
        return found, sent

    def fresh():
        return qrmi.QuantumResource("EMU", qrmi.ResourceType.PasqalLocal)

    results = [of(fresh()), of(instrument(fresh(), **telemetry.providers))]
    instrument(**telemetry.providers)
    try:
        results.append(of(fresh()))
    finally:
        uninstrument()
    return results


@pytest.fixture
def answer_all(job_environment, monkeypatch):
    """Return a function that sets what every request is answered."""
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", "held")

    def set_answer(status, body):
        for method in ("GET", "POST", "DELETE"):
            job_environment.refusals[method, "/"] = (status, body)

    return set_answer


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("status", HTTP_ERRORS)
def test_refusals(answer_all, north, telemetry, payload, status):
    answer_all(status, '{"detail": "not now"}')
    bare, proxy, zero_code = bare_and_instrumented(north, telemetry, payload)
    assert bare == proxy == zero_code
    assert len(bare[1]) >= 9
    failed = {name for name, result in bare[0].items() if issubclass(result[0], qrmi.QrmiError)}
    assert {"acquire", "task_start", "release"} <= failed


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_replies_of_all_kinds(answer_all, north, telemetry, payload, body):
    answer_all(200, body)
    bare, proxy, zero_code = bare_and_instrumented(north, telemetry, payload)
    assert bare == proxy == zero_code


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_server_that_is_gone(job_environment, telemetry, payload, monkeypatch):
    monkeypatch.setenv("EMU_QRMI_WARDEN_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", "held")
    bare, proxy, zero_code = bare_and_instrumented(job_environment, telemetry, payload)
    assert bare == proxy == zero_code


def payload_of(kind):
    text = '{"secret": "of the program \u03c8"}'
    made = {
        "pasqal-cloud": lambda: qrmi.Payload.PasqalCloud(sequence=text, job_runs=7),
        "qiskit-primitive": lambda: qrmi.Payload.QiskitPrimitive(input=text, program_id="sampler"),
        "iqm-server": lambda: qrmi.Payload.IQMServer(
            iqmjson=text, job_type="circuit", use_timeslot=False, tag=None
        ),
        "alice-bob-felis": lambda: qrmi.Payload.AliceBobFelis(human_qir=text, input_params="{}"),
        "oqtopus": lambda: qrmi.Payload.Oqtopus(job_spec=text),
    }
    return made[kind](), len(text.encode())


class Remembering(FakeResource):
    def task_start(self, payload):
        self.given = payload
        return super().task_start(payload)


@pytest.mark.parametrize("kind", PAYLOADS)
def test_each_kind_of_payload_arrives_untouched_and_is_named(kind, telemetry):
    resource = Remembering()
    payload, size = payload_of(kind)
    instrument(resource, **telemetry.providers).task_start(payload)
    assert resource.given is payload
    attributes = telemetry.one("task_start FAKE").attributes
    assert attributes["qrmi.payload.kind"] == kind
    assert attributes["qpu.program.size"] == size
    assert attributes.get("qpu.job.shots.requested") == (7 if kind == "pasqal-cloud" else None)
    assert "secret" not in "".join(span.to_json() for span in telemetry.spans)
    (point,) = telemetry.points("qrmi.client.payload")
    assert point.sum == size


@pytest.mark.parametrize("kind", PAYLOADS)
def test_each_kind_of_payload_gets_the_wheels_answer(kind, job_environment, telemetry, monkeypatch):
    payload, _ = payload_of(kind)
    bare, proxy, zero_code = bare_and_instrumented(job_environment, telemetry, payload)
    assert bare[0]["task_start"] == proxy[0]["task_start"] == zero_code[0]["task_start"]


def test_an_unknown_kind_of_payload_is_other(telemetry):
    instrument(FakeResource(), **telemetry.providers).task_start({"of": "a newer library"})
    attributes = dict(telemetry.one("task_start FAKE").attributes)
    assert attributes["qrmi.payload.kind"] == "other"
    assert "qpu.program.size" not in attributes


ERRORS = sorted(name for name in vars(qrmi) if name.endswith("Error"))


@pytest.mark.parametrize("name", ERRORS)
def test_each_class_of_error_is_itself_and_named(name, telemetry, payload):
    error = getattr(qrmi, name)("no")
    resource = instrument(FakeResource(error=error), **telemetry.providers)
    calls = {"task_start": (payload,), "release": ("token",)}
    methods = [method for method in METHODS if not method.startswith("resource_")]
    for method in methods:
        given = calls.get(method, ("1",) if method in OF_TASKS else ())
        with pytest.raises(qrmi.QrmiError) as caught:
            getattr(resource, method)(*given)
        assert caught.value is error
    assert name in QRMI_ERROR_TYPES
    traced = [span for span in telemetry.spans if "error.type" in span.attributes]
    assert {span.attributes["error.type"] for span in traced} == {f"qrmi.{name}"}
    points = telemetry.points("qrmi.client.operation.duration")
    assert {point.attributes["error_type"] for point in points} == {name}
    assert {point.attributes["operation"] for point in points} == set(methods)


def test_calls_stay_on_the_callers_thread(telemetry, payload):
    threads = []

    class Noting(FakeResource):
        def _maybe(self, value):
            threads.append(threading.get_ident())
            return super()._maybe(value)

    resource = instrument(Noting(), **telemetry.providers)
    for name in METHODS:
        given = {"task_start": (payload,), "release": ("held",)}.get(name, ("1",) if name in OF_TASKS else ())
        getattr(resource, name)(*given)
    assert set(threads) == {threading.get_ident()}
    assert sys.exc_info() == (None, None, None)


def test_two_threads_on_one_object_get_the_wheels_answer(wheel_resource, telemetry, north):
    """The wheel refuses it; the instrumentation neither hides nor causes that."""
    instrument(**telemetry.providers)
    outcomes = []

    def work():
        for _ in range(50):
            try:
                wheel_resource.target()
                outcomes.append("done")
            except RuntimeError as error:
                outcomes.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(3)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        uninstrument()
    assert len(outcomes) == 150
    assert set(outcomes) <= {"done", "Already borrowed", "Already mutably borrowed"}
