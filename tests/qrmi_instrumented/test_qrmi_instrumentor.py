"""``opentelemetry-instrument`` and ``QRMIInstrumentor``, with programs that know nothing of qwatch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import qrmi
from opentelemetry import context
from opentelemetry.instrumentation.dependencies import DependencyConflictError
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from qwatch.qrmi import instrumentor_class
from qwatch.qrmi.instrumentor import QRMIInstrumentor
from qwatch.qrmi.suppression import suppressed_context

# Imports the class itself, early, and never names qwatch.
PROGRAM = """
from qrmi import Payload, QRMIService, QuantumResource, ResourceType, TaskStatus
import os, sys
(listed,) = QRMIService().resources()
resource = QuantumResource("EMU", ResourceType.PasqalLocal)
assert type(listed) is type(resource) is QuantumResource
token = resource.acquire()
os.environ["EMU_QRMI_JOB_ACQUISITION_TOKEN"] = token
task = listed.task_start(Payload.PasqalCloud(sequence='{"register": [{"name": "a"}]}', job_runs=5))
while resource.task_status(task) != TaskStatus.Completed:
    pass
print("RESULT", resource.task_result(task).value)
try:
    resource.task_logs("77")
except Exception as error:
    print("ERROR", type(error).__name__)
resource.release(token)
"""
SPANS = {
    "acquire EMU",
    "release EMU",
    "session EMU",
    "task EMU",
    "task_logs EMU",
    "task_result EMU",
    "task_start EMU",
    "wait EMU",
}
INSTRUMENT = str(Path(sys.executable).parent / "opentelemetry-instrument")


def run(tmp_path, *command, program=PROGRAM, **environment):
    script = tmp_path / "program.py"
    script.write_text(program)
    done = subprocess.run(
        [*command, sys.executable, str(script)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


QUIET = {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}


def console_spans(output):
    """The console exporter writes one JSON object after another."""
    decoder, found, place = json.JSONDecoder(), [], output.find("{\n")
    while place >= 0:
        span, end = decoder.raw_decode(output, place)
        found.append(span)
        place = output.find("{\n", end)
    return {span["name"]: span for span in found}


def test_opentelemetry_instrument_traces_a_program_to_the_console(job_environment, tmp_path):
    done = run(tmp_path, INSTRUMENT, OTEL_TRACES_EXPORTER="console", OTEL_SERVICE_NAME="theirs", **QUIET)
    assert 'RESULT {"counter": {"01": 5}}' in done.stdout
    assert done.stderr == ""
    spans = console_spans(done.stdout)
    assert set(spans) == SPANS
    assert len({span["context"]["trace_id"] for span in spans.values()}) == 1
    assert spans["session EMU"]["resource"]["attributes"]["service.name"] == "theirs"
    assert spans["task_start EMU"]["attributes"]["qrmi.payload.kind"] == "pasqal-cloud"
    assert spans["task_logs EMU"]["attributes"]["error.type"] == "qrmi.QrmiError"
    assert "session-token-0" not in done.stdout
    (post,) = job_environment.of("POST", "/trace")
    assert post.body["traceparent"].split("-")[1] == spans["task EMU"]["context"]["trace_id"][2:]
    assert len(job_environment.of("POST", "/sessions/summary")) == 1


def test_the_program_behaves_as_without_it(job_environment, tmp_path):
    bare = run(tmp_path)
    traced = run(tmp_path, INSTRUMENT, OTEL_TRACES_EXPORTER="none", **QUIET)
    assert bare.stdout == traced.stdout
    assert (bare.stderr, traced.stderr) == ("", "")


@pytest.fixture
def otlp():
    """A receiver of OTLP over HTTP."""
    received = {"/v1/traces": ExportTraceServiceRequest(), "/v1/metrics": ExportMetricsServiceRequest()}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            received[self.path].MergeFromString(body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *given):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    server.server_close()
    thread.join()


def test_opentelemetry_instrument_sends_spans_and_metrics_by_otlp(job_environment, tmp_path, otlp):
    url, received = otlp
    run(
        tmp_path,
        INSTRUMENT,
        OTEL_EXPORTER_OTLP_ENDPOINT=url,
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        OTEL_LOGS_EXPORTER="none",
    )
    scopes = [scope for item in received["/v1/traces"].resource_spans for scope in item.scope_spans]
    assert {span.name for scope in scopes if scope.scope.name == "qwatch.qrmi" for span in scope.spans} == SPANS
    metrics = {
        metric.name: metric
        for item in received["/v1/metrics"].resource_metrics
        for scope in item.scope_metrics
        for metric in scope.metrics
        if scope.scope.name == "qwatch.qrmi"
    }
    assert set(metrics) == {
        "qrmi.client.operation.duration",
        "qrmi.client.task.duration",
        "qrmi.client.status.polls",
        "qrmi.client.payload",
    }
    points = metrics["qrmi.client.operation.duration"].histogram.data_points
    assert sum(point.count for point in points) == 9


def test_it_can_be_switched_off(job_environment, tmp_path):
    off = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "qrmi"}
    done = run(tmp_path, INSTRUMENT, OTEL_TRACES_EXPORTER="console", **QUIET, **off)
    assert console_spans(done.stdout) == {}
    assert job_environment.of("POST", "/sessions/summary") == []


FORKING = """
import os, sys, threading
from qrmi import Payload, QuantumResource, ResourceType
from opentelemetry import trace
os.environ["EMU_QRMI_JOB_ACQUISITION_TOKEN"] = QuantumResource("EMU", ResourceType.PasqalLocal).acquire()

def work():
    resource = QuantumResource("EMU", ResourceType.PasqalLocal)
    for _ in range(5):
        resource.task_result(resource.task_start(Payload.PasqalCloud(sequence="{}", job_runs=5)))

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
child = os.fork()
if child == 0:
    code = 1
    try:
        work()
        trace.get_tracer_provider().force_flush()
        code = 0
    finally:
        sys.stdout.flush()
        os._exit(code)
assert os.waitpid(child, 0)[1] == 0
"""


def test_threads_and_forks(job_environment, tmp_path, otlp):
    job_environment.steps = ["DONE"]
    url, received = otlp
    run(
        tmp_path,
        INSTRUMENT,
        program=FORKING,
        OTEL_EXPORTER_OTLP_ENDPOINT=url,
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        **QUIET,
    )
    spans = [
        span
        for item in received["/v1/traces"].resource_spans
        for scope in item.scope_spans
        for span in scope.spans
    ]
    (session,) = [span for span in spans if span.name == "session EMU"]
    assert len({span.span_id for span in spans}) == len(spans)
    tasks = [span for span in spans if span.name == "task EMU"]
    assert len(tasks) == 25
    assert {task.parent_span_id for task in tasks} == {session.span_id}
    starts = [span for span in spans if span.name == "task_start EMU"]
    assert {start.parent_span_id for start in starts} == {task.span_id for task in tasks}


@pytest.fixture
def instrumentor():
    made = QRMIInstrumentor()
    yield made
    if made.is_instrumented_by_opentelemetry:
        made.uninstrument()


def test_it_has_all_of_the_public_interface_of_the_base_class(instrumentor):
    public = {name for name in vars(BaseInstrumentor) if not name.startswith("_")}
    assert public <= set(dir(instrumentor))


def test_it_is_a_subclass_of_the_base_class_where_that_was_imported():
    program = """
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
from qwatch.qrmi.instrumentor import QRMIInstrumentor
print(issubclass(QRMIInstrumentor, BaseInstrumentor), isinstance(QRMIInstrumentor(), BaseInstrumentor))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True True\n"


@pytest.fixture
def unsupported(monkeypatch):
    """Makes the installed version of the library one that is not supported."""
    monkeypatch.setattr(instrumentor_class, "SUPPORTED", ("qrmi >= 99",))
    monkeypatch.delattr(qrmi.QuantumResource, "from_config")


def test_an_unsupported_version_of_the_library_is_left_alone(instrumentor, unsupported, caplog):
    before = dict(vars(qrmi.QuantumResource))
    instrumentor.instrument()
    assert dict(vars(qrmi.QuantumResource)) == before
    assert not instrumentor.is_instrumented_by_opentelemetry
    (record,) = caplog.records
    assert "qrmi >= 99" in record.getMessage()


def test_an_unsupported_version_is_raised_if_asked_for(instrumentor, unsupported):
    with pytest.raises(DependencyConflictError, match="qrmi >= 99"):
        instrumentor.instrument(raise_exception_on_conflict=True)
    assert not instrumentor.is_instrumented_by_opentelemetry


def test_it_is_found_by_its_entry_point(instrumentor):
    assert QRMIInstrumentor() is instrumentor
    (entry,) = [item for item in entry_points(group="opentelemetry_instrumentor") if item.name == "qrmi"]
    assert entry.load() is QRMIInstrumentor
    assert tuple(instrumentor.instrumentation_dependencies()) == ("qrmi >= 0.25",)
    assert 'qrmi>=0.25; extra == "instruments"' in (entry.dist.requires or [])


def test_hooks_and_providers(instrumentor, wheel_resource, telemetry):
    seen = []

    def request_hook(span, operation, given):
        span.set_attribute("of.the.hook", operation)
        seen.append((operation, given))

    def response_hook(span, operation, value):
        seen.append((operation, getattr(value, "value", value)))
        raise RuntimeError("the hook is broken")

    instrumentor.instrument(request_hook=request_hook, response_hook=response_hook, **telemetry.providers)
    target = wheel_resource.target().value
    token = wheel_resource.acquire()
    wheel_resource.release(token)
    assert seen == [
        ("target", ()),
        ("target", target),
        ("acquire", ()),
        ("acquire", token),
        ("release", (token,)),
        ("release", None),
    ]
    assert telemetry.one("target EMU").attributes["of.the.hook"] == "target"
    assert len(telemetry.points("qrmi.client.operation.duration")) == 3


def test_again_and_undone(instrumentor, wheel_resource, telemetry):
    before = dict(vars(qrmi.QuantumResource))
    for times in (1, 2):
        instrumentor.instrument(**telemetry.providers)
        instrumentor.instrument(**telemetry.providers)
        wheel_resource.target()
        assert len(telemetry.named("target EMU")) == times
        instrumentor.uninstrument()
        assert dict(vars(qrmi.QuantumResource)) == before
        wheel_resource.target()
        assert len(telemetry.named("target EMU")) == times


def test_suppression_is_honoured(instrumentor, wheel_resource, telemetry):
    instrumentor.instrument(**telemetry.providers)
    token = context.attach(suppressed_context())
    try:
        wheel_resource.release(wheel_resource.acquire())
    finally:
        context.detach(token)
    wheel_resource.target()
    assert [span.name for span in telemetry.spans] == ["target EMU"]


def test_instrumenting_imports_neither_the_sdk_nor_an_http_client_nor_the_base_class():
    program = """
import sys
from qwatch.qrmi.instrumentor import QRMIInstrumentor
QRMIInstrumentor().instrument()
heavy = ("httpx", "requests", "opentelemetry.sdk", "opentelemetry.instrumentation", "asyncio", "psutil")
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
