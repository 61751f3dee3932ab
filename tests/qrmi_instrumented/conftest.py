"""A recording server of the daemon's HTTP protocol, in-memory telemetry, and the environment of a job."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import qrmi
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from qwatch.qrmi import munge
from qwatch.qrmi.open_spans import end_open_spans

TOKEN = "qwt_local-token-of-the-tests"
SPECS = json.dumps({"name": "EMU", "dimensions": 2})


@dataclass
class Request:
    """One request as it came over the wire."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Job:
    """A job that advances one step with each poll."""

    identifier: int
    shots: int
    steps: list[str]
    results: str | None
    polls: int = 0

    def reply(self, advance: bool) -> dict[str, Any]:
        status = self.steps[min(self.polls, len(self.steps) - 1)]
        self.polls += advance
        results = self.results if status == "DONE" else None
        return {
            "id": self.identifier,
            "user_id": "0",
            "status": status,
            "results": results,
            "shots": self.shots,
        }


@dataclass
class NorthServer:
    """What the daemon answers; tests change the fields."""

    url: str = ""
    auth: str = "any"
    steps: list[str] = field(default_factory=lambda: ["PENDING", "RUNNING", "RUNNING", "DONE"])
    specs: str = SPECS
    serves_trace: bool = True
    refusals: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    jobs: dict[int, Job] = field(default_factory=dict)
    sessions: dict[str, str] = field(default_factory=dict)
    accessible: dict[str, Any] = field(default_factory=lambda: {"is_accessible": True, "message": "ok"})
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, method: str, ending: str = "") -> list[Request]:
        """Return the requests with this method whose path ends so."""
        return [item for item in self.requests if item.method == method and item.path.endswith(ending)]

    def answer(self, request: Request) -> tuple[int, str]:
        with self.lock:
            self.requests.append(request)
            route = request.path
            if route.startswith("/devices/"):
                route = "/" + route.split("/", 3)[3]
            if route.startswith("/classes/"):
                route = "/" + route.split("/", 3)[3]
            for (method, beginning), refusal in self.refusals.items():
                if request.method == method and route.startswith(beginning):
                    return refusal
            if route != "/accessible" and not self._authenticated(request):
                return 401, json.dumps({"detail": "no valid credential"})
            return self._routed(request, route)

    def _authenticated(self, request: Request) -> bool:
        credential = request.headers.get("x-munge-cred")
        if credential and self.auth in ("any", "munge"):
            return munge.decode(credential).uid == os.getuid()
        return self.auth != "munge" and request.headers.get("authorization") == f"Bearer {TOKEN}"

    def _routed(self, request: Request, route: str) -> tuple[int, str]:  # noqa: PLR0911
        parts = route.strip("/").split("/")
        match request.method, parts:
            case "GET", ["accessible"]:
                return 200, json.dumps(self.accessible)
            case "POST", ["sessions"]:
                session = f"session-token-{len(self.sessions)}"
                self.sessions[session] = "open"
                return 201, json.dumps({"id": session})
            case "DELETE", ["sessions", session] if session in self.sessions:
                self.sessions[session] = "released"
                return 200, json.dumps({"id": session})
            case "GET", ["qpu", "specs"]:
                return 200, json.dumps({"specs": self.specs})
            case "POST", ["jobs"]:
                return self._submitted(request)
            case "POST", ["jobs", _, "trace"]:
                return (204, "") if self.serves_trace else (404, json.dumps({"detail": "Not Found"}))
            case _, ["jobs", identifier, *rest] if identifier.isdigit() and int(identifier) in self.jobs:
                job = self.jobs[int(identifier)]
                if rest == ["logs"]:
                    return 200, json.dumps({"logs": f"log of {identifier}"})
                if rest == ["cancel"]:
                    job.steps, job.polls = ["CANCELED"], 0
                return 200, json.dumps(job.reply(advance=not rest))
        return 404, json.dumps({"detail": f"{route} is not known"})

    def _submitted(self, request: Request) -> tuple[int, str]:
        if self.sessions.get(request.headers.get("x-warden-session", "")) != "open":
            return 403, json.dumps({"detail": "the session is not open"})
        identifier, shots = len(self.jobs) + 1, request.body["shots"]
        results = json.dumps({"counter": {"01": shots}})
        self.jobs[identifier] = Job(identifier, shots, list(self.steps), results)
        return 201, json.dumps({"id": identifier, "user_id": "0", "status": "PENDING"})


def _handler(server: NorthServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            text = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = json.loads(text) if text else None
            code, reply = server.answer(Request(self.command, self.path, headers, body))
            self.send_response(code)
            if code != 204:
                self.send_header("content-length", str(len(reply.encode())))
            self.end_headers()
            self.wfile.write(reply.encode())

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture
def north() -> Iterator[NorthServer]:
    """A recording server of the daemon's protocol."""
    server = NorthServer()
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    http.shutdown()
    http.server_close()
    thread.join()


@dataclass
class Telemetry:
    """Providers of a test and what they collected."""

    tracer_provider: TracerProvider
    meter_provider: MeterProvider
    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span

    def points(self, metric: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for item in scope.metrics
            if item.name == metric
            for point in item.data.data_points
        ]

    @property
    def providers(self) -> dict[str, Any]:
        return {"tracer_provider": self.tracer_provider, "meter_provider": self.meter_provider}


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """An SDK of its own, that exports to memory."""
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracer_provider = TracerProvider(shutdown_on_exit=False)
    tracer_provider.add_span_processor(SimpleSpanProcessor(exporter))
    meter_provider = MeterProvider([reader], shutdown_on_exit=False)
    yield Telemetry(tracer_provider, meter_provider, exporter, reader)
    end_open_spans()
    tracer_provider.shutdown()
    meter_provider.shutdown()


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if (
            name.startswith(("QRMI_", "SLURM_", "QWATCH_", "OTEL_"))
            or "_QRMI_" in name
            or name == "TRACEPARENT"
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """A token file as the daemon makes it."""
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def munged() -> None:
    """MUNGE answers on this machine; a missing one is a failure in CI."""
    try:
        munge.decode(munge.encode())
    except munge.MungeUnavailableError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"MUNGE is needed: {error}")
        pytest.skip(f"MUNGE is needed: {error}")


@pytest.fixture
def job_environment(north: NorthServer, munged: None, monkeypatch: pytest.MonkeyPatch) -> NorthServer:
    """The environment of a Slurm job with the QPU ``EMU`` behind the recording server."""
    for name, value in {
        "QRMI_JOB_QPU_RESOURCES": "EMU",
        "QRMI_JOB_QPU_TYPES": "pasqal-local",
        "QRMI_JOB_UID": str(os.getuid()),
        "QRMI_JOB_ID": "77",
        "EMU_QRMI_WARDEN_URL": f"{north.url}/devices/EMU",
    }.items():
        monkeypatch.setenv(name, value)
    return north


@pytest.fixture
def wheel_resource(job_environment: NorthServer) -> qrmi.QuantumResource:
    """The real wheel's resource, pointed at the recording server."""
    return qrmi.QuantumResource("EMU", qrmi.ResourceType.PasqalLocal)


@pytest.fixture
def payload() -> qrmi.Payload:
    """A payload of two atoms and 100 shots."""
    atoms = [{"name": f"q{number}", "x": 6.0 * number, "y": 0.0} for number in range(2)]
    return qrmi.Payload.PasqalCloud(sequence=json.dumps({"name": "p", "register": atoms}), job_runs=100)


@pytest.fixture
def run_task() -> Callable[[Any, qrmi.Payload], str]:
    """Runs a task to its end, as the Pulser connection does, and returns its result."""

    def run(resource: Any, payload: qrmi.Payload) -> str:
        identifier = resource.task_start(payload)
        while resource.task_status(identifier) in (qrmi.TaskStatus.Queued, qrmi.TaskStatus.Running):
            pass
        return str(resource.task_result(identifier).value)

    return run
