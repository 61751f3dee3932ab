"""What the reader chooses at the head of a board, and how queries refer to it."""

from __future__ import annotations

from ..telemetry import device_metrics, labels
from ..telemetry.promql import CLUSTER, Matches, select, variable
from .grafana import Json, Source
from .variables import data_source_variable, enumeration_variable, query_variable, window_variable

SITE: Matches = {CLUSTER: variable(CLUSTER, multiple=True)}
"""The clusters whose data is shown; all of it where there is no such label."""
ONE_DEVICE: Matches = {labels.QPU_ID.name: variable("qpu_id")}
DEVICES: Matches = {labels.QPU_ID.name: variable("qpu_id", multiple=True)}
CLASSES: Matches = {labels.JOB_CLASS.name: variable("job_class", multiple=True)}
THIS: Matches = {**SITE, **ONE_DEVICE}
THESE: Matches = {**SITE, **DEVICES}
WINDOW = "$window"


def sources(*kinds: Source) -> list[Json]:
    """Return the variables for data sources: of all three kinds, or of ``kinds``."""
    names: dict[Source, str] = {"prometheus": "Metrics", "loki": "Logs", "tempo": "Traces"}
    return [data_source_variable(kind, names[kind]) for kind in kinds or names]


def cluster() -> Json:
    """Return the variable for the cluster: a label that a store of several sites adds."""
    return query_variable(
        CLUSTER,
        "Cluster",
        f"label_values({device_metrics.INFO.prometheus_name}, {CLUSTER})",
        "The external label `cluster` of a store that several sites write to; empty where there is none",
        several=True,
        every=".*",
    )


def device() -> Json:
    """Return the variable for one device."""
    return query_variable("qpu_id", "QPU", _devices(), "The device that this board is about")


def devices() -> Json:
    """Return the variable for several devices."""
    return query_variable("qpu_id", "QPU", _devices(), "The devices that this board is about", several=True)


def classes() -> Json:
    """Return the variable for classes of jobs."""
    return enumeration_variable(
        "job_class", "Job class", labels.JOB_CLASSES, "Narrows the panels about the queue and jobs"
    )


def window(of_what: str = "quantiles and rates of jobs and shots are taken") -> Json:
    """Return the variable for the window of averages."""
    return window_variable("window", "Window", "10m", ("10m", "30m", "1h", "6h", "1d"), f"Over which {of_what}")


def _devices() -> str:
    return f"label_values({select(device_metrics.INFO, SITE)}, {labels.QPU_ID.name})"
