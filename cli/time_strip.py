"""When which part of a session's and of its jobs' time was on, as strips of characters under each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.text import Text

from .time_bars import COLOURS

_CHARACTERS = {"classical": "·", "queue": "░", "dispatch": "▒", "device": "█", "fetch": "▓", "idle": "_"}
"""Told apart without colours, too."""


def strip(intervals: Sequence[Mapping[str, Any]], begin: datetime, end: datetime, width: int) -> Text:
    """Return ``width`` columns from ``begin`` to ``end``, each of the part that takes most of it."""
    places: list[Counter[str]] = [Counter() for _ in range(width)]
    column = (end - begin).total_seconds() / width
    for interval in intervals if column > 0 else ():
        first = (datetime.fromisoformat(interval["begin"]) - begin).total_seconds() / column
        last = (datetime.fromisoformat(interval["end"]) - begin).total_seconds() / column
        for place in range(max(int(first), 0), min(int(last) + 1, width)):
            places[place][interval["part"]] += _overlap(first, last, place)  # type: ignore[assignment]
    text = Text()
    for shares in places:
        part = max(shares, key=lambda name: shares[name], default="")
        text.append(_CHARACTERS.get(part, " ") if shares[part] > 0 else " ", style=COLOURS.get(part, ""))
    return text


def legend(parts: Iterable[str]) -> Text:
    """Return what the characters mean."""
    text = Text()
    for part in parts:
        text.append(_CHARACTERS[part], style=COLOURS[part]).append(f" {part}  ", style="dim")
    text.rstrip()
    return text


def _overlap(first: float, last: float, place: int) -> float:
    return max(min(last, place + 1) - max(first, place), 0.0)
