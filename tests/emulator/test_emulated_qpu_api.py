"""The on-premises QPU's HTTP API, as the emulated QPU serves it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pulser.devices import Device

from qwatch.emulator.settings import EmulatorSettings

SEQUENCE_OF = Callable[..., str]
JOB_FIELDS = {
    "uid",
    "status",
    "nb_run",
    "result",
    "program_id",
    "context",
    "batch_id",
    "created_datetime",
    "start_datetime",
    "end_datetime",
    "progress",
    "error",
}
CONTEXT = {"batch_id": "batch-7", "pasqman_job_id": "42"}


def test_a_healthy_machine_is_up(machine: Any) -> None:
    assert machine.data("GET", "/system/operational") == {"operational_status": "UP"}


def test_the_specs_are_a_pulser_device_as_an_object(machine: Any) -> None:
    specs = machine.data("GET", "/system")["specs"]
    assert specs["name"] == "EMU"
    assert Device.from_abstract_repr(json.dumps(specs)).name == "EMU"


def test_a_job_runs_at_once_and_its_counts_sum_to_its_shots(machine: Any, sequence_of: SEQUENCE_OF) -> None:
    posted = machine.post(sequence_of(2), 150, CONTEXT)
    assert set(posted) == JOB_FIELDS
    assert posted["status"] in ("PENDING", "RUNNING")
    assert posted["result"] is None
    assert posted["end_datetime"] is None
    done = machine.finished(posted["uid"])
    assert set(done) == JOB_FIELDS
    assert (done["status"], done["nb_run"], done["progress"], done["error"]) == ("DONE", 150, 100, None)
    counter = json.loads(done["result"])["counter"]
    assert sum(counter.values()) == 150
    assert all(len(bitstring) == 2 for bitstring in counter)


def test_the_context_is_echoed_and_names_the_batch(machine: Any, sequence_of: SEQUENCE_OF) -> None:
    posted = machine.post(sequence_of(), 1, {**CONTEXT, "more": [1, None]})
    assert posted["context"] == {**CONTEXT, "more": [1, None]}
    assert posted["batch_id"] == "batch-7"
    assert machine.finished(posted["uid"])["context"] == {**CONTEXT, "more": [1, None]}


def test_times_are_local_without_a_zone_in_order_and_span_overhead_and_shots(
    serve_machine: Callable[[EmulatorSettings], Any], sequence_of: SEQUENCE_OF
) -> None:
    settings = EmulatorSettings(shot_rate=100.0, overhead=0.2, timezone="Pacific/Kiritimati")
    machine = serve_machine(settings)
    job = machine.finished(machine.post(sequence_of(), 30)["uid"])
    times = [datetime.fromisoformat(job[f"{what}_datetime"]) for what in ("created", "start", "end")]
    assert times == sorted(times)
    assert (times[2] - times[1]).total_seconds() >= 0.49  # 0.2 s + 30 shots at 100 Hz
    assert all(time.tzinfo is None for time in times)
    ahead = times[0] - datetime.utcnow()  # noqa: DTZ003 - the same form as the machine's
    assert 13.9 < ahead.total_seconds() / 3600 < 14.1


def test_uids_are_consecutive(machine: Any, sequence_of: SEQUENCE_OF) -> None:
    uids = [machine.finished(machine.post(sequence_of(), 1)["uid"])["uid"] for _ in range(3)]
    assert uids == [uids[0], uids[0] + 1, uids[0] + 2]


def test_the_same_seed_gives_each_job_the_same_counts_again(
    serve_machine: Callable[[EmulatorSettings], Any], sequence_of: SEQUENCE_OF
) -> None:
    def results(seed: int) -> list[str]:
        machine = serve_machine(EmulatorSettings(shot_rate=1e9, overhead=0, seed=seed))
        return [machine.finished(machine.post(sequence_of(3), 100)["uid"])["result"] for _ in range(2)]

    first = results(5)
    assert first == results(5)
    assert first[0] != first[1]


def test_an_unknown_uid_is_refused(machine: Any) -> None:
    for method, path in (
        ("GET", "/jobs/99999"),
        ("PUT", "/jobs/99999/cancel"),
        ("GET", "/programs/99999"),
        ("GET", "/jobs/-1"),
        ("GET", f"/jobs/{10**30}"),
    ):
        assert "no job" in machine.refusal(method, path, 400)["message"]


def test_a_uid_that_is_no_number_is_refused(machine: Any) -> None:
    assert "uid" in machine.refusal("GET", "/jobs/latest", 400)["message"]


def test_a_path_outside_the_api_is_refused_in_the_wrapped_form(machine: Any) -> None:
    machine.refusal("GET", "/nothing", 404)
    machine.refusal("DELETE", "/jobs/1", 405)


class TestARunningJob:
    """On a machine whose shots take long."""

    @pytest.fixture(scope="class")
    def slow_machine(self, shared_machine: Any) -> Any:
        shared_machine.set_faults(slowdown=1e9)  # 10^9 shots/s become 1 shot/s
        yield shared_machine
        shared_machine.set_faults()

    def test_it_makes_progress(self, slow_machine: Any, sequence_of: SEQUENCE_OF) -> None:
        uid = slow_machine.post(sequence_of(), 5)["uid"]
        running = slow_machine.until(uid, "RUNNING")
        assert running["start_datetime"] is not None
        seen = {running["progress"]}
        while len(seen) < 3:
            job = slow_machine.job(uid)
            assert job["status"] == "RUNNING"
            seen.add(job["progress"])
        assert all(0 <= progress < 100 for progress in seen)

    def test_it_can_be_canceled(self, slow_machine: Any, sequence_of: SEQUENCE_OF) -> None:
        uid = slow_machine.post(sequence_of(), 1000)["uid"]
        slow_machine.until(uid, "RUNNING")
        canceled = slow_machine.data("PUT", f"/jobs/{uid}/cancel")
        assert (canceled["status"], canceled["result"]) == ("CANCELED", None)
        assert canceled["end_datetime"] is not None
        assert slow_machine.job(uid) == canceled

    def test_a_new_job_cancels_it(self, slow_machine: Any, sequence_of: SEQUENCE_OF) -> None:
        first = slow_machine.post(sequence_of(), 1000)["uid"]
        second = slow_machine.post(sequence_of(), 1)["uid"]
        assert slow_machine.job(first)["status"] == "CANCELED"
        assert slow_machine.finished(second)["status"] == "DONE"

    def test_a_refused_job_does_not_cancel_it(self, slow_machine: Any, sequence_of: SEQUENCE_OF) -> None:
        uid = slow_machine.post(sequence_of(), 1000)["uid"]
        slow_machine.refusal("POST", "/jobs", 400, json={"nb_run": 1, "pulser_sequence": "no"})
        assert slow_machine.job(uid)["status"] in ("PENDING", "RUNNING")

    def test_its_program_has_its_state(self, slow_machine: Any, sequence_of: SEQUENCE_OF) -> None:
        job = slow_machine.post(sequence_of(), 1000)
        path = f"/programs/{job['program_id']}"
        slow_machine.until(job["uid"], "RUNNING")
        assert slow_machine.data("GET", path)["status"] == "RUNNING"
        slow_machine.data("PUT", f"/jobs/{job['uid']}/cancel")
        assert slow_machine.data("GET", path)["status"] == "CANCELED"


def test_the_program_of_a_finished_job_is_done(machine: Any, sequence_of: SEQUENCE_OF) -> None:
    job = machine.finished(machine.post(sequence_of(), 1)["uid"])
    assert machine.data("GET", f"/programs/{job['program_id']}")["status"] == "DONE"


def test_a_finished_job_cannot_be_canceled_and_the_code_says_so(machine: Any, sequence_of: SEQUENCE_OF) -> None:
    done = machine.finished(machine.post(sequence_of(), 1)["uid"])
    assert "3003" in machine.refusal("PUT", f"/jobs/{done['uid']}/cancel", 400)["code"]
    assert machine.job(done["uid"]) == done


def test_a_simulation_under_way_can_be_canceled_and_the_next_job_runs(
    machine: Any, sequence_of: SEQUENCE_OF
) -> None:
    long = machine.post(sequence_of(14, spacing=5.0, duration=4000, amplitude=6.0), 10)["uid"]
    machine.until(long, "RUNNING")
    assert machine.data("PUT", f"/jobs/{long}/cancel")["status"] == "CANCELED"
    assert machine.finished(machine.post(sequence_of(), 10)["uid"])["status"] == "DONE"


def test_of_jobs_posted_in_a_burst_only_the_last_runs_to_its_end(
    machine: Any, sequence_of: SEQUENCE_OF
) -> None:
    long = sequence_of(14, spacing=5.0, duration=4000, amplitude=6.0)
    machine.until(machine.post(long, 10)["uid"], "RUNNING")
    uids = [machine.post(sequence_of(), 10)["uid"] for _ in range(4)]
    assert machine.finished(uids[-1])["status"] == "DONE"
    assert {machine.job(uid)["status"] for uid in uids[:-1]} == {"CANCELED"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "nb_run"),
        ({"nb_run": 1}, "pulser_sequence"),
        ({"nb_run": "10", "pulser_sequence": ""}, "nb_run"),
        ({"nb_run": 1.5, "pulser_sequence": ""}, "nb_run"),
        ({"nb_run": 1, "pulser_sequence": {}}, "pulser_sequence"),
        ({"nb_run": 1, "pulser_sequence": "", "context": "text"}, "context"),
        ({"nb_run": 1, "pulser_sequence": "not json"}, "not JSON"),
        ({"nb_run": 1, "pulser_sequence": "{}"}, "not valid"),
        ({"nb_run": 0, "pulser_sequence": "{}"}, "at least 1"),
        ({"nb_run": 2001, "pulser_sequence": "{}"}, "max_runs"),
    ],
)
def test_a_bad_job_is_refused_with_one_clear_line(machine: Any, body: dict[str, Any], said: str) -> None:
    assert said in machine.refusal("POST", "/jobs", 400, json=body)["message"]


def test_a_job_for_another_device_is_refused_by_its_name(machine: Any, sequence_of: SEQUENCE_OF) -> None:
    body = {"nb_run": 1, "pulser_sequence": sequence_of(device_name="FRESNEL")}
    assert "'FRESNEL'" in machine.refusal("POST", "/jobs", 400, json=body)["message"]


@pytest.mark.parametrize(
    "content", [b"", b"x", b"\xff\xfe", b'{"nb_run": 1, "pulser_sequence": "\\ud800"}', b"[" * 50_000]
)
def test_a_body_that_is_no_json_object_is_refused(machine: Any, content: bytes) -> None:
    headers = {"content-type": "application/json"}
    machine.refusal("POST", "/jobs", 400, content=content, headers=headers)


@pytest.mark.parametrize("value", ["NaN", "Infinity", '"\\ud800"'])
def test_a_context_that_cannot_be_echoed_is_refused(machine: Any, value: str) -> None:
    content = f'{{"nb_run": 1, "pulser_sequence": "{{}}", "context": {{"key": {value}}}}}'
    refusal = machine.refusal(
        "POST", "/jobs", 400, content=content, headers={"content-type": "application/json"}
    )
    assert "context" in refusal["message"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(body=st.fixed_dictionaries({}, optional={"nb_run": _JSON, "pulser_sequence": _JSON, "context": _JSON}))
def test_arbitrary_bodies_are_refused_and_never_break_the_server(shared_machine: Any, body: Any) -> None:
    content = json.dumps(body)
    shared_machine.refusal("POST", "/jobs", 400, content=content, headers={"content-type": "application/json"})
