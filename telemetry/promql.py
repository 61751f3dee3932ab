"""PromQL built from the catalogue's entries: a renamed metric, label or label value breaks at generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import device_metrics, labels
from .catalogue import Kind, Metric

SCRAPE_LABELS = ("job", "instance")
"""The two labels that Prometheus itself puts on every scraped series."""
SCRAPE_UP = "up"
"""Prometheus's own series: 1 if the last scrape of the target succeeded."""
CLUSTER = "cluster"
"""The external label by which a store that several sites write to tells them apart; a single site has none."""
ALERTS = "ALERTS"
"""Prometheus's own series: 1 for each alert that is pending or fires."""


@dataclass(frozen=True, slots=True)
class Match:
    """How a label is matched; values are checked against the label's enumeration unless ``verbatim``."""

    operator: str
    values: tuple[str, ...]
    verbatim: bool = False

    def __str__(self) -> str:
        return f'{self.operator}"{"|".join(self.values)}"'


def one_of(*values: str) -> Match:
    """Match a label that has one of ``values``."""
    return Match("=~", values)


def none_of(*values: str) -> Match:
    """Match a label that has none of ``values``."""
    return Match("!~", values)


def variable(name: str, multiple: bool = False) -> Match:
    """Match a label with a dashboard's variable (``multiple``: several values may be chosen)."""
    return Match("=~" if multiple else "=", (f"${name}",), verbatim=True)


Matches = Mapping[str, str | Match]
"""Labels and how each is matched; a plain string means equality."""


def matchers(metric: Metric, given: Matches) -> str:
    """Return ``{label="value",…}`` for ``metric``, or nothing if no label is given.

    Raises:
        ValueError: the metric has no such label, or the label can never have such a value.
    """
    declared = {label.name: label for label in metric.labels}
    parts = []
    for name, wanted in given.items():
        match = wanted if isinstance(wanted, Match) else Match("=", (wanted,))
        if name == CLUSTER:
            parts.append(f"{name}{match}")
            continue
        if name not in declared:
            raise ValueError(f"{metric.prometheus_name} has no label {name}; it has {', '.join(declared)}")
        known = declared[name].values
        unknown = [] if known is None or match.verbatim else [v for v in match.values if v not in known]
        if unknown:
            raise ValueError(f"{metric.prometheus_name}: {name} is never {' or '.join(unknown)}")
        parts.append(f"{name}{match}")
    return f"{{{','.join(parts)}}}" if parts else ""


def select(metric: Metric, given: Matches, window: str = "") -> str:
    """Return the selector of ``metric``'s series, over ``window`` if one is given."""
    return f"{metric.prometheus_name}{matchers(metric, given)}{f'[{window}]' if window else ''}"


def recorded(name: str, given: Matches) -> str:
    """Return the selector of a series that a rule or Prometheus itself makes; no label is checked."""
    parts = [
        f"{label}{match if isinstance(match, Match) else Match('=', (match,))}"
        for label, match in given.items()
    ]
    return f"{name}{{{','.join(parts)}}}" if parts else name


def summed(expression: str, by: Sequence[str] = ()) -> str:
    """Return the sum of ``expression``, by the labels ``by``: replicas and restarts vanish in it."""
    return f"sum by ({', '.join(by)}) ({expression})" if by else f"sum({expression})"


def rate(metric: Metric, given: Matches, window: str, by: Sequence[str] = ()) -> str:
    """Return the summed rate per second of a counter."""
    return summed(f"rate({select(metric, given, window)})", by)


def increase(metric: Metric, given: Matches, window: str, by: Sequence[str] = ()) -> str:
    """Return the summed increase of a counter over ``window``."""
    return summed(f"increase({select(metric, given, window)})", by)


def quantile(share: float, metric: Metric, given: Matches, window: str, by: Sequence[str] = ()) -> str:
    """Return a quantile of a histogram.

    ``>= 0`` removes the NaN of windows without an observation, which would be shown as a value.
    """
    if metric.kind is not Kind.HISTOGRAM:
        raise ValueError(f"{metric.prometheus_name} is a {metric.kind}, not a histogram")
    buckets = f"rate({metric.prometheus_name}_bucket{matchers(metric, given)}[{window}])"
    return f"histogram_quantile({share:g}, {summed(buckets, (*by, 'le'))}) >= 0"


def age(metric: Metric, given: Matches, by: Sequence[str] = ()) -> str:
    """Return the seconds since the earliest of the timestamps that ``metric`` holds."""
    if not metric.prometheus_name.endswith("_timestamp_seconds"):
        raise ValueError(f"{metric.prometheus_name} is not a timestamp")
    by_labels = f" by ({', '.join(by)}) " if by else ""
    return f"time() - min{by_labels}({select(metric, given)})"


def state_number(metric: Metric, label: str, given: Matches, by: Sequence[str] = ()) -> str:
    """Return the number of the state that is 1, in the order of ``label``'s enumeration.

    A state timeline draws one band for one series of numbers, and one band a state otherwise.
    """
    known = next(declared.values for declared in metric.labels if declared.name == label)
    if known is None:
        raise ValueError(f"{metric.prometheus_name}: {label} is not an enumeration")
    states = (f"({select(metric, {**given, label: value})} == 1) * {i}" for i, value in enumerate(known))
    by_labels = f" by ({', '.join(by)}) " if by else ""
    return f"max{by_labels}({' or '.join(states)})"


@dataclass(frozen=True, slots=True)
class TimeRatio:
    """A share of a device's wall time: time in the activities ``part`` over time in those of ``whole``."""

    name: str
    title: str
    meaning: str
    part: Mapping[str, str | Match]
    whole: Mapping[str, str | Match]

    def over(self, window: str, given: Matches, by: Sequence[str] = ()) -> str:
        """Return the ratio of the increases over ``window``; absent where there was no time to divide by."""
        part, whole = (
            increase(device_metrics.TIME, {**given, **of}, window, by) for of in (self.part, self.whole)
        )
        return f"{part} / ({whole} > 0)"


BUSY = {labels.ACTIVITY.name: "execute"}
UTILIZATION = TimeRatio(
    "utilization",
    "Utilization",
    "Busy time / wall time. Busy is the time in which the device executes a slice.",
    BUSY,
    {},
)
AVAILABLE_UTILIZATION = TimeRatio(
    "available_utilization",
    "Utilization of available time",
    "Busy time / (wall time - fault - maintenance - unknown): how well the time was used that could be used.",
    BUSY,
    {labels.ACTIVITY.name: none_of("fault", "maintenance", "unknown")},
)
DISPATCH_EFFICIENCY = TimeRatio(
    "dispatch_efficiency",
    "Dispatch efficiency",
    "Busy time / (busy time + dispatch). The rest is lost between two slices while work waits.",
    BUSY,
    {labels.ACTIVITY.name: one_of("execute", "dispatch")},
)
TIME_RATIOS = (UTILIZATION, AVAILABLE_UTILIZATION, DISPATCH_EFFICIENCY)
