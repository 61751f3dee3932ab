"""Moments as administrators write them: ISO 8601, or a duration from now such as ``2h`` or ``1d12h``."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+)s)?")


class MomentError(ValueError):
    """A text is neither a moment nor a duration."""


def moment(text: str, now: datetime, *, past: bool = False) -> datetime:
    """Return the moment that ``text`` names, with its zone; a duration counts from ``now``, back if ``past``.

    A moment without a zone is in that of ``now``; a time alone is today's.

    Raises:
        MomentError: it is neither.
    """
    found = _DURATION.fullmatch(text)
    if found is not None and text:
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        return now - span if past else now + span
    try:
        parsed = datetime.fromisoformat(f"{now:%Y-%m-%d}T{text}" if re.match(r"\d\d?:", text) else text)
    except ValueError:
        raise MomentError(
            f"{text!r} is neither a moment such as 2026-11-23T18:00 nor a duration such as 2h"
        ) from None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=now.tzinfo)
