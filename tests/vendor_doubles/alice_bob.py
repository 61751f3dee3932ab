"""The double of Alice & Bob's Felis API."""

from __future__ import annotations

import base64
from typing import Any

import qrmi

from .vendor import PASQAL, UNSUPPORTED, Route, Text, Vendor, route

_TARGET = "EMU:40Q:PHYSICAL_CATS"
_KEY = base64.b64encode(b"user:felis-secret").decode()
_QIR = "define void @main() { ret void }"


def _job(*events: str) -> dict[str, Any]:
    return {
        "inputDataFormat": "HUMAN_QIR",
        "outputDataFormat": "HISTOGRAM",
        "target": _TARGET,
        "inputParams": {"nbShots": 100},
        "id": "job-1",
        "userName": "user",
        "userId": "1",
        "organizationName": "organization",
        "events": [{"type": word, "createdAt": "2026-09-28T15:16:40Z"} for word in events],
        "errors": [],
    }


ALICE_BOB = Vendor(
    name="alice-bob-felis",
    resource_type=qrmi.ResourceType.AliceBobFelis,
    resource_id="ab_emu_40q_physical_cats",
    environment={"QRMI_AB_FELIS_API_KEY": _KEY, "QRMI_AB_FELIS_BASE_ENDPOINT": "{url}"},
    payload=qrmi.Payload.AliceBobFelis(human_qir=_QIR, input_params='{"nbShots": 100}'),
    program=_QIR,
    other_payload=PASQAL,
    routes=[
        route(
            "GET",
            "/v1/targets/",
            [{"name": _TARGET, "numQubits": 40, "instructions": [{"signature": "x"}], "inputParams": {}}],
        ),
        route("POST", "/v1/jobs/", _job("CREATED"), status=201),
        route("POST", "/v1/jobs/job-1/input", {}),
        Route(
            "GET",
            "/v1/jobs/job-1",
            [
                (200, _job("CREATED")),
                (200, _job("CREATED", "INPUT_READY", "EXECUTING")),
                (200, _job("CREATED", "INPUT_READY", "EXECUTING", "SUCCEEDED")),
                (200, _job("CREATED")),
            ],
        ),
        route("GET", "/v1/jobs/job-1/output", Text("bits,count\n0,60\n1,40\n")),
        route("DELETE", "/v1/jobs/job-1", _job("CREATED", "CANCELLED")),
    ],
    status={"status": "online", "healthy": None, "pending_job_count": None},
    target=f'"name":"{_TARGET}"',
    states=["Queued", "Running", "Completed"],
    result="bits,count\n0,60\n1,40\n",
    logs=UNSUPPORTED,
    errors={
        ("target", 401): qrmi.AuthenticationFailedError,
        ("task_start", 422): qrmi.InvalidInputError,
        ("task_status", 404): qrmi.TaskNotFoundError,
        ("task_result", 500): qrmi.QrmiError,
    },
    secrets=["felis-secret", _KEY],
)
