"""Traces of programs that ``qwatch run`` starts, without an edit of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qwatch.qrmi.program import SITE_HOOK

# A program that knows nothing of qwatch.
PLAIN = """
import qrmi, sys
resources = qrmi.QRMIService().resources()
assert len(resources) == 1, resources
resource = resources[0]
assert isinstance(resource, qrmi.QuantumResource)
payload = qrmi.Payload.PasqalCloud(sequence='{"register": [{"name": "a"}]}', job_runs=5)
task = resource.task_start(payload)
while resource.task_status(task) != qrmi.TaskStatus.Completed:
    pass
print(resource.task_result(task).value)
"""


RUNNER = """
import sys
from qwatch.qrmi.program import run_program
sys.exit(run_program(sys.argv[1:]))
"""


@pytest.fixture
def environment(job_environment):
    """What a user's shell in a job gives, with the Python of the tests."""
    return dict(os.environ)


def spans_of(directory):
    found = {}
    for path in directory.glob("*.jsonl"):
        for line in path.read_text().splitlines():
            for resource in json.loads(line).get("resourceSpans", ()):
                (service,) = [
                    item["value"]["stringValue"]
                    for item in resource["resource"]["attributes"]
                    if item["key"] == "service.name"
                ]
                for scope in resource["scopeSpans"]:
                    for span in scope["spans"]:
                        found.setdefault(span["name"], []).append((service, span))
    return found


def run_traced(environment, tmp_path, command):
    """Run as the command line does, in a process of its own: the SDK is global."""
    traces = tmp_path / "traces"
    environment["QWATCH_TRACE_DIRECTORY"] = str(traces)
    result = subprocess.run(
        [sys.executable, "-c", RUNNER, *command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return result, spans_of(traces)


def test_a_program_without_an_edit_is_traced_below_the_session(environment, north, tmp_path):
    program = tmp_path / "plain.py"
    program.write_text(PLAIN)
    result, spans = run_traced(environment, tmp_path, [sys.executable, str(program)])
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == '{"counter": {"01": 5}}'
    assert result.stderr == ""
    ((service, session),) = spans["session EMU"]
    ((program_service, task),) = spans["task EMU"]
    assert (service, program_service) == ("qwatch-run", "plain")
    assert task["traceId"] == session["traceId"]
    assert task["parentSpanId"] == session["spanId"]
    assert set(spans) >= {"acquire EMU", "release EMU", "task_start EMU", "wait EMU", "task_result EMU"}
    (post,) = north.of("POST", "/trace")
    assert post.body["traceparent"].split("-")[1] == task["traceId"]
    written = "".join(path.read_text() for path in (tmp_path / "traces").iterdir())
    for secret in (*north.sessions, "MUNGE:"):
        assert secret not in written


def test_the_programs_own_sdk_wins(environment, north, tmp_path):
    own = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, ConsoleSpanExporter
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(formatter=lambda span: span.name + "\\n")))
"""
    for set_up_first in (True, False):
        setting = "trace.set_tracer_provider(provider)\n"
        program = (own + setting + PLAIN) if set_up_first else ("import qrmi\n" + own + setting + PLAIN)
        result, spans = run_traced(environment, tmp_path, [sys.executable, "-c", program])
        assert result.returncode == 0, result.stderr
        assert "task EMU" in result.stdout
        assert "task EMU" not in spans
        assert "Overriding" not in result.stderr


def test_sigterm_sends_what_was_recorded_and_still_kills(environment, north, tmp_path):
    north.steps = ["RUNNING"]
    program = PLAIN.replace("    pass\n", "    open('polling', 'w').close()\n")
    traces = tmp_path / "traces"
    environment["QWATCH_TRACE_DIRECTORY"] = str(traces)
    runner = subprocess.Popen([sys.executable, "-c", RUNNER, sys.executable, "-c", program], env=environment)
    deadline = time.monotonic() + 60
    while not Path("polling").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    runner.terminate()
    assert runner.wait(60) == 143
    ((_, task),) = spans_of(traces)["task EMU"]
    assert {"stringValue": "unknown"} in [item["value"] for item in task["attributes"]]


SIGTERM_PROGRAM = """
import os, signal, threading
from qwatch.qrmi.sigterm import flush_on_sigterm
{before}
flush_on_sigterm(lambda: os.write(1, b"flushed"))
{after}
print("ready", flush=True)
threading.Event().wait(30)
"""


@pytest.mark.parametrize(
    ("before", "after", "code", "output"),
    [
        ("", "", -15, "flushed"),
        ("signal.signal(signal.SIGTERM, lambda *_: os._exit(4))", "", 4, ""),
        ("", "signal.signal(signal.SIGTERM, lambda *_: os._exit(5))", 5, ""),
    ],
)
def test_sigterm_is_left_to_a_program_that_handles_it(before, after, code, output):
    text = SIGTERM_PROGRAM.format(before=before, after=after)
    process = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    assert process.stdout.read() == output
    assert process.wait(30) == code
    process.stdout.close()


def test_sigterm_reaches_a_program_inside_compiled_code(silent_http):
    text = """
import os, qrmi
from qwatch.qrmi.sigterm import flush_on_sigterm
flush_on_sigterm(lambda: os.write(1, b"flushed"))
os.environ.update(QRMI_JOB_UID="0", QRMI_JOB_ID="0", E_QRMI_WARDEN_URL="THE_URL")
print("ready", flush=True)
qrmi.QuantumResource("E", qrmi.ResourceType.PasqalLocal).status()
""".replace("THE_URL", silent_http.url)
    process = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    silent_http.connection()
    process.terminate()
    assert process.stdout.read() == "flushed"
    assert process.wait(30) == -15
    process.stdout.close()


@pytest.fixture
def silent_http():
    """A server that takes a connection and never answers."""
    import socket

    listening = socket.create_server(("127.0.0.1", 0))
    kept = []

    class Silent:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"

        def connection(self):
            connection = listening.accept()[0]
            connection.recv(10)
            kept.append(connection)

    yield Silent()
    for connection in (*kept, listening):
        connection.close()


def test_another_sitecustomize_still_runs(tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text("import os; os.environ['OF_THE_SITE'] = 'yes'")
    program = "import os, sys; print(os.environ['OF_THE_SITE'], sys.modules['sitecustomize'].__file__)"
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": f"{SITE_HOOK}{os.pathsep}{site}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == f"yes {site / 'sitecustomize.py'}\n"


def test_a_python_without_qwatch_runs_the_program_as_ever(tmp_path):
    library = tmp_path / "library"
    library.mkdir()
    (library / "qrmi.py").write_text("NAME = 'another library'")
    program = (
        "import qrmi, sys; print(qrmi.NAME, qrmi.__spec__.loader.__class__.__name__, 'qwatch' in sys.modules)"
    )
    result = subprocess.run(
        [sys._base_executable, "-c", program],
        env={"PYTHONPATH": f"{SITE_HOOK}{os.pathsep}{library}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.stdout, result.stderr) == ("another library SourceFileLoader False\n", "")


def test_a_trace_folder_that_cannot_be_written_costs_nothing_but_the_traces(environment, north, tmp_path):
    (tmp_path / "traces").touch()
    result, _ = run_traced(environment, tmp_path, [sys.executable, "-c", PLAIN + "raise SystemExit(9)"])
    assert result.returncode == 9
    assert result.stdout.strip() == '{"counter": {"01": 5}}'
    assert list(north.sessions.values()) == ["released"]
