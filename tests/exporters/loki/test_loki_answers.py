"""What Loki's answers mean, in the words that Loki uses."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwatch.exporters.loki_push import LONGEST_RETRY_AFTER, Verdict, classify
from qwatch.telemetry.labels import DROP_REASON

TOO_FAR_BEHIND = (
    "entry with timestamp 2022-10-10 13:25:44 +0000 UTC ignored, reason: 'entry too far behind, entry "
    "timestamp is: 2022-10-10T13:25:44Z, oldest acceptable timestamp is: 2022-10-28T23:10:16Z',\n"
    "user 'fake', total ignored: 7 out of 10 for stream: {level=\"info\"}"
)


@given(st.integers(100, 599), st.text(), st.one_of(st.none(), st.text()))
def test_every_answer_has_a_verdict_and_a_known_reason(status: int, body: str, retry_after: str | None) -> None:
    answer = classify(status, body, retry_after)
    assert answer.verdict in (Verdict.RETRY, Verdict.DROPPED)
    assert answer.reason in (DROP_REASON.values or ())
    assert len(answer.detail) < 300
    assert answer.retry_after is None or 0 <= answer.retry_after <= LONGEST_RETRY_AFTER


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_retried(status: int) -> None:
    assert classify(status, "").verdict is Verdict.RETRY


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 413, 415])
def test_what_does_not_pass_is_not(status: int) -> None:
    assert classify(status, "").verdict is Verdict.DROPPED


def test_the_number_that_the_ingester_ignored() -> None:
    answer = classify(400, TOO_FAR_BEHIND)
    assert (answer.reason, answer.lost) == ("too_old", 7)


def test_the_numbers_of_grouped_errors_add_up() -> None:
    body = (
        "3 errors like: entry for stream '{}' has timestamp too old: x, oldest acceptable timestamp is: y; "
        "1 errors like: z"
    )
    answer = classify(400, body)
    assert (answer.reason, answer.lost) == ("too_old", 4)


def test_the_oldest_acceptable_time_is_read() -> None:
    answer = classify(400, "has timestamp too old: x, oldest acceptable timestamp is: 2026-01-01T00:00:00Z")
    assert answer.lost is None
    assert answer.oldest == 1767225600.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        ("0", 0.0),
        ("-5", 0.0),
        ("100000", LONGEST_RETRY_AFTER),
        ("nan", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_in_seconds(header: str, seconds: float | None) -> None:
    assert classify(429, "", header).retry_after == seconds


def test_retry_after_as_a_date() -> None:
    found = classify(503, "", formatdate(time.time() + 60, usegmt=True)).retry_after
    assert found is not None
    assert 30 < found <= 61
