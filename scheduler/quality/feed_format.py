"""What a vendor or a site writes to tell the quality of a device: the JSON format, version 1.

::

    {
      "version": 1,
      "device": "FRESNEL",
      "at": "2026-03-01T12:00:00Z",
      "samples": [
        {"metric": "qpu_rabi_frequency_deviation_ratio", "labels": {"channel": "rydberg_global"},
         "value": -0.012, "uncertainty": 0.003},
        {"metric": "qpu_register_fill_ratio", "value": 0.98, "at": 1772366000.5}
      ]
    }
"""

from __future__ import annotations

import json
import time
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from ...telemetry import labels, quality_metrics
from ...telemetry.catalogue import Metric
from ..ledger import QualitySample

MOST_BYTES = 256 * 1024
MOST_SAMPLES = 256
_FUTURE_SECONDS = 60.0
"""So much may a feed's clock be ahead of this host's."""
_TOLD = {metric.prometheus_name: metric for metric in quality_metrics.MEASURED}

Moment = (
    Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
    | Annotated[int, Field(strict=True, ge=0)]
    | AwareDatetime
)
Number = Annotated[float, Field(allow_inf_nan=False)]


class FeedError(Exception):
    """A feed cannot be used; the message is one line that says where it is wrong."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FeedSample(_Strict):
    """One value: Prometheus name of a quality metric, its labels besides ``qpu_id``, value, and when."""

    metric: str
    labels: dict[str, str] = {}
    value: Number
    uncertainty: Annotated[Number, Field(ge=0)] | None = None
    at: Moment | None = None


class FeedDocument(_Strict):
    """Everything that a feed tells at one time; ``at`` holds for the samples that have none of their own."""

    version: Literal[1]
    device: str
    at: Moment
    samples: Annotated[list[FeedSample], Field(max_length=MOST_SAMPLES)]


def read_feed(content: bytes, qpu_id: str, source: str) -> list[QualitySample]:
    """Return the samples that a feed tells of the device ``qpu_id``.

    Raises:
        FeedError: the content is too long, not the format, or about something that is no quality of a device.
    """
    if len(content) > MOST_BYTES:
        raise FeedError(f"is longer than {MOST_BYTES} bytes")
    try:
        document = FeedDocument.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise FeedError(" ".join(f"{place or 'the whole'}: {first['msg']}".split())) from error
    if document.device != qpu_id:
        raise FeedError(f"device: is {document.device[:64]!r}, not {qpu_id!r}")
    found: dict[tuple[str, str], QualitySample] = {}
    for index, given in enumerate(document.samples):
        sample = _sample(given, document.at, f"samples.{index}", qpu_id, source)
        key = (sample.metric.name, json.dumps(dict(sample.labels), sort_keys=True))
        if key in found:
            raise FeedError(f"samples.{index}: {given.metric} was told with these labels before")
        found[key] = sample
    return list(found.values())


def _sample(given: FeedSample, at: Moment, place: str, qpu_id: str, source: str) -> QualitySample:
    metric = _TOLD.get(given.metric)
    if metric is None:
        raise FeedError(f"{place}.metric: {given.metric[:80]!r} is not one of {', '.join(_TOLD)}")
    _check_labels(metric, given, place)
    _check_range(metric, given.value, place)
    moment = _seconds(at if given.at is None else given.at)
    if moment > time.time() + _FUTURE_SECONDS:
        raise FeedError(f"{place}.at: lies in the future")
    return QualitySample(
        qpu_id=qpu_id,
        at=moment,
        source=source,
        metric=metric,
        labels=given.labels,
        value=given.value,
        uncertainty=given.uncertainty,
    )


def _check_labels(metric: Metric, given: FeedSample, place: str) -> None:
    declared = {label.name: label for label in metric.labels if label.name != labels.QPU_ID.name}
    if set(given.labels) != set(declared):
        wanted = ", ".join(declared) or "no labels"
        raise FeedError(f"{place}.labels: {given.metric} has {wanted}")
    for name, value in given.labels.items():
        values = declared[name].values or ()
        if value not in values:
            raise FeedError(f"{place}.labels.{name}: {value[:40]!r} is not one of {', '.join(values)}")


def _check_range(metric: Metric, value: float, place: str) -> None:
    lowest = 0.0
    if metric in quality_metrics.SIGNED:
        lowest = -1.0 if metric.unit == "1" else float("-inf")
    if value < lowest:
        raise FeedError(f"{place}.value: {metric.prometheus_name} is not below {lowest:g}")
    if metric.unit == "1" and metric not in quality_metrics.SIGNED and value > 1:
        raise FeedError(f"{place}.value: {metric.prometheus_name} is a ratio from 0 to 1, not {value:g}")


def _seconds(moment: Moment) -> float:
    return float(moment) if isinstance(moment, (int, float)) else moment.timestamp()
