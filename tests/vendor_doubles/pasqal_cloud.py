"""The double of Pasqal's cloud: batches of one job, and CUDA-Q jobs, which have routes of their own."""

from __future__ import annotations

import dataclasses
import json

import qrmi

from .vendor import PRIMITIVE, Route, Vendor, route

_SEQUENCE = '{"version": "1", "register": [{"name": "q0", "x": 0.0, "y": 0.0}]}'
_CUDAQ = json.dumps(
    {
        "setup": {"ahs_register": {"sites": [["0.00000000", "0.00000000"]], "filling": [1]}},
        "hamiltonian": {"drivingFields": [], "localDetuning": []},
    }
)
_API = "/core-fast/api"


def _in(state: str) -> tuple[int, object]:
    return 200, {"data": {"status": state, "job_ids": ["job-of-batch"]}}


PASQAL_CLOUD = Vendor(
    name="pasqal-cloud",
    resource_type=qrmi.ResourceType.PasqalCloud,
    resource_id="FRESNEL",
    environment={
        "QRMI_PASQAL_CLOUD_PROJECT_ID": "project",
        "QRMI_PASQAL_CLOUD_BASE_URL": "{url}",
        "QRMI_PASQAL_CLOUD_AUTH_ENDPOINT": "{url}/oauth/token",
        "QRMI_PASQAL_CLOUD_CLIENT_ID": "client",
        "QRMI_PASQAL_CLOUD_CLIENT_SECRET": "pasqal-secret",
    },
    payload=qrmi.Payload.PasqalCloud(sequence=_SEQUENCE, job_runs=100),
    program=_SEQUENCE,
    other_payload=PRIMITIVE,
    routes=[
        route("POST", "/oauth/token", {"access_token": "pasqal-bearer", "expires_in": 3600}),
        route("GET", f"{_API}/v1/devices", {"data": [{"status": "UP", "availability": "ACTIVE"}]}),
        route(
            "GET",
            f"{_API}/v1/devices/specs/FRESNEL",
            {"data": {"device_type": "FRESNEL", "specs": '{"name": "FRESNEL"}'}},
        ),
        route("POST", f"{_API}/v1/batches", {"data": {"id": "job-1"}}),
        route("POST", f"{_API}/v1/cudaq/job", {"data": {"id": "job-1"}}),
        route("GET", f"{_API}/v2/batches/job-1", _in("RUNNING")[1]),
        Route("GET", f"{_API}/v2/jobs/job-of-batch", [_in("PENDING"), _in("RUNNING"), _in("DONE")]),
        route(
            "GET", f"{_API}/v1/batches/job-1/full_results", {"data": {"job-of-batch": {"counter": {"0": 100}}}}
        ),
        route("GET", f"{_API}/v1/cudaq/job/job-1", {"data": {"status": "DONE", "result": [{"0": 100}]}}),
        route("PATCH", f"{_API}/v2/batches/job-1/cancel", {"data": {}}),
    ],
    status={"status": "online", "healthy": None, "pending_job_count": None},
    target='[{"device_type":"FRESNEL"',
    states=["Queued", "Running", "Completed"],
    result='{"counter":{"0":100}}',
    logs="There are no logs for this job.",
    errors={
        ("target", 401): qrmi.QrmiError,
        ("task_start", 422): qrmi.QrmiError,
        ("task_status", 404): qrmi.QrmiError,
    },
    secrets=["pasqal-secret", "pasqal-bearer"],
)

PASQAL_CLOUD_WITH_CUDAQ = dataclasses.replace(
    PASQAL_CLOUD,
    payload=qrmi.Payload.PasqalCloud(sequence=_CUDAQ, job_runs=100),
    program=_CUDAQ,
    result='{"counter":[{"0":100}]}',
    sdk="cudaq",
)
