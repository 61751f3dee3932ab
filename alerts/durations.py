"""Spans of time as Prometheus writes them, which a test profile can shorten without changing a name."""

from __future__ import annotations

import re
from dataclasses import dataclass

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PARTS = re.compile(r"(\d+)(ms|[dhms])")


@dataclass(frozen=True, slots=True)
class Duration:
    """A span of time: what rules use (``seconds``), and what series are named for (``nominal_seconds``)."""

    seconds: float
    nominal_seconds: float

    @classmethod
    def of(cls, text: str) -> Duration:
        """Return the span that ``text`` such as ``5m`` or ``1h30m`` means; ValueError if it means none."""
        found = _PARTS.findall(text)
        if not found or "".join(number + unit for number, unit in found) != text:
            raise ValueError(f"{text!r} is not a duration such as 30s, 5m or 1h30m")
        seconds = sum(int(number) * _UNITS[unit] for number, unit in found)
        return cls(seconds, seconds)

    def scaled(self, factor: float) -> Duration:
        """Return the span times ``factor``, under the same name."""
        return Duration(self.seconds * factor, self.nominal_seconds)

    @property
    def name(self) -> str:
        """How it is written in the name of a series; a test profile has the same names."""
        return _text(self.nominal_seconds)

    def __str__(self) -> str:
        return _text(self.seconds)


def _text(seconds: float) -> str:
    left = round(seconds * 1000)
    if left == 0:
        return "0s"
    parts = []
    for unit, size in _UNITS.items():
        count, left = divmod(left, round(size * 1000))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)
