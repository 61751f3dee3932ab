"""What a vendor's table says: where the wheel finds the double, what it serves, what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import qrmi

UNSUPPORTED = qrmi.UnsupportedFunctionError


@dataclass(frozen=True)
class Text:
    """A body that is no JSON."""

    text: str


@dataclass(frozen=True)
class Route:
    """One route: the replies come in turn, the last one from then on.

    ``path`` is a regular expression for the path without its query.
    """

    method: str
    path: str
    replies: Sequence[tuple[int, Any]]


def route(method: str, path: str, body: Any = None, status: int = 200) -> Route:
    """Return a route with one reply."""
    return Route(method, path, [(status, body)])


@dataclass(frozen=True)
class Vendor:
    """A resource type of the wheel and the double of its vendor's API.

    Attributes:
        name: QRMI's word for the resource type.
        resource_type: the type in the wheel.
        resource_id: name of the resource, as the environment's variables begin.
        environment: variables without the resource's prefix; ``{url}`` is the double's address.
        payload: a task.
        program: the text in the payload that counts as the program.
        other_payload: a payload of another vendor.
        routes: what the double serves.
        status: what ``status()`` tells.
        target: a text that must be in the target.
        states: what task_status tells in turn.
        result: the value of task_result.
        logs: what task_logs returns, or the class of its error.
        errors: (operation, route's index or None for all, HTTP status) and the class that the wheel raises.
        secrets: what must be in no telemetry.
        job_id: the number of the double's job; None if the wheel makes it up itself.
        sdk: what the payload tells of the SDK.
    """

    name: str
    resource_type: qrmi.ResourceType
    resource_id: str
    environment: dict[str, str]
    payload: qrmi.Payload
    program: str
    other_payload: qrmi.Payload
    routes: Sequence[Route]
    status: dict[str, Any]
    target: str
    states: Sequence[str]
    result: str
    logs: str | type[qrmi.QrmiError]
    errors: dict[tuple[str, int], type[qrmi.QrmiError]]
    secrets: Sequence[str] = field(default_factory=tuple)
    job_id: str | None = "job-1"
    sdk: str | None = None


PASQAL = qrmi.Payload.PasqalCloud(sequence='{"register": []}', job_runs=100)
PRIMITIVE_INPUT = (
    '{"pubs": [["OPENQASM 3.0;", null, 100]], "version": 2, "support_qiskit": false, "options": {}}'
)
PRIMITIVE = qrmi.Payload.QiskitPrimitive(input=PRIMITIVE_INPUT, program_id="sampler")
