"""How often each bitstring was read, from a job's results as devices give them."""

from __future__ import annotations

import json
from typing import Any


class UnreadableResultsError(Exception):
    """The results are in no form that is known here; the message is one line."""


def counts_in(results: str) -> dict[str, int]:
    """Return the counts in a job's results: ``{"counter": {"01": 3}}``, or the inner object alone.

    Raises:
        UnreadableResultsError: the results are neither.
    """
    try:
        found: Any = json.loads(results)
    except (ValueError, RecursionError) as error:
        raise UnreadableResultsError("the results are not JSON") from error
    if isinstance(found, dict) and isinstance(found.get("counter"), dict):
        found = found["counter"]
    if not isinstance(found, dict) or not found:
        raise UnreadableResultsError("the results hold no counts")
    counts: dict[str, int] = {}
    for bits, count in found.items():
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise UnreadableResultsError("the results hold counts that are no numbers")
        counts[bits] = count
    return counts
