"""Faults put on the emulated QPU at start and at run time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from math import pi, sin
from typing import Any

import httpx
import pytest
from scipy.stats import binomtest

from qwatch.emulator.faults import Faults
from qwatch.emulator.settings import EmulatorSettings

SEQUENCE_OF = Callable[..., str]
HEALTHY = Faults().model_dump()
PI_PULSE = {"duration": 400, "amplitude": 7.853981633974483}


def excited(machine: Any, sequence: str, shots: int) -> int:
    job = machine.finished(machine.post(sequence, shots)["uid"])
    count: int = json.loads(job["result"])["counter"].get("1", 0)
    return count


@pytest.mark.parametrize("word", ["DOWN", "MAINTENANCE"])
def test_the_operational_status_is_any_word_and_refuses_jobs(
    machine: Any, sequence_of: SEQUENCE_OF, word: str
) -> None:
    machine.set_faults(operational_status=word)
    assert machine.data("GET", "/system/operational") == {"operational_status": word}
    body = {"nb_run": 1, "pulser_sequence": sequence_of()}
    assert word in machine.refusal("POST", "/jobs", 503, json=body)["message"]
    assert machine.data("GET", "/system")["specs"]["name"] == "EMU"


def test_a_machine_that_is_down_refuses_everything_but_its_control(
    machine: Any, sequence_of: SEQUENCE_OF
) -> None:
    machine.set_faults(down=True)
    machine.refusal("GET", "/system/operational", 503)
    machine.refusal("GET", "/jobs/1", 503)
    machine.refusal("POST", "/jobs", 503, json={"nb_run": 1, "pulser_sequence": sequence_of()})
    machine.set_faults(down=False)
    assert machine.data("GET", "/system/operational") == {"operational_status": "UP"}


def test_a_job_goes_on_while_the_server_is_down(machine: Any, sequence_of: SEQUENCE_OF) -> None:
    machine.set_faults(slowdown=2e8)
    uid = machine.post(sequence_of(), 1)["uid"]
    machine.until(uid, "RUNNING")
    machine.set_faults(down=True)
    time.sleep(1.0)
    machine.set_faults()
    assert machine.job(uid)["status"] == "DONE"


def test_a_slow_machine_takes_longer_for_its_next_job(machine: Any, sequence_of: SEQUENCE_OF) -> None:
    machine.set_faults(slowdown=2e8)  # 10^9 shots/s become 5 shots/s
    began = time.monotonic()
    assert machine.finished(machine.post(sequence_of(), 2)["uid"])["status"] == "DONE"
    assert time.monotonic() - began >= 0.4


def test_jobs_fail_where_errors_are_ordered_and_say_why(machine: Any, sequence_of: SEQUENCE_OF) -> None:
    machine.set_faults(error_ratio=1.0)
    job = machine.finished(machine.post(sequence_of(), 10)["uid"])
    assert (job["status"], job["result"]) == ("ERROR", None)
    assert "error_ratio" in job["error"]
    assert job["end_datetime"] is not None
    machine.set_faults()
    assert machine.finished(machine.post(sequence_of(), 10)["uid"])["status"] == "DONE"


def test_a_fraction_of_jobs_fails(machine: Any, sequence_of: SEQUENCE_OF) -> None:
    machine.set_faults(error_ratio=0.5)
    states = [machine.finished(machine.post(sequence_of(), 1)["uid"])["status"] for _ in range(30)]
    assert 3 <= states.count("ERROR") <= 27
    assert states.count("ERROR") + states.count("DONE") == 30


def test_forgotten_jobs_are_unknown_and_their_uids_are_not_reused(
    machine: Any, sequence_of: SEQUENCE_OF
) -> None:
    done = machine.finished(machine.post(sequence_of(), 1)["uid"])["uid"]
    machine.set_faults(slowdown=1e9)
    running = machine.post(sequence_of(), 1000)["uid"]
    machine.set_faults(forget=True)
    for uid in (done, running):
        machine.refusal("GET", f"/jobs/{uid}", 400)
    assert machine.client.get("/emulator/faults").json() == HEALTHY
    following = machine.post(sequence_of(), 1)["uid"]
    assert following == running + 1
    assert machine.finished(following)["status"] == "DONE"


def test_a_late_reply_comes_after_its_effect(machine: Any, sequence_of: SEQUENCE_OF) -> None:
    last = machine.finished(machine.post(sequence_of(), 1)["uid"])["uid"]
    machine.set_faults(response_delay=20.0)
    body = {"nb_run": 1, "pulser_sequence": sequence_of(), "context": {"pasqman_job_id": "lost"}}
    with pytest.raises(httpx.ReadTimeout):
        machine.request("POST", "/jobs", json=body, timeout=0.5)
    machine.set_faults()
    assert machine.finished(last + 1)["context"] == {"pasqman_job_id": "lost"}


def test_a_drifting_laser_shifts_the_measured_distribution(machine: Any, sequence_of: SEQUENCE_OF) -> None:
    sequence = sequence_of(**PI_PULSE)
    assert excited(machine, sequence, 500) == 500
    machine.set_faults(rabi_drift_per_hour=-0.1, time_factor=36_000.0)  # the whole scale in a second
    deadline = time.monotonic() + 20
    while machine.description()["drift"]["amplitude_scale"] > 0.7:
        assert time.monotonic() < deadline
    machine.set_faults()  # stays where it is
    scale = machine.description()["drift"]["amplitude_scale"]
    shifted = excited(machine, sequence, 500)
    assert shifted < 450
    assert binomtest(shifted, 500, sin(pi * scale / 2) ** 2).pvalue > 1e-4
    machine.set_faults(recalibrate=True)
    assert machine.description()["drift"]["rabi_frequency_deviation_ratio"] == 0
    assert excited(machine, sequence, 500) == 500


def test_a_detuning_offset_shifts_the_measured_distribution(machine: Any, sequence_of: SEQUENCE_OF) -> None:
    machine.set_faults(detuning_offset=7.853981633974483)
    assert machine.description()["drift"]["detuning_offset"] == pytest.approx(7.854, abs=1e-3)
    assert excited(machine, sequence_of(**PI_PULSE), 500) < 450


def test_noise_and_faults_can_be_set_at_the_start(
    serve_machine: Callable[[EmulatorSettings], Any], sequence_of: SEQUENCE_OF
) -> None:
    settings = EmulatorSettings.model_validate(
        {
            "name": "ORION",
            "shot_rate": 1e9,
            "overhead": 0,
            "noise": {"readout_false_negative": 0.5},
            "faults": {"slowdown": 2.0},
        }
    )
    machine = serve_machine(settings)
    assert machine.client.get("/emulator/faults").json() == {**HEALTHY, "slowdown": 2.0}
    count = excited(machine, sequence_of(device_name="ORION", **PI_PULSE), 1000)
    assert binomtest(count, 1000, 0.5).pvalue > 1e-4


def test_an_order_replaces_all_faults(machine: Any) -> None:
    machine.set_faults(slowdown=2.0, error_ratio=0.5)
    machine.set_faults(error_ratio=0.25)
    assert machine.client.get("/emulator/faults").json() == {**HEALTHY, "error_ratio": 0.25}


@pytest.mark.parametrize(
    "content",
    [
        '{"unknown": 1}',
        '{"slowdown": 0}',
        '{"slowdown": NaN}',
        '{"error_ratio": 1.1}',
        '{"operational_status": ""}',
        '{"rabi_drift_per_hour": Infinity}',
        '{"response_delay": -1}',
        "[]",
        "x",
        '{"\\ud800": 1}',
    ],
)
def test_bad_faults_are_refused_and_change_nothing(machine: Any, content: str) -> None:
    machine.set_faults(slowdown=3.0)
    headers = {"content-type": "application/json"}
    reply = machine.client.put("/emulator/faults", content=content, headers=headers)
    assert reply.status_code == 422
    assert "\n" not in reply.json()["detail"]
    assert machine.client.get("/emulator/faults").json()["slowdown"] == 3.0


def test_the_machine_describes_itself(machine: Any) -> None:
    description = machine.description()
    assert description["name"] == "EMU"
    assert description["simulator"] is True
    assert description["shot_rate"] == 1e9
    assert description["drift"]["amplitude_scale"] == 1.0
