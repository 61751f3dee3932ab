"""What is done with old rows, as steps: each finds a few rows at a time and changes them.

Rows are found on a read connection, in the order of a key that goes up, so that a long history is read once;
they are changed by the store's writer, few to a transaction, so that submissions never wait long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Found:
    """Rows to change, or their keys; ``after`` is where the next look begins, None at the end."""

    rows: Sequence[Any]
    after: Any | None


@dataclass(frozen=True, slots=True)
class Step:
    """One step for one kind of data.

    ``find`` is given the moment (Unix seconds) before which rows are old, where to begin (None: at the
    beginning), and how many rows to look at; ``change`` returns how many it changed.
    """

    kind: str
    action: str
    find: Callable[[Connection, float, Any, int], Found]
    change: Callable[[Connection, Sequence[Any]], int]
    at_once: int = 200
