"""LogQL is built from the fields that log records carry, and bounds the series that Loki must keep apart."""

from __future__ import annotations

import pytest

from qwatch.telemetry import log_fields, logql
from qwatch.telemetry.logql import Lines

MINE = Lines("$qpu_id").where(log_fields.USER, "=", "$user")


def test_lines_are_narrowed_by_fields() -> None:
    assert str(MINE.one_of(log_fields.STATE, ("DONE", "ERROR"))) == (
        '{qpu_id=~"$qpu_id"} | user = "$user" | state =~ "DONE|ERROR"'
    )
    assert str(Lines(".+").having(log_fields.PHASE)) == '{qpu_id=~".+"} | phase != ""'


def test_text_is_quoted() -> None:
    assert str(Lines('E"\\')) == '{qpu_id=~"E\\"\\\\"}'


def test_a_field_that_no_record_carries_is_refused() -> None:
    with pytest.raises(ValueError, match="log records have no field usr"):
        MINE.where("usr", "=", "ada")
    with pytest.raises(ValueError, match="log records have no field seconds_"):
        logql.total(MINE, "seconds_", "1h")


def test_numbers_drop_the_fields_that_tell_jobs_apart() -> None:
    assert logql.counted(MINE, "1h") == (
        'sum(count_over_time({qpu_id=~"$qpu_id"} | user = "$user" | keep service_name [1h]))'
    )
    assert logql.last(MINE, log_fields.VALUE, "1m", (log_fields.MEASURE,)) == (
        'last_over_time({qpu_id=~"$qpu_id"} | user = "$user" | keep measure, value, service_name '
        '| unwrap value | __error__="" [1m]) by (measure)'
    )
    assert logql.total(MINE, log_fields.SECONDS, "1m", (log_fields.PHASE,)).startswith("sum by (phase) (")
