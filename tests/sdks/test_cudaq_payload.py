"""Programs in the form that CUDA-Q sends, through the daemon on the emulated QPU.

CUDA-Q itself is not run: it would have to be built with QRMI. The format is the one in its own tests of the
Pasqal target.
"""

from __future__ import annotations

import json
import re

import pytest

from qwatch.examples.cudaq_analog import program

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def session(sdk_stack):
    token = sdk_stack.daemon.acquire()
    yield token
    sdk_stack.daemon.ok("DELETE", f"/sessions/{token}")


def test_a_cudaq_program_is_one_trace_under_its_name(sdk_stack, whole_trace):
    done = sdk_stack.run("-m", "qwatch.examples.cudaq_analog", "--atoms", "4", "--shots", "227")
    assert done.returncode == 0, done.stderr
    assert "227 shots of 4 atoms" in done.stdout
    job = sdk_stack.newest_job()
    assert (job["status"], job["shots_executed"]) == ("DONE", 227)
    whole_trace(job, "cudaq")


def test_the_sequence_may_be_a_json_object(sdk_stack, session, wait_until):
    asked = {
        "json": {"sequence": program(3), "shots": 229},
        "headers": {"x-warden-session": session, "traceparent": TRACEPARENT},
    }
    number = sdk_stack.daemon.ok("POST", "/jobs", **asked)["id"]
    job = sdk_stack.daemon.finished(number)
    assert (job["status"], job["shots_executed"]) == ("DONE", 229)
    counts = json.loads(job["results"])["counter"]
    assert sum(counts.values()) == 229
    assert all(len(bits) == 3 for bits in counts)
    assert "a CUDA-Q program" in sdk_stack.daemon.logs(number)

    def run_span():
        found = sdk_stack.spans(TRACEPARENT.split("-")[1])
        return next((span for span in found if span["name"] == "run EMU"), None)

    assert wait_until(run_span, "the job's spans were not written")["attributes"]["qpu.sdk"] == "cudaq"


def test_a_pulser_sequence_may_be_an_object_too(sdk_stack, session, sequence_text):
    body = {"sequence": json.loads(sequence_text), "shots": 10}
    reply = sdk_stack.daemon.ok("POST", "/jobs", json=body, headers={"x-warden-session": session})
    assert sdk_stack.daemon.finished(reply["id"])["status"] == "DONE"


def changed(**changes):
    found = program(3)
    (drive,) = found["hamiltonian"]["drivingFields"]
    for name, value in changes.items():
        drive[name]["time_series"] |= value
    return found


WRONG = {
    "too strong": (changed(amplitude={"values": ["0", "9e8", "9e8", "0"]}), "amplitude: 9e\\+08 rad/s"),
    "text": (changed(detuning={"times": ["0", "x", "2", "3"]}), r"detuning\.time_series\.times\.1: .*number"),
    "other": ({"hello": "world"}, "not Pulser's abstract representation"),
    "half": ({"setup": {}, "hamiltonian": {}}, r"sequence\.setup\.ahs_register: Field required"),
}


@pytest.mark.parametrize("as_text", [False, True], ids=["object", "text"])
@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_line_and_422(sdk_stack, session, case, as_text):
    sequence, reason = WRONG[case]
    body = {"sequence": json.dumps(sequence) if as_text else sequence, "shots": 10}
    detail = sdk_stack.daemon.refused(422, "POST", "/jobs", json=body, headers={"x-warden-session": session})
    assert re.search(reason, detail), detail
