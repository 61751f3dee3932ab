"""The instrumented resource behaves as the bare one, whatever telemetry does."""

from __future__ import annotations

import json

import pytest
import qrmi
from opentelemetry import context

from qwatch.qrmi import suppression
from qwatch.qrmi.instrument import InstrumentedResource, instrument

from .fake_resource import FakeResource


def calls(payload):
    return {
        "acquire": (),
        "is_accessible": (),
        "status": (),
        "target": (),
        "metadata": (),
        "task_start": (payload,),
        "task_status": ("1",),
        "task_result": ("1",),
        "task_logs": ("1",),
        "task_stop": ("1",),
        "release": ("fake-session-token",),
    }


def outcome(resource, name, given):
    try:
        value = getattr(resource, name)(*given)
    except Exception as error:
        return type(error), str(error)
    value = getattr(value, "value", value)
    return value.to_dict() if hasattr(value, "to_dict") else value


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("refused", [False, True])
def test_values_and_errors_are_those_of_the_bare_wheel(
    wheel_resource, north, payload, telemetry, refused, monkeypatch
):
    instrumented = instrument(qrmi.QuantumResource("EMU", qrmi.ResourceType.PasqalLocal), **telemetry.providers)
    if refused:
        for method in ("GET", "POST", "DELETE"):
            north.refusals[method, "/"] = (503, '{"detail": "no store"}')
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", "session-token-0")
    results = []
    for resource in (wheel_resource, instrumented):
        north.sessions.clear()
        north.jobs.clear()
        north.steps = ["DONE"]
        given = {**calls(payload), "release": ("session-token-0",)}
        results.append({name: outcome(resource, name, arguments) for name, arguments in given.items()})
    assert results[0] == results[1]
    assert results[0]["task_start"] == (
        (qrmi.QrmiError, 'Status: 503 Service Unavailable, Fail {"detail": "no store"}') if refused else "1"
    )


@pytest.mark.parametrize("name", ["acquire", "release", "target", "task_start", "task_status", "task_result"])
@pytest.mark.parametrize("error", [qrmi.QrmiError("refused"), ValueError("odd"), KeyboardInterrupt()])
def test_the_same_exception_object_is_raised(name, error, payload, telemetry):
    resource = instrument(FakeResource(error=error), **telemetry.providers)
    with pytest.raises(type(error)) as caught:
        getattr(resource, name)(*calls(payload)[name])
    assert caught.value is error
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert context.get_current() == {}


def test_pulser_accepts_it(telemetry, wheel_resource, north):
    from qrmi.pulser import PulserQRMIConnection

    from qwatch.emulator.specs import device_specs

    north.specs = device_specs("EMU")
    connection = PulserQRMIConnection(instrument(wheel_resource, **telemetry.providers))
    assert list(connection.fetch_available_devices()) == ["EMU"]


def test_twice_is_once_and_unknown_methods_pass(telemetry):
    resource = instrument(FakeResource(), **telemetry.providers)
    assert instrument(resource) is resource
    assert isinstance(resource, InstrumentedResource)
    assert resource.something_new() == "of a newer QRMI"
    with pytest.raises(AttributeError, match="nothing"):
        resource.nothing()


def test_suppression_records_nothing(telemetry, payload):
    resource = instrument(FakeResource(), **telemetry.providers)
    token = context.attach(suppression.suppressed_context())
    try:
        for name, given in calls(payload).items():
            getattr(resource, name)(*given)
    finally:
        context.detach(token)
    resource.close()
    assert telemetry.spans == []
    assert telemetry.points("qrmi.client.operation.duration") == []


def test_suppression_as_contrib_writes_it(telemetry):
    resource = instrument(FakeResource(), **telemetry.providers)
    token = context.attach(context.set_value("suppress_instrumentation", True))
    try:
        resource.target()
    finally:
        context.detach(token)
    assert telemetry.spans == []


def test_without_an_sdk_everything_works(payload):
    resource = instrument(FakeResource())
    for name, given in calls(payload).items():
        getattr(resource, name)(*given)


class BrokenProvider:
    """A tracer whose every span fails, to start with."""

    def get_tracer(self, *given, **named):
        return self

    def start_span(self, *given, **named):
        raise RuntimeError("the tracer is broken")


def test_faults_of_telemetry_do_not_reach_the_program(payload, telemetry, caplog):
    resource = instrument(
        FakeResource(), tracer_provider=BrokenProvider(), meter_provider=telemetry.meter_provider
    )
    for _ in range(3):
        for name, given in calls(payload).items():
            getattr(resource, name)(*given)
    messages = [record.getMessage() for record in caplog.records]
    assert any("the tracer is broken" in message for message in messages)
    assert len(messages) == len(set(messages))


def test_hooks_see_the_calls_and_their_faults_are_caught(payload, telemetry):
    seen = []

    def request_hook(span, operation, given):
        seen.append((operation, given))
        span.set_attribute("of.the.hook", True)

    def response_hook(span, operation, value):
        raise RuntimeError("the hook is broken")

    resource = instrument(
        FakeResource(), request_hook=request_hook, response_hook=response_hook, **telemetry.providers
    )
    identifier = resource.task_start(payload)
    assert resource.task_result(identifier).value == "{}"
    assert seen == [("task_start", (payload,)), ("task_result", (identifier,))]
    assert telemetry.one("task_start FAKE").attributes["of.the.hook"] is True


def test_measurements(payload, telemetry):
    resource = instrument(FakeResource(), **telemetry.providers)
    identifier = resource.task_start(payload)
    resource.task_status(identifier)
    resource.task_result(identifier)
    with pytest.raises(qrmi.TaskNotReadyError):
        instrument(FakeResource(error=qrmi.TaskNotReadyError("no")), **telemetry.providers).task_result("1")
    with pytest.raises(KeyError):
        instrument(FakeResource(error=KeyError("no")), **telemetry.providers).target()
    operations = {
        (point.attributes["operation"], point.attributes["error_type"]): point.count
        for point in telemetry.points("qrmi.client.operation.duration")
    }
    assert operations == {
        ("task_start", ""): 1,
        ("task_status", ""): 1,
        ("task_result", ""): 1,
        ("task_result", "TaskNotReadyError"): 1,
        ("target", "other"): 1,
    }
    (task,) = telemetry.points("qrmi.client.task.duration")
    assert task.attributes == {"resource_type": "pasqal-cloud", "state": "completed"}
    (polls,) = telemetry.points("qrmi.client.status.polls")
    assert (polls.sum, polls.explicit_bounds[0]) == (1, 1.0)
    sizes = {point.attributes["direction"]: point.sum for point in telemetry.points("qrmi.client.payload")}
    assert sizes == {"sent": len(payload.sequence), "received": 2}


def test_the_base_error_is_named_as_the_documentation_names_it(telemetry):
    resource = instrument(FakeResource(error=qrmi.QrmiError("x")), **telemetry.providers)
    with pytest.raises(qrmi.QrmiError):
        resource.target()
    assert telemetry.one("target FAKE").attributes["error.type"] == "qrmi.QrmiError"
    (point,) = telemetry.points("qrmi.client.operation.duration")
    assert point.attributes["error_type"] == "QrmiError"


def test_no_credential_in_anything_recorded(wheel_resource, north, telemetry, payload, run_task, monkeypatch):
    resource = instrument(wheel_resource, **telemetry.providers)
    token = resource.acquire()
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", token)
    run_task(resource, payload)
    north.refusals["DELETE", "/sessions"] = (500, json.dumps({"detail": f"cannot end {token}"}))
    with pytest.raises(qrmi.QrmiError, match=token):
        resource.release(token)
    north.refusals.clear()
    with pytest.raises(qrmi.QrmiError):
        resource.release("another-session-of-somebody")
    recorded = "".join(span.to_json() for span in telemetry.spans)
    resource.close()
    recorded += str(telemetry.reader.get_metrics_data())
    assert "cannot end [redacted]" in recorded
    for secret in (token, "another-session-of-somebody", "MUNGE:"):
        assert secret not in recorded
    credentials = [item.headers["x-munge-cred"] for item in north.requests if "x-munge-cred" in item.headers]
    assert len(credentials) == len(set(credentials)) > 5
