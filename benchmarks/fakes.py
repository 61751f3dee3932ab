"""Ends that cost next to nothing: a QRMI resource that returns constants, an exporter that drops spans."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from types import SimpleNamespace

import qrmi
import workload
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult


class FakeResource:
    """A QRMI resource whose tasks run, one after the other, until the last of a set number of polls."""

    def __init__(self, polls: int = 1) -> None:
        self._numbers = itertools.count(1)
        self._states = itertools.cycle([qrmi.TaskStatus.Running] * (polls - 1) + [qrmi.TaskStatus.Completed])
        self._status = SimpleNamespace(
            status=None, busy=False, healthy=True, pending_job_count=0, capacity=None, status_reason=None
        )
        self._value = SimpleNamespace(value='{"counter": {"0101": 100}}')

    def acquire(self) -> str:
        """Return a token."""
        return "session"

    def release(self, _: str, /) -> None:
        """Do nothing."""

    def is_accessible(self) -> bool:
        """Say yes."""
        return True

    def status(self) -> SimpleNamespace:
        """Return a constant."""
        return self._status

    def target(self) -> SimpleNamespace:
        """Return a constant."""
        return self._value

    def metadata(self) -> dict[str, str]:
        """Return nothing."""
        return {}

    def resource_id(self) -> str:
        """Return the benchmark's device."""
        return workload.DEVICE

    def resource_type(self) -> qrmi.ResourceType:
        """Return the type that the daemon serves."""
        return qrmi.ResourceType.PasqalLocal

    def task_start(self, _: object, /) -> str:
        """Return the next number."""
        return str(next(self._numbers))

    def task_status(self, _: str, /) -> qrmi.TaskStatus:
        """Say that it runs, the last time that it is complete."""
        return next(self._states)

    def task_result(self, _: str, /) -> SimpleNamespace:
        """Return a constant."""
        return self._value

    def task_logs(self, _: str, /) -> str:
        """Return nothing."""
        return ""

    def task_stop(self, _: str, /) -> None:
        """Do nothing."""


class NullExporter(SpanExporter):
    """Drops what it is given."""

    def export(self, _: Sequence[ReadableSpan]) -> SpanExportResult:
        """Drop the spans."""
        return SpanExportResult.SUCCESS
