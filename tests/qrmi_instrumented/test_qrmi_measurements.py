"""Measurements reach the SDK from a thread: none is lost, none waits for long, and they stay bounded."""

from __future__ import annotations

import os
import threading

import pytest
from opentelemetry.metrics import NoOpMeterProvider, get_meter

from qwatch.qrmi import measurements
from qwatch.qrmi.instrument import instrument
from qwatch.qrmi.measurements import MEASUREMENTS, Measurements

from .fake_resource import FakeResource

LABELS = {"state": "x"}


class Keeping:
    """A histogram that remembers, and may be held up or fail."""

    def __init__(self):
        self.values, self.go, self.fails = [], threading.Event(), False
        self.go.set()

    def record(self, value, labels, present=None):
        self.go.wait(60)
        if self.fails:
            raise RuntimeError("the SDK is broken")
        self.values.append(value)


def test_each_arrives_by_itself(wait_until):
    noted, histogram = Measurements(), Keeping()
    for number in range(100):
        noted.note(histogram, number, LABELS)
    wait_until(lambda: len(histogram.values) == 100)
    noted.note(histogram, 100, LABELS)
    wait_until(lambda: len(histogram.values) == 101)
    assert histogram.values == list(range(101))


def test_none_is_lost_when_too_many_wait(monkeypatch):
    monkeypatch.setattr(measurements, "MOST_WAITING", 10)
    noted, histogram = Measurements(), Keeping()
    for number in range(1000):
        noted.note(histogram, number, LABELS)
        assert len(noted._waiting) <= 10
    noted.hand_on()
    assert sorted(histogram.values) == list(range(1000))


def test_a_broken_sdk_harms_nobody(caplog):
    noted, histogram = Measurements(), Keeping()
    histogram.fails = True
    noted.note(histogram, 1, LABELS)
    noted.note(histogram, 2, LABELS)
    noted.hand_on()
    histogram.fails = False
    noted.note(histogram, 3, LABELS)
    noted.hand_on()
    assert histogram.values == [3]


@pytest.mark.parametrize("meter", [get_meter("nobody"), NoOpMeterProvider().get_meter("nobody")])
def test_without_an_sdk_nothing_is_kept(meter):
    noted = Measurements()
    noted.note(meter.create_histogram("h"), 1.0, LABELS)
    assert len(noted._waiting) == 0
    assert noted._thread is None


def test_they_carry_the_trace_of_their_call(telemetry):
    instrument(FakeResource(), **telemetry.providers).target()
    (point,) = telemetry.points("qrmi.client.operation.duration")
    (exemplar,) = point.exemplars
    assert exemplar.span_id == telemetry.one("target FAKE").context.span_id


def test_a_forked_process_leaves_those_of_the_parent_to_it(telemetry):
    resource = instrument(FakeResource(), **telemetry.providers)
    MEASUREMENTS.hand_on()
    resource.status()
    resource.target()
    process = os.fork()
    if process == 0:
        code = 1
        try:
            resource.target()
            code = len(MEASUREMENTS._waiting) - 1
        finally:
            os._exit(code)
    assert os.waitpid(process, 0)[1] == 0
    operations = {point.attributes["operation"] for point in telemetry.points("qrmi.client.operation.duration")}
    assert operations == {"status", "target"}
