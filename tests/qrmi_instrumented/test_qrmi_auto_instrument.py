"""Instrumentation of a program that knows nothing of qwatch."""

from __future__ import annotations

import pytest
import qrmi

from qwatch.qrmi import auto_instrument, wheel
from qwatch.qrmi.instrument import InstrumentedResource


@pytest.fixture
def installed():
    auto_instrument.install()
    yield
    auto_instrument.uninstall()


def test_every_way_to_a_resource_is_instrumented(installed, job_environment):
    made = qrmi.QuantumResource("EMU", qrmi.ResourceType.PasqalLocal)
    configured = qrmi.QuantumResource.from_config(
        "EMU",
        qrmi.ResourceType.PasqalLocal,
        {"QRMI_WARDEN_URL": job_environment.url, "QRMI_JOB_UID": "0", "QRMI_JOB_ID": "1"},
    )
    (listed,) = qrmi.QRMIService().resources()
    named = qrmi.QRMIService().resource("EMU")
    for resource in (made, configured, listed, named):
        assert isinstance(resource, InstrumentedResource)
        assert isinstance(resource, qrmi.QuantumResource)
        assert isinstance(resource._resource, wheel.QuantumResource)
    assert qrmi.QRMIService().resource("ABSENT") is None


def test_errors_of_the_constructor_are_the_wheels(installed):
    with pytest.raises(qrmi.EnvVarNotSetError, match="EMU_QRMI_WARDEN_URL"):
        qrmi.QuantumResource("EMU", qrmi.ResourceType.PasqalLocal)


def test_it_can_be_undone_and_done_twice(job_environment):
    bare = qrmi.QuantumResource
    resources = qrmi.QRMIService.resources
    auto_instrument.install()
    auto_instrument.install()
    auto_instrument.uninstall()
    assert qrmi.QuantumResource is bare is wheel.QuantumResource
    assert qrmi.QRMIService.resources is resources
    assert not isinstance(qrmi.QRMIService().resources()[0], InstrumentedResource)
