"""Prometheus' text format from outside, as families that may stand beside our own."""

from __future__ import annotations

import re

from prometheus_client import Metric as Family
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from .foreign import ExternalTextError, FamiliesTogether, names_of

OUR_PREFIXES = ("qpu_", "qrmi_", "qwatch_", "slurm_qpu_")
"""Names that the catalogue alone gives out."""

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def families_in(text: str, source: str, most_series: int) -> tuple[Family, ...]:
    """Return what ``text`` says, or nothing of it.

    Raises:
        ExternalTextError: it is not in the format, has a name of ours, a time stamp, a series twice, or more
            than ``most_series`` series.
    """
    together = FamiliesTogether()
    try:
        for family in text_string_to_metric_families(text):
            together.add([family])
    except (ValueError, KeyError, IndexError) as error:
        raise ExternalTextError(f"not in Prometheus' text format: {' '.join(str(error).split())}") from error
    series = 0
    for family in together.families:
        _check_name(family)
        for sample in family.samples:
            _check_sample(family, sample)
        series += len(family.samples)
        if not family.documentation:
            family.documentation = f"From the external source {source}"
    if series > most_series:
        raise ExternalTextError(f"has {series} series, and at most {most_series} are taken (max_series)")
    return tuple(together.families)


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
