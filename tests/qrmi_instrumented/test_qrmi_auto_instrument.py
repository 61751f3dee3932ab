"""Instrumentation of a program that knows nothing of qwatch."""

from __future__ import annotations

import inspect

import pytest
import qrmi
from opentelemetry import trace

from qwatch.qrmi import auto_instrument, wheel
from qwatch.qrmi.instrument import InstrumentedResource, instrument, uninstrument


@pytest.fixture
def instrumented(telemetry):
    instrument(**telemetry.providers)
    yield telemetry
    uninstrument()


def test_every_way_to_a_resource_is_instrumented(instrumented, job_environment):
    made = qrmi.QuantumResource("EMU", qrmi.ResourceType.PasqalLocal)
    configured = qrmi.QuantumResource.from_config(
        "EMU",
        qrmi.ResourceType.PasqalLocal,
        {"QRMI_WARDEN_URL": job_environment.url, "QRMI_JOB_UID": "0", "QRMI_JOB_ID": "1"},
    )
    (listed,) = qrmi.QRMIService().resources()
    named = qrmi.QRMIService().resource("EMU")
    for resource in (made, configured, listed, named):
        assert type(resource) is qrmi.QuantumResource is wheel.QuantumResource
        instrumented.exporter.clear()
        resource.target()
        assert [span.name for span in instrumented.spans] == ["target EMU"]
    assert qrmi.QRMIService().resource("ABSENT") is None


def test_what_was_imported_and_made_before_is_instrumented_too(job_environment, telemetry, wheel_resource):
    early_class, early_method = qrmi.QuantumResource, wheel_resource.target
    instrument(**telemetry.providers)
    try:
        wheel_resource.target()
        early_class("EMU", qrmi.ResourceType.PasqalLocal).target()
        assert len(telemetry.named("target EMU")) == 2
        early_method()
        assert len(telemetry.named("target EMU")) == 2
    finally:
        uninstrument()


def test_the_class_stays_what_it_is(job_environment, wheel_resource, telemetry):
    signatures = {name: inspect.signature(method) for name, method in wheel.BARE.items()}
    documents = {name: method.__doc__ for name, method in wheel.BARE.items()}
    names = dir(qrmi.QuantumResource)
    instrument(**telemetry.providers)
    try:
        assert dir(qrmi.QuantumResource) == names
        for name in wheel.BARE:
            method = getattr(qrmi.QuantumResource, name)
            assert inspect.signature(method) == signatures[name]
            assert (method.__name__, method.__doc__) == (name, documents[name])
        with pytest.raises(AttributeError):
            wheel_resource.something = 1
        with pytest.raises(TypeError):
            type("Derived", (qrmi.QuantumResource,), {})
        assert isinstance(wheel_resource, qrmi.QuantumResource)
    finally:
        uninstrument()


WRONG_CALLS = [
    ("task_start", (), {}),
    ("task_start", ("a", "b"), {}),
    ("task_start", (), {"task": 1}),
    ("task_status", (1,), {}),
    ("release", (), {"id": 3}),
    ("target", (1,), {}),
]


@pytest.mark.parametrize(("name", "given", "named"), WRONG_CALLS)
def test_a_wrong_call_gets_the_librarys_own_answer(wheel_resource, telemetry, name, given, named):
    answers = []
    for instrumented in (False, True):
        if instrumented:
            instrument(**telemetry.providers)
        with pytest.raises(TypeError) as caught:
            getattr(wheel_resource, name)(*given, **named)
        answers.append(str(caught.value))
    uninstrument()
    assert answers[0] == answers[1]


def test_arguments_may_be_named(instrumented, job_environment, wheel_resource, payload, monkeypatch):
    token = wheel_resource.acquire()
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", token)
    task = wheel_resource.task_start(payload=payload)
    wheel_resource.task_status(task_id=task)
    wheel_resource.release(id=token)
    assert instrumented.one("task_start EMU").attributes["qrmi.task.id"] == task
    assert instrumented.one("wait EMU").attributes["qrmi.status.polls"] == 1


def test_resources_of_one_name_share_a_session(instrumented, job_environment, payload, run_task, monkeypatch):
    first, second = (qrmi.QuantumResource("EMU", qrmi.ResourceType.PasqalLocal) for _ in range(2))
    token = first.acquire()
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", token)
    run_task(second, payload)
    first.release(token)
    session = instrumented.one("session EMU")
    assert instrumented.one("task EMU").parent.span_id == session.context.span_id


def test_errors_of_the_constructor_are_the_wheels(instrumented):
    with pytest.raises(qrmi.EnvVarNotSetError, match="EMU_QRMI_WARDEN_URL"):
        qrmi.QuantumResource("EMU", qrmi.ResourceType.PasqalLocal)
    with pytest.raises(TypeError):
        qrmi.QuantumResource.from_config("EMU")


def test_a_proxy_is_traced_once_and_counts_as_its_resource(instrumented, wheel_resource, telemetry):
    proxy = instrument(wheel_resource, **telemetry.providers)
    proxy.target()
    assert len(telemetry.named("target EMU")) == 1
    assert isinstance(proxy, qrmi.QuantumResource)
    assert isinstance(proxy, InstrumentedResource)


def test_it_can_be_undone_and_done_twice(job_environment, wheel_resource, telemetry):
    before = dict(vars(qrmi.QuantumResource))
    log_callback = qrmi.set_log_callback
    for _ in range(3):
        auto_instrument.install()
        auto_instrument.install()
        auto_instrument.uninstall()
        auto_instrument.uninstall()
        assert dict(vars(qrmi.QuantumResource)) == before
        assert qrmi.set_log_callback is log_callback
    instrument(**telemetry.providers)
    wheel_resource.acquire()
    uninstrument()
    assert len(telemetry.named("session EMU")) == 1
    wheel_resource.target()
    assert telemetry.named("target EMU") == []


def test_new_options_replace_earlier_ones(job_environment, wheel_resource, telemetry):
    seen = []
    instrument(**telemetry.providers)
    try:
        wheel_resource.target()
        instrument(**telemetry.providers, request_hook=lambda span, operation, given: seen.append(operation))
        wheel_resource.target()
    finally:
        uninstrument()
    assert seen == ["target"]
    assert len(telemetry.named("target EMU")) == 2


def test_a_configured_address_is_told_the_traces(north, munged, instrumented, payload, monkeypatch):
    settings = {"QRMI_WARDEN_URL": north.url, "QRMI_JOB_UID": "0", "QRMI_JOB_ID": "1"}
    resource = qrmi.QuantumResource.from_config(
        "CONFIGURED",
        qrmi.ResourceType.PasqalLocal,
        settings | {"QRMI_JOB_ACQUISITION_TOKEN": "session-token-0"},
    )
    token = resource.acquire()
    resource.task_start(payload)
    resource.release(token)
    assert len(north.of("POST", "/trace")) == 1


def test_the_present_span_during_a_call_is_that_of_the_call(instrumented, wheel_resource, telemetry):
    seen = []
    instrument(
        **telemetry.providers, request_hook=lambda span, *_: seen.append(trace.get_current_span() is span)
    )
    wheel_resource.target()
    assert seen == [True]
    assert not trace.get_current_span().get_span_context().is_valid


def test_what_is_kept_of_resources_stays_bounded(instrumented, north, munged):
    for number in range(200):
        settings = {"QRMI_WARDEN_URL": north.url, "QRMI_JOB_UID": "0", "QRMI_JOB_ID": "1"}
        resource = qrmi.QuantumResource.from_config(f"E{number}", qrmi.ResourceType.PasqalLocal, settings)
        resource.acquire()
    assert len(auto_instrument._known) == len(auto_instrument._configured) == 64
    assert len({span.name for span in instrumented.spans if span.name.startswith("session")}) == 136
