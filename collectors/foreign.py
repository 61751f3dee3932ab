"""The families of several foreign sources side by side: each source adds all that it has, or nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from prometheus_client import Metric as Family

from .external_text import ExternalTextError, merged, names_of


class ForeignFamilies:
    """Puts families together; those of one name become one family. ``taken`` are names of families of ours."""

    def __init__(self, taken: Collection[str]) -> None:
        self._taken = taken
        self._families: dict[str, Family] = {}

    def add(self, families: Sequence[Family]) -> None:
        """Add what one source has. If it clashes with what is there: ExternalTextError, nothing is added."""
        for family in families:
            for name in names_of(family):
                if name.removesuffix("_total") in self._taken:
                    raise ExternalTextError(f"the name {name} is that of another collector")
        self._families = merged([*self._families.values(), *families])

    def all(self) -> list[Family]:
        """Return the families that were added."""
        return list(self._families.values())
