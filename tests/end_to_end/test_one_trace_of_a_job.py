"""A job submitted through Pulser's connection: one trace from the user's program to the device."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

USERS_PROGRAM = """
import os, pulser
from pathlib import Path
from qrmi.pulser import PulserQRMIConnection
from qwatch.qrmi.open_resource import open_resource
from qwatch.qrmi.session import session

def users_program():
    resource = open_resource("EMU", sdk="pulser")
    with session(resource) as token:
        if file := os.environ.get("SECRETS"):
            Path(file).write_text(token)
        connection = PulserQRMIConnection(resource)
        device = connection.fetch_available_devices()["EMU"]
        sequence = pulser.Sequence(pulser.Register({"q0": (0.0, 0.0)}), device)
        sequence.declare_channel("global", "rydberg_global")
        sequence.add(pulser.Pulse.ConstantPulse(200, 6.0, 0.0, 0.0), "global")
        results = connection.submit(sequence, wait=True, job_params=[{"runs": 123}]).results
        assert sum(results[0].final_bitstrings.values()) == 123
"""

WITH_OTLP = f"""
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
{USERS_PROGRAM}
users_program()
provider.shutdown()
"""

IN_MEMORY = f"""
import asyncio, json, socket, sys, threading
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)

import uvicorn
from prometheus_client import CollectorRegistry
from qwatch.daemon.configuration import configuration_from
from qwatch.scheduler.api.application import authenticator_for, create_api
from qwatch.scheduler.scheduler import Scheduler
from qwatch.telemetry.instruments import Instruments
{USERS_PROGRAM}

async def main(configuration):
    scheduler = Scheduler(
        configuration.api, configuration.store, configuration.devices, configuration.scheduler,
        Instruments(CollectorRegistry()),
    )
    await scheduler.start()
    listener = socket.create_server(("127.0.0.1", 0))
    os.environ["EMU_QRMI_WARDEN_URL"] = "http://127.0.0.1:%d" % listener.getsockname()[1]
    application = create_api(scheduler, authenticator_for(scheduler))
    server = uvicorn.Server(uvicorn.Config(application, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not scheduler.default_device.takes_work:
        await asyncio.sleep(0.01)
    await asyncio.to_thread(users_program)
    server.should_exit = True
    await serving
    await scheduler.stop()

asyncio.run(main(configuration_from(json.loads(sys.argv[1]), "test")))
print(json.dumps([
    {{
        "name": span.name,
        "kind": span.kind.name,
        "id": span.context.span_id,
        "parent": span.parent and span.parent.span_id,
        "trace": span.context.trace_id,
        "attributes": dict(span.attributes or {{}}),
    }}
    for span in exporter.get_finished_spans()
]))
"""

PARENTS = {
    "acquire EMU": "session EMU",
    "release EMU": "session EMU",
    "task EMU": "session EMU",
    "task_start EMU": "task EMU",
    "wait EMU": "task EMU",
    "task_result EMU": "task EMU",
    "POST /jobs": "task_start EMU",
    "queue EMU": "POST /jobs",
    "run EMU": "POST /jobs",
    "slice EMU": "run EMU",
    "submit EMU": "slice EMU",
    "execute EMU": "slice EMU",
    "fetch EMU": "slice EMU",
}
KINDS = {
    "session EMU": "INTERNAL",
    "task_start EMU": "PRODUCER",
    "POST /jobs": "SERVER",
    "queue EMU": "INTERNAL",
    "run EMU": "CONSUMER",
    "task_result EMU": "CLIENT",
}


def check_trace(spans: list[dict[str, Any]]) -> None:
    """The spans of the job are one tree in one trace."""
    by_name = {span["name"]: span for span in spans}
    assert set(PARENTS) | set(KINDS) <= set(by_name), sorted(by_name)
    assert len({span["trace"] for span in spans}) == 1
    for name, parent in PARENTS.items():
        assert by_name[name]["parent"] == by_name[parent]["id"], f"{name} is not below {parent}"
    for name, kind in KINDS.items():
        assert by_name[name]["kind"] == kind, name
    assert not by_name["session EMU"]["parent"]
    run = by_name["run EMU"]["attributes"]
    assert run["qpu.id"] == "EMU"
    assert run["qpu.job.state"] == "DONE"
    assert run["qpu.job.shots.executed"] == 123
    assert run["qpu.sdk"] == "pulser"
    assert run["slurm.job.id"] == "4711"
    assert run["qrmi.task.id"] == by_name["task EMU"]["attributes"]["qrmi.task.id"]


def run_python(script: str, *arguments: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=environment,
        cwd=environment["HOME"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def job_environment(environment_in: Any, folder: Path, **more: str) -> dict[str, str]:
    names = {
        "QRMI_JOB_QPU_RESOURCES": "EMU",
        "QRMI_JOB_QPU_TYPES": "pasqal-local",
        "QRMI_JOB_UID": str(os.getuid()),
        "QRMI_JOB_ID": "4711",
    }
    found: dict[str, str] = environment_in(folder, **names, **more)
    return found


def test_one_trace_in_memory(run_device: Any, device_at: Any, environment_in: Any, tmp_path: Path) -> None:
    token = tmp_path / "token"
    with run_device() as qpu:
        configuration = {
            "api": {"auth": "local", "token_file": str(token)},
            "store": {"url": f"sqlite:///{tmp_path / 'qwatch.db'}"},
            "devices": [device_at(qpu.url)],
        }
        environment = job_environment(environment_in, tmp_path, QWATCH_TOKEN_FILE=str(token))
        told = run_python(IN_MEMORY, json.dumps(configuration), environment=environment)
    check_trace(json.loads(told.splitlines()[-1]))


class OtlpReceiver:
    """Takes spans by OTLP over HTTP and decodes them with the official definition of the protocol."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                ExportTraceServiceRequest.FromString(body)
                receiver.bodies.append(body)
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.end_headers()
                self.wfile.write(ExportTraceServiceResponse().SerializeToString())

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def spans(self) -> list[dict[str, Any]]:
        kinds = {1: "INTERNAL", 2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER"}
        return [
            {
                "name": span.name,
                "kind": kinds[span.kind],
                "id": span.span_id,
                "parent": span.parent_span_id,
                "trace": span.trace_id,
                "attributes": {
                    item.key: getattr(item.value, item.value.WhichOneof("value")) for item in span.attributes
                },
            }
            for body in list(self.bodies)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    found = OtlpReceiver()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.mark.parametrize("auth", ["munge", "local"])
def test_one_trace_over_otlp_from_two_processes_and_no_credential_in_anything_emitted(
    auth: str,
    receiver: OtlpReceiver,
    run_daemon: Any,
    run_device: Any,
    device_at: Any,
    environment_in: Any,
    wait_until: Any,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    if auth == "munge":
        request.getfixturevalue("munged")
    telemetry = {"otlp_endpoint": receiver.url}
    with (
        run_device() as qpu,
        run_daemon(
            devices=[device_at(qpu.url)], api={"auth": auth, "user_sessions": True}, telemetry=telemetry
        ) as daemon,
    ):
        more = {"QWATCH_TOKEN_FILE": str(daemon.token_file)} if auth == "local" else {}
        environment = job_environment(
            environment_in,
            tmp_path,
            EMU_QRMI_WARDEN_URL=f"{daemon.url}/devices/EMU",
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
            OTEL_BSP_SCHEDULE_DELAY="100",
            SECRETS=str(tmp_path / "secrets"),
            **more,
        )
        printed = run_python(WITH_OTLP, environment=environment)
        wait_until(lambda: {"slice EMU", "release EMU"} <= {span["name"] for span in receiver.spans()})
        metrics = daemon.metrics_text()
        jobs = json.dumps(daemon.ok("GET", "/jobs"))
        assert daemon.stop() == 0
        check_trace(receiver.spans())
        (job,) = json.loads(jobs)["jobs"]
        traces = {span["trace"].hex() for span in receiver.spans()}
        assert traces == {job["trace_id"]}
        secrets = {(tmp_path / "secrets").read_text(), "qws_", "qwt_", "MUNGE:"}
        if auth == "local":
            secrets.add(daemon.token_file.read_text().strip())
        emitted = b"\n".join(
            [*receiver.bodies, daemon.log.encode(), metrics.encode(), printed.encode(), jobs.encode()]
        )
        for secret in secrets:
            assert secret.encode() not in emitted


def test_a_program_without_tracing_still_gets_the_daemons_half(
    receiver: OtlpReceiver,
    run_daemon: Any,
    run_device: Any,
    device_at: Any,
    sequence_text: str,
    wait_until: Any,
) -> None:
    telemetry = {"otlp_endpoint": receiver.url}
    with run_device() as qpu, run_daemon(devices=[device_at(qpu.url)], telemetry=telemetry) as daemon:
        number = daemon.submit(daemon.acquire(), sequence_text, 10)
        job = daemon.finished(number)
        assert job["trace_id"] is None or len(job["trace_id"]) == 32
        wait_until(
            lambda: {"POST /jobs", "queue EMU", "run EMU"} <= {span["name"] for span in receiver.spans()}
        )
        wait_until(lambda: daemon.job(number)["trace_id"])
        assert {span["trace"].hex() for span in receiver.spans()} == {daemon.job(number)["trace_id"]}


def test_spans_of_a_job_that_ended_while_the_daemon_was_dead_are_sent_after_the_restart_once(
    receiver: OtlpReceiver,
    run_daemon: Any,
    run_device: Any,
    device_at: Any,
    sequence_text: str,
    wait_until: Any,
) -> None:
    telemetry = {"otlp_endpoint": receiver.url}
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with run_device() as qpu, run_daemon(devices=[device_at(qpu.url)], telemetry=telemetry) as daemon:
        order = daemon.submission(daemon.acquire(), sequence_text, 300)
        order["headers"]["traceparent"] = traceparent
        number = daemon.ok("POST", "/jobs", **order)["id"]
        wait_until(lambda: qpu.busy)
        daemon.kill()
        daemon.start()
        daemon.finished(number)
        wait_until(lambda: "run EMU" in [span["name"] for span in receiver.spans()])
        assert daemon.stop() == 0
        daemon.start()
        assert daemon.stop() == 0
        names = [span["name"] for span in receiver.spans()]
        assert names.count("run EMU") == 1
        assert {span["trace"].hex() for span in receiver.spans()} == {"4bf92f3577b34da6a3ce929d0e0e4736"}
        (server,) = [span for span in receiver.spans() if span["name"] == "POST /jobs"]
        assert server["parent"].hex() == "00f067aa0ba902b7"
