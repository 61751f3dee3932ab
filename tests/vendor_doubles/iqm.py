"""The double of an IQM Server (API v1)."""

from __future__ import annotations

from typing import Any

import qrmi

from .vendor import PASQAL, Route, Text, Vendor, route

_QUANTUM_COMPUTER = {
    "id": "0b5a0f36-1a8b-4d57-8a0e-0f6f1f3f6c01",
    "alias": "garnet",
    "display_name": "Garnet",
    "description": "20-qubit QPU",
    "backend_type": "qpu",
    "number_of_qubits": 20,
    "pulla_enabled": False,
    "limits": {
        "max_instructions_per_circuit": 10000,
        "max_shots_per_circuit": 100000,
        "max_circuits_per_job": 200,
        "max_executions_per_job": 1000000,
        "max_queued_jobs_per_user": 10,
    },
    "operational_status": "online",
    "health": {"healthy": True, "updated_at": "2026-09-28T15:16:40Z"},
    "queue_length": 3,
    "pricing": {"payg_price_per_second": "0.30"},
    "additional_info": {
        "academy_url": "https://example.com/academy",
        "best_suited_for": [],
        "documentation_url": "https://example.com/docs",
        "mock_url": "https://example.com/mock",
    },
}


def _job(status: str) -> dict[str, Any]:
    return {
        "id": _JOB,
        "status": status,
        "type": "circuit",
        "artifacts": [],
        "qc": {"id": _QUANTUM_COMPUTER["id"], "alias": "garnet"},
        "queue_position": 1 if status == "waiting" else None,
        "timeline": [{"source": "server", "status": "created", "timestamp": "2026-09-28T15:16:40Z"}],
        "messages": [{"source": "station", "message": "done"}],
        "errors": [],
        "compilation": {},
        "execution": {"progress": {}},
        "runtime_ms": 3,
        "tag": "qwatch",
    }


_JOB = "6f0c2f36-1a8b-4d57-8a0e-0f6f1f3f6c77"
_CIRCUITS = '{"circuits":[],"shots":100}'

IQM = Vendor(
    name="iqm-server",
    resource_type=qrmi.ResourceType.IQMServer,
    resource_id="garnet",
    environment={"QRMI_IQM_ISA_ENDPOINT": "{url}", "QRMI_IQM_ISA_TOKEN": "iqm-secret"},
    payload=qrmi.Payload.IQMServer(iqmjson=_CIRCUITS, job_type="circuit", use_timeslot=False, tag="qwatch"),
    program=_CIRCUITS,
    other_payload=PASQAL,
    routes=[
        route("GET", "/api/v1/quantum-computers/garnet", _QUANTUM_COMPUTER),
        route("GET", "/api/v1/calibration-sets/garnet/default(/.*)?", {"qubits": ["QB1"]}),
        route("GET", "/api/v1/quantum-computers/garnet/artifacts/.*", status=404, body={"message": "none"}),
        route("POST", "/api/v1/jobs/garnet/circuit", _job("waiting")),
        Route(
            "GET",
            f"/api/v1/jobs/{_JOB}",
            [(200, _job("waiting")), (200, _job("processing")), (200, _job("completed"))],
        ),
        route("GET", f"/api/v1/jobs/{_JOB}/artifacts/measurements", [{"m": [[0], [1]]}]),
        route("GET", f"/api/v1/jobs/{_JOB}/artifacts/measurement_counts", status=404, body={"message": "none"}),
        route("POST", f"/api/v1/jobs/{_JOB}/cancel", Text("")),
    ],
    status={"status": "online", "healthy": True, "pending_job_count": 3},
    target='"qubits":["QB1"]',
    states=["Queued", "Running", "Completed"],
    result="""{
  "measurement_counts": null,
  "measurements": [
    {
      "m": [
        [
          0
        ],
        [
          1
        ]
      ]
    }
  ]
}""",
    logs="""Timeline   :
  2026-09-28 15:16:40.000 [server                  ] created
Messages   :
  [station                 ] done
""",
    errors={
        ("status", 401): qrmi.AuthenticationFailedError,
        ("status", 404): qrmi.ResourceNotFoundError,
        ("task_start", 400): qrmi.InvalidInputError,
        ("task_status", 404): qrmi.TaskNotFoundError,
        ("task_result", 500): qrmi.QrmiError,
    },
    secrets=["iqm-secret"],
    job_id=_JOB,
)
