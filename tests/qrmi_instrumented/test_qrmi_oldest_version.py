"""The oldest supported version of the library: what it lacks is found out, the rest is recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from .north_server import TOKEN

OLDEST = "0.25.0"

PROGRAM = """
import importlib.metadata, json, os, sys
from pathlib import Path
import qrmi
assert Path(qrmi.__file__).is_relative_to(sys.argv[1]), qrmi.__file__
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)

from qwatch.qrmi.instrument import instrument
from qwatch.qrmi.instrumentor import QRMIInstrumentor
from qwatch.qrmi.local_client import LocalDaemonResource
from qwatch.qrmi.resource_types import PAYLOADS, TYPES
from qwatch.qrmi import in_process, open_resource, program

before = dict(vars(qrmi.QuantumResource))
QRMIInstrumentor().instrument()
wheel = qrmi.QuantumResource("EMU", qrmi.ResourceType.PasqalLocal)
status = wheel.status().status == qrmi.ResourceStatusCode.Online
refusal = None
try:
    wheel.acquire()
except qrmi.QrmiError as error:
    # This version's wheel was built without MUNGE.
    refusal = str(error)
resource = instrument(LocalDaemonResource("EMU", sys.argv[2], token_file=Path(sys.argv[3])))
token = resource.acquire()
task = resource.task_start(qrmi.Payload.PasqalCloud(sequence="{}", job_runs=5))
while resource.task_status(task) != qrmi.TaskStatus.Completed:
    pass
result = resource.task_result(task).value
resource.release(token)
resource.close()
QRMIInstrumentor().uninstrument()
print(json.dumps({
    "version": importlib.metadata.version("qrmi"),
    "types": sorted(TYPES), "payloads": sorted(PAYLOADS),
    "status": status, "refusal": refusal, "result": result,
    "undone": dict(vars(qrmi.QuantumResource)) == before,
    "spans": [[span.name, span.attributes.get("error.type")] for span in exporter.get_finished_spans()],
}))
"""


@pytest.fixture(scope="module")
def oldest(tmp_path_factory):
    """A folder with the oldest supported version, from the package index."""
    folder = tmp_path_factory.mktemp("qrmi")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--target",
        str(folder),
        f"qrmi=={OLDEST}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)
    if done.returncode != 0:
        reason = f"qrmi {OLDEST} cannot be installed: {done.stderr.strip()[-300:]}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


def test_the_oldest_version_is_instrumented_as_far_as_it_goes(oldest, north, token_file):
    environment = {
        **os.environ,
        "PYTHONPATH": str(oldest),
        "EMU_QRMI_WARDEN_URL": north.url,
        "QRMI_JOB_UID": "0",
        "QRMI_JOB_ID": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(oldest), north.url, str(token_file)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["version"] == OLDEST
    assert "oqtopus" not in found["types"]
    assert "oqtopus" not in found["payloads"]
    assert len(found["types"]) == 7
    assert (found["status"], found["undone"], found["result"]) == (True, True, '{"counter": {"01": 5}}')
    assert "unge" in found["refusal"]
    assert found["spans"] == [
        ["status EMU", None],
        ["acquire EMU", "qrmi.QrmiError"],
        ["session EMU", "qrmi.QrmiError"],
        ["acquire EMU", None],
        ["task_start EMU", None],
        ["wait EMU", None],
        ["task_result EMU", None],
        ["task EMU", None],
        ["release EMU", None],
        ["session EMU", None],
    ]
    assert TOKEN not in done.stdout
