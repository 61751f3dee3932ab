"""The proxy that stands before a QRMI resource and records its calls."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import qrmi

from . import at_exit
from .guard import Guard
from .handover import DaemonAddress
from .interface import Resource, Status, Value
from .options import Options
from .resource_telemetry import ResourceTelemetry
from .session_spans import SessionSpan
from .wheel import bare

_GUARD = Guard("instrumentation")


class InstrumentedResource:
    """A QRMI resource whose calls are traced and measured. Made by ``instrument``."""

    def __init__(self, resource: Resource, options: Options, daemon: DaemonAddress | None) -> None:
        self._resource = resource
        self._bare = bare(resource)
        self.telemetry = ResourceTelemetry(resource, options, daemon)
        weakref.finalize(self, at_exit.leave_to_exit, self.telemetry).atexit = False

    if not TYPE_CHECKING:

        @property
        def __class__(self) -> type:
            """For ``isinstance``, also a resource of the class that it stands for."""
            return type(self._resource)

        def __getattr__(self, name: str) -> Any:
            """Methods of newer versions of QRMI pass through untraced."""
            return getattr(self._resource, name)

    def acquire(self) -> str:
        """Open a session and return its token."""
        return self.telemetry.acquire(self._bare.acquire)

    def release(self, id: str) -> None:
        """Close the session ``id``."""
        self.telemetry.release(self._bare.release, id)

    def is_accessible(self) -> bool:
        """Tell whether the resource is online (QRMI prefers ``status``)."""
        return self.telemetry.call("is_accessible", self._bare.is_accessible)

    def status(self) -> Status:
        """Return the resource's state."""
        return self.telemetry.call("status", self._bare.status)

    def target(self) -> Value:
        """Return the description of the device."""
        return self.telemetry.call("target", self._bare.target)

    def metadata(self) -> dict[str, str]:
        """Return what is known of the resource."""
        return self.telemetry.call("metadata", self._bare.metadata)

    def resource_id(self) -> str:
        """Return the resource's name."""
        return self._bare.resource_id()

    def resource_type(self) -> qrmi.ResourceType:
        """Return the resource's type."""
        return self._bare.resource_type()

    def task_start(self, payload: qrmi.Payload) -> str:
        """Submit a task and return its id."""
        return self.telemetry.task_start(self._bare.task_start, payload)

    def task_status(self, task_id: str) -> qrmi.TaskStatus:
        """Return the state of a task."""
        return self.telemetry.task_status(self._bare.task_status, task_id)

    def task_result(self, task_id: str) -> Value:
        """Return the result of a task that has completed."""
        return self.telemetry.task_result(self._bare.task_result, task_id)

    def task_logs(self, task_id: str) -> str:
        """Return the log of a task."""
        return self.telemetry.call("task_logs", self._bare.task_logs, task_id)

    def task_stop(self, task_id: str) -> None:
        """Cancel a task."""
        self.telemetry.call("task_stop", self._bare.task_stop, task_id)

    def close(self) -> None:
        """End the spans that are still open; the resource can be used on."""
        self.telemetry.end()
        with _GUARD:
            self.telemetry.flush()

    def session_of(self, token: str) -> SessionSpan | None:
        """Return the span of the session ``token``; that of one which somebody else acquired starts now."""
        with _GUARD:
            return self.telemetry.spans.session_of(token)
        return None
