"""What a check of a configuration found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "ok"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing: where (file and line, or variable), which key, and what of it."""

    level: Level
    place: str
    key: str
    line: str
