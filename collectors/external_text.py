"""Prometheus' text format from outside, as families that may stand beside our own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from prometheus_client import Metric as Family
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

OUR_PREFIXES = ("qpu_", "qrmi_", "qwatch_", "slurm_qpu_")
"""Names that the catalogue alone gives out."""

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class ExternalTextError(Exception):
    """The text cannot be taken; the message is one line."""


def families_in(text: str, source: str, most_series: int) -> tuple[Family, ...]:
    """Return what ``text`` says, or nothing of it.

    Raises:
        ExternalTextError: it is not in the format, has a name of ours, a time stamp, a series twice, or more
            than ``most_series`` series.
    """
    try:
        found = merged(text_string_to_metric_families(text))
    except (ValueError, KeyError, IndexError) as error:
        raise ExternalTextError(f"not in Prometheus' text format: {' '.join(str(error).split())}") from error
    series = 0
    for family in found.values():
        _check_name(family)
        for sample in family.samples:
            _check_sample(family, sample)
        series += len(family.samples)
        if not family.documentation:
            family.documentation = f"From the external source {source}"
    if series > most_series:
        raise ExternalTextError(f"has {series} series, and at most {most_series} are taken (max_series)")
    return tuple(found.values())


def merged(families: Iterable[Family]) -> dict[str, Family]:
    """Return the families by name, those of one name put together.

    Raises:
        ExternalTextError: two of one name have different types, a series is there twice, or a name is a
            series of another family.
    """
    found: dict[str, Family] = {}
    owners: dict[str, str] = {}
    seen: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    for family in families:
        known = found.get(family.name)
        if known is None:
            known = found[family.name] = Family(family.name, family.documentation, family.type, family.unit)
        elif known.type != family.type:
            raise ExternalTextError(f"{family.name} is a {known.type} here and a {family.type} there")
        for name in {family.name, *(sample.name for sample in family.samples)}:
            if owners.setdefault(name, family.name) != family.name:
                raise ExternalTextError(f"{name} is a series of {owners[name]} and of {family.name}")
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            if key in seen:
                raise ExternalTextError(f"the series {sample.name}{dict(sample.labels)} is there twice")
            seen.add(key)
            known.samples.append(sample)
    return found


def names_of(family: Family) -> Iterator[str]:
    """Yield the family's name and those of its series."""
    yield from {family.name, *(sample.name for sample in family.samples)}


def _check_name(family: Family) -> None:
    for name in names_of(family):
        if not _NAME.fullmatch(name):
            raise ExternalTextError(f"the name {name!r} is not letters, digits, '_' and ':'")
        if name.startswith(OUR_PREFIXES):
            raise ExternalTextError(
                f"the name {name} is refused: {', '.join(OUR_PREFIXES)} are qwatch's own prefixes; "
                "begin with the name of the site or the instrument"
            )


def _check_sample(family: Family, sample: Sample) -> None:
    if sample.timestamp is not None:
        raise ExternalTextError(f"{sample.name} has a time stamp: leave it out, Prometheus makes it")
    for label in sample.labels:
        if not _LABEL.fullmatch(label) or label.startswith("__"):
            raise ExternalTextError(f"{sample.name} has the label {label!r}, which Prometheus does not take")
    if family.type == "histogram" and sample.name.endswith("_bucket") and "le" not in sample.labels:
        raise ExternalTextError(f"{sample.name} has no label 'le'")
