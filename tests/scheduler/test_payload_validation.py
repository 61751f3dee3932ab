"""Whatever arrives as a payload, the answer is one line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qwatch.scheduler.errors import InvalidRequestError
from qwatch.scheduler.validation import DeviceLimits, check_job

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
keys = st.sampled_from(["version", "register", "channels", "operations", "device", "variables", "name"])
LIMITS = DeviceLimits("EMU", 2000, 80, 6000)


def answer(sequence: str, shots: int, limits: DeviceLimits = LIMITS) -> str | None:
    """Return the line of the refusal, None if the job was accepted; any other exception is the test's."""
    try:
        check_job(sequence, shots, limits, 1000)
    except InvalidRequestError as error:
        line = str(error)
        assert line
        assert "\n" not in line
        return line
    return None


@given(text=st.text(), shots=st.integers())
@example("[" * 100_000, 1)
@example("{" + '"a":{' * 100_000, 1)
@example("9" * 5000, 1)
@example('"\ud800"', 1)
def test_arbitrary_text_is_refused_in_one_line(text: str, shots: int) -> None:
    assert answer(text, shots)


@given(value=values, shots=st.integers(1, 2000))
def test_arbitrary_json_is_refused_in_one_line(value: Any, shots: int) -> None:
    assert answer(json.dumps(value), shots)


@given(program=st.dictionaries(keys, values, max_size=7), shots=st.integers(1, 2000))
def test_arbitrary_values_of_the_expected_keys_never_raise_anything_else(
    program: dict[str, Any], shots: int
) -> None:
    answer(json.dumps(program), shots)


@given(shots=st.integers())
def test_shots_are_between_one_and_the_devices_limit(shots: int, sequence_text: str) -> None:
    line = answer(sequence_text, shots)
    assert (line is None) is (1 <= shots <= 2000)
    if line is not None:
        assert "between 1 and 2000" in line
    unlimited = DeviceLimits("EMU", None, None, None)
    assert (answer(sequence_text, shots, unlimited) is None) is (1 <= shots <= 1000)


@given(specs=st.one_of(st.none(), st.text(), values.map(json.dumps)))
def test_whatever_a_device_calls_its_specs_jobs_are_checked(specs: str | None, sequence_text: str) -> None:
    answer(sequence_text, 10, DeviceLimits.from_specs(specs))


@given(
    specs=st.dictionaries(
        st.sampled_from(["name", "max_runs", "max_atom_num", "max_sequence_duration"]), values, max_size=4
    )
)
def test_limits_that_are_no_numbers_count_as_none(specs: dict[str, Any], sequence_text: str) -> None:
    answer(sequence_text, 10, DeviceLimits.from_specs(json.dumps(specs)))


@pytest.mark.parametrize(
    "specs", [{"max_runs": "2000"}, {"max_atom_num": "80"}, {"max_runs": True}, {"name": 7}]
)
def test_limits_of_a_wrong_type_count_as_none(specs: dict[str, Any], sequence_text: str) -> None:
    assert answer(sequence_text, 10, DeviceLimits.from_specs(json.dumps(specs))) is None


def test_a_long_sequence_is_not_repeated_in_its_refusal() -> None:
    line = answer(
        json.dumps(
            {"device": {"name": "x" * 1_000_000}}
            | {key: [1] for key in ("version", "register", "channels", "operations")}
        ),
        1,
    )
    assert line is not None
    assert len(line) < 1000


@pytest.mark.parametrize("name", ["EMU", "FRESNEL"])
def test_a_device_may_be_named_by_text_alone(name: str, sequence_text: str) -> None:
    program = json.loads(sequence_text) | {"device": name}
    assert (answer(json.dumps(program), 10) is None) is (name == "EMU")
