"""The doubles of IBM's Quantum Compute Service and of the older Qiskit Runtime Service, which share an API."""

from __future__ import annotations

import time
from typing import Any

import qrmi

from .vendor import PASQAL, PRIMITIVE, PRIMITIVE_INPUT, Route, Text, Vendor, route

_BACKEND = {
    "name": "ibm_torino",
    "is_simulator": False,
    "qubits": 133,
    "clops": {"type": "hardware", "value": 1},
    "processor_type": {"family": "Heron", "revision": "1"},
    "queue_length": 4,
    "performance_metrics": {},
    "status": {"name": "online", "reason": "available"},
}


def token() -> dict[str, Any]:
    """Return the reply of IBM Cloud's identity service."""
    return {
        "access_token": "ibm-bearer",
        "refresh_token": "not-used",
        "token_type": "Bearer",
        "expires_in": 3600,
        "expiration": int(time.time()) + 3600,
        "scope": "ibm openid",
    }


def _job(status: str) -> tuple[int, Any]:
    return 200, {
        "id": "job-1",
        "backend": "ibm_torino",
        "status": status,
        "state": {"status": status},
        "params": {},
        "program": {"id": "sampler"},
        "created": "2026-09-28T15:16:40Z",
        "cost": 60,
    }


def _vendor(name: str, resource_type: qrmi.ResourceType, prefix: str, status: dict[str, Any]) -> Vendor:
    return Vendor(
        name=name,
        resource_type=resource_type,
        resource_id="ibm_torino",
        environment={
            f"QRMI_IBM_{prefix}_ENDPOINT": "{url}/api",
            f"QRMI_IBM_{prefix}_IAM_ENDPOINT": "{url}",
            f"QRMI_IBM_{prefix}_IAM_APIKEY": "ibm-secret",
            f"QRMI_IBM_{prefix}_SERVICE_CRN": "crn:v1:bluemix:public:quantum-computing",
            f"QRMI_IBM_{prefix}_TIMEOUT_SECONDS": "60",
        },
        payload=PRIMITIVE,
        program=PRIMITIVE_INPUT,
        other_payload=PASQAL,
        routes=[
            route("POST", "/identity/token", token()),
            route("GET", "/api/backends", {"devices": [_BACKEND]}),
            route(
                "GET",
                "/api/backends/ibm_torino/status",
                {"state": True, "status": "active", "message": "", "length_queue": 4, "backend_version": "1"},
            ),
            route("GET", "/api/backends/ibm_torino/configuration", {"n_qubits": 133}),
            route("GET", "/api/backends/ibm_torino/properties", {"backend_name": "ibm_torino"}),
            route(
                "POST", "/api/sessions", {"id": "session-1", "mode": "dedicated", "backend_name": "ibm_torino"}
            ),
            route("PATCH", "/api/sessions/session-1", status=204),
            route("GET", "/api/jobs", {"jobs": [], "count": 0, "limit": 10, "offset": 0}),
            route("POST", "/api/jobs", {"id": "job-1", "backend": "ibm_torino"}),
            Route(
                "GET",
                "/api/jobs/job-1",
                [_job("Queued"), _job("Running"), _job("Completed"), _job("Completed"), _job("Queued")],
            ),
            route("GET", "/api/jobs/job-1/results", Text('{"results": []}')),
            route("GET", "/api/jobs/job-1/logs", Text("sampled\n")),
            route("POST", "/api/jobs/job-1/cancel", status=204),
        ],
        status=status,
        target='"configuration":{"n_qubits":133}',
        states=["Queued", "Running", "Completed"],
        result='{"results": []}',
        logs="sampled\n",
        errors={
            ("is_accessible", 401): qrmi.AuthenticationFailedError,
            ("is_accessible", 404): qrmi.ResourceNotFoundError,
            ("task_start", 400): qrmi.InvalidInputError,
            ("task_status", 404): qrmi.TaskNotFoundError,
            ("task_result", 500): qrmi.QrmiError,
        },
        secrets=["ibm-secret", "ibm-bearer"],
    )


IBM_COMPUTE = _vendor(
    "ibm-quantum-compute-service",
    qrmi.ResourceType.IBMQuantumComputeService,
    "QCS",
    {"status": "online", "status_reason": "available", "busy": False, "pending_job_count": 4},
)
IBM_RUNTIME = _vendor(
    "qiskit-runtime-service",
    qrmi.ResourceType.IBMQiskitRuntimeService,
    "QRS",
    {"status": "online", "pending_job_count": None},
)
