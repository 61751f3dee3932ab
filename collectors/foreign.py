"""Families from outside side by side: those of one name become one, and what clashes is not taken."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from prometheus_client import Metric as Family
from prometheus_client.samples import Sample

SeriesName = tuple[str, tuple[tuple[str, str], ...]]


class ExternalTextError(Exception):
    """What comes from outside cannot be taken; the message is one line."""


class FamiliesTogether:
    """Puts families together. ``taken`` are the names, without ``_total``, of families that are not here."""

    def __init__(self, taken: Collection[str] = ()) -> None:
        self._taken = taken
        self._families: dict[str, Family] = {}
        self._owners: dict[str, str] = {}
        self._series: set[SeriesName] = set()

    @property
    def families(self) -> list[Family]:
        """The families that were added, one of each name."""
        return list(self._families.values())

    def add(self, families: Sequence[Family]) -> None:
        """Add families that do not clash with each other, all of them or none.

        Raises:
            ExternalTextError: a name is taken, is one of another type, or is a series of another family; or a
                series is there twice.
        """
        for family in families:
            self._check(family)
        series = [_series(sample) for family in families for sample in family.samples]
        added = set(series)
        if len(added) < len(series) or not added.isdisjoint(self._series):
            name, labels = next(
                item for place, item in enumerate(series) if item in self._series or item in series[:place]
            )
            raise ExternalTextError(f"the series {name}{dict(labels)} is there twice")
        self._series |= added
        for family in families:
            known = self._families.setdefault(
                family.name, Family(family.name, family.documentation, family.type, family.unit)
            )
            known.samples.extend(family.samples)
            for name in names_of(family):
                self._owners[name] = family.name

    def _check(self, family: Family) -> None:
        known = self._families.get(family.name)
        if known is not None and known.type != family.type:
            raise ExternalTextError(f"{family.name} is a {known.type} here and a {family.type} there")
        for name in names_of(family):
            if name.removesuffix("_total") in self._taken:
                raise ExternalTextError(f"the name {name} is that of another collector")
            if (owner := self._owners.get(name, family.name)) != family.name:
                raise ExternalTextError(f"{name} is a series of {owner} and of {family.name}")


def names_of(family: Family) -> Iterator[str]:
    """Yield the family's name and those of its series."""
    yield from {family.name, *(sample.name for sample in family.samples)}


def _series(sample: Sample) -> SeriesName:
    return sample.name, tuple(sorted(sample.labels.items()))
