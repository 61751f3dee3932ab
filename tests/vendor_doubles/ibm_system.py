"""The double of an IBM Quantum System's API and of the S3 bucket through which its inputs and results go."""

from __future__ import annotations

from typing import Any

import qrmi

from .ibm_runtime import token
from .vendor import PASQAL, PRIMITIVE, PRIMITIVE_INPUT, Route, Text, Vendor, route

_NAME = "ibm_system"
_JOB = "[0-9a-f-]{36}"


def _job(status: str) -> tuple[int, Any]:
    stored = {"type": "s3_compatible", "presigned_url": "https://example.com"}
    return 200, {
        "id": "0b5a0f36-1a8b-4d57-8a0e-0f6f1f3f6c01",
        "backend": _NAME,
        "status": status,
        "program_id": "sampler",
        "log_level": "debug",
        "created_time": "2026-09-28T15:16:40Z",
        "timeout_secs": 60,
        "usage": {"quantum_nanoseconds": 5},
        "storage": {"input": stored, "results": stored, "logs": stored},
    }


IBM_SYSTEM = Vendor(
    name="ibm-quantum-system",
    resource_type=qrmi.ResourceType.IBMQuantumSystem,
    resource_id=_NAME,
    environment={
        "QRMI_IBM_QS_ENDPOINT": "{url}",
        "QRMI_IBM_QS_IAM_ENDPOINT": "{url}",
        "QRMI_IBM_QS_IAM_APIKEY": "ibm-secret",
        "QRMI_IBM_QS_SERVICE_CRN": "crn:v1:bluemix:public:quantum-computing",
        "QRMI_IBM_QS_AWS_ACCESS_KEY_ID": "access-key",
        "QRMI_IBM_QS_AWS_SECRET_ACCESS_KEY": "s3-secret",
        "QRMI_IBM_QS_S3_ENDPOINT": "{url}",
        "QRMI_IBM_QS_S3_BUCKET": "bucket",
        "QRMI_IBM_QS_S3_REGION": "us-east-1",
        "QRMI_JOB_TIMEOUT_SECONDS": "60",
    },
    payload=PRIMITIVE,
    program=PRIMITIVE_INPUT,
    other_payload=PASQAL,
    routes=[
        route("POST", "/identity/token", token()),
        route(
            "GET",
            f"/v1/backends/{_NAME}",
            {"name": _NAME, "status": "online", "version": "1", "message": "", "locked": False},
        ),
        route(
            "GET",
            f"/v1/backends/{_NAME}/lanes",
            {"hpc_workload_manager": {"lanes": 2}, "ibm_quantum_compute": {"lanes": 3}},
        ),
        route("GET", f"/v1/backends/{_NAME}/configuration", {"n_qubits": 127}),
        route("GET", f"/v1/backends/{_NAME}/properties", {"backend_name": _NAME}),
        route("PUT", f"/bucket/input_{_JOB}.json", Text("")),
        route("POST", "/v1/jobs", status=204),
        route("GET", "/v1/jobs", {"jobs": []}),
        Route(
            "GET", f"/v1/jobs/{_JOB}", [_job("Running"), _job("Completed"), _job("Completed"), _job("Running")]
        ),
        route("GET", f"/bucket/results_{_JOB}.json", Text('{"results": []}')),
        route("GET", f"/bucket/logs_{_JOB}.json", Text("sampled\n")),
        route("POST", f"/v1/jobs/{_JOB}/cancel", status=204),
        route("DELETE", f"/v1/jobs/{_JOB}", status=204),
    ],
    status={"status": "online", "busy": False, "capacity": {"available_slots": 2, "max_slots": 2}},
    target='"configuration":{"n_qubits":127}',
    states=["Running", "Completed"],
    result='{"results": []}',
    logs="sampled\n",
    errors={
        ("is_accessible", 401): qrmi.AuthenticationFailedError,
        ("is_accessible", 404): qrmi.ResourceNotFoundError,
        ("task_status", 404): qrmi.TaskNotFoundError,
    },
    secrets=["ibm-secret", "ibm-bearer", "s3-secret"],
    job_id=None,
)
