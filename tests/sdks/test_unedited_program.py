"""A program that knows nothing of qwatch, on a machine without MUNGE, under ``qwatch run``."""

from __future__ import annotations

import subprocess
import sys

import pytest

PULSER = """
import pulser
from qrmi.pulser import PulserQRMIConnection

connection = PulserQRMIConnection()
(device,) = connection.fetch_available_devices().values()
sequence = pulser.Sequence(pulser.Register({"q0": (0.0, 0.0), "q1": (0.0, 30.0)}), device)
sequence.declare_channel("global", "rydberg_global")
sequence.add(pulser.Pulse.ConstantPulse(200, 6.0, 0.0, 0.0), "global")
results = connection.submit(sequence, wait=True, job_params=[{"runs": 321}]).results
print(sum(results[0].final_bitstrings.values()), "shots of", device.name)
"""

SERVICE = """
import os, sys, qrmi

name = "EMU"
resource = {
    "service": lambda: qrmi.QRMIService().resource(name),
    "services": lambda: qrmi.QRMIService().resources()[0],
    "class": lambda: qrmi.QuantumResource(name, qrmi.ResourceType.PasqalLocal),
    "configuration": lambda: qrmi.QuantumResource.from_config(
        name,
        qrmi.ResourceType.PasqalLocal,
        {"QRMI_WARDEN_URL": os.environ["EMU_QRMI_WARDEN_URL"], "QRMI_JOB_UID": "0", "QRMI_JOB_ID": "1"},
    ),
}[sys.argv[1]]()
assert isinstance(resource, qrmi.QuantumResource)
assert resource.status().status == qrmi.ResourceStatusCode.Online
try:
    resource.target()
except qrmi.QrmiError as error:
    sys.exit(str(error))
print(resource.resource_id(), resource.resource_type())
"""

WAYS = ["service", "services", "class", "configuration"]


@pytest.fixture
def without_munge(tmp_path):
    """The environment in which libmunge.so.2 cannot be loaded, as where it is not installed."""
    (tmp_path / "libmunge.so.2").write_bytes(b"this is no library")
    return {"LD_LIBRARY_PATH": str(tmp_path)}


@pytest.mark.parametrize("way", WAYS)
def test_the_bare_wheel_cannot_work_without_munge(sdk_stack, without_munge, way):
    environment = sdk_stack.environment | without_munge | {"QRMI_JOB_UID": "0", "QRMI_JOB_ID": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SERVICE, way],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "munge unavailable" in done.stderr


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_a_resource_works_without_munge(sdk_stack, without_munge, way):
    done = sdk_stack.run("-c", SERVICE, way, **without_munge)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == "EMU"


def test_an_unedited_program_runs_its_job_without_munge(sdk_stack, without_munge, whole_trace):
    done = sdk_stack.run("-c", PULSER, **without_munge)
    assert done.returncode == 0, done.stderr
    assert "321 shots of EMU" in done.stdout
    job = sdk_stack.newest_job()
    assert (job["status"], job["shots"]) == ("DONE", 321)
    whole_trace(job, "pulser")


def test_the_token_is_not_offered_to_another_host(sdk_stack, without_munge):
    script = """
import qrmi, sys

config = {"QRMI_WARDEN_URL": "http://192.0.2.1:8006", "QRMI_JOB_UID": "0", "QRMI_JOB_ID": "1"}
try:
    qrmi.QuantumResource.from_config("EMU", qrmi.ResourceType.PasqalLocal, config).target()
except qrmi.QrmiError as error:
    sys.exit(str(error))
"""
    done = sdk_stack.run("-c", script, **without_munge)
    assert done.returncode == 1
    assert "munge unavailable" in done.stderr
