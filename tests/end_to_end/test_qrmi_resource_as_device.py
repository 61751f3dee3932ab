"""A device behind the real QRMI library: one daemon schedules onto a resource that another daemon serves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module")
def near(munged: None, run_daemon: Any, run_emulator: Any, device_at: Any) -> Iterator[Any]:
    """A daemon whose device FAR is a QRMI resource; the far daemon has the emulated QPU."""
    with (
        run_emulator(shot_rate=1000) as qpu,
        run_daemon(api={"auth": "munge", "user_sessions": True}, devices=[device_at(qpu.url)]) as far,
    ):
        device = {
            "name": "FAR",
            "adapter": "qrmi",
            "resource_type": "pasqal-local",
            "environment": {
                "QRMI_WARDEN_URL": f"{far.url}/devices/EMU",
                "QRMI_JOB_UID": str(os.getuid()),
                "QRMI_JOB_ID": "near",
            },
            "simulator": True,
            "status_interval": 0.2,
        }
        with run_daemon(devices=[device]) as daemon:
            daemon.far = far
            yield daemon


def test_a_job_runs_on_the_resource_and_brings_its_results(near: Any, sequence_text: str) -> None:
    number = near.submit(near.acquire(), sequence_text, 60)
    job = near.finished(number)
    assert job["status"] == "DONE", near.logs(number)
    assert job["shots_executed"] == 60
    assert '"counter"' in job["results"]
    assert near.far.metric("qpu_sessions_active", qpu_id="EMU") == 1


def test_the_specs_are_those_that_the_resource_tells(near: Any, sequence_text: str) -> None:
    near.finished(near.submit(near.acquire(), sequence_text, 5))
    assert '"name": "EMU"' in near.ok("GET", "/qpu/specs")["specs"]


def test_a_running_job_is_cancelled_on_the_resource(near: Any, sequence_text: str) -> None:
    number = near.submit(near.acquire(), sequence_text, 2000)
    near.until(number, "RUNNING")
    near.ok("POST", f"/jobs/{number}/cancel")
    assert near.finished(number)["status"] == "CANCELED"
    far_jobs = near.far.ok("GET", "/jobs")["jobs"]
    assert far_jobs[0]["status"] in ("CANCELED", "RUNNING")


def test_what_qrmi_tells_of_the_resource_is_measured(near: Any, wait_until: Any) -> None:
    wait_until(lambda: near.metric("qpu_up", qpu_id="FAR") == 1)
    assert near.metric("qpu_state", qpu_id="FAR", state="online") == 1
    assert near.metric("qpu_info", qpu_id="FAR", resource_type="pasqal-local") == 1


def test_the_session_on_the_resource_is_released_when_the_daemon_stops(near: Any, wait_until: Any) -> None:
    assert near.stop() == 0
    wait_until(lambda: near.far.metric("qpu_sessions_active", qpu_id="EMU") == 0)
