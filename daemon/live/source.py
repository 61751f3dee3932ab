"""Where the live views get what they show: from a scheduler, or from an observer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol

from .snapshot import Administration, DeviceView, Own


@dataclass(frozen=True, slots=True)
class Audience:
    """Who watches: all who are the same audience get the same bytes."""

    uid: int | None = None
    administers: bool = False


PUBLIC = Audience()


@dataclass(frozen=True, slots=True)
class Parts:
    """What a snapshot is made of, for one audience."""

    devices: list[DeviceView]
    own: Own | None = None
    administration: Administration | None = None


class Source(Protocol):
    """Gives the facts; asked at most once a second, and only while someone watches."""

    role: Literal["all", "observer"]

    async def read(self, audiences: Collection[Audience]) -> dict[Audience, Parts]:
        """Return what each audience sees now."""


def moment(seconds: float) -> datetime:
    """Return a moment given in Unix seconds, to the millisecond."""
    return datetime.fromtimestamp(round(seconds, 3), UTC)


def moment_or_none(seconds: float | None) -> datetime | None:
    """Return a moment given in Unix seconds, None for None."""
    return None if seconds is None else moment(seconds)
