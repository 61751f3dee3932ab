"""The observer's sources: which of them tell, and since when one has been silent."""

from __future__ import annotations

from . import labels
from .catalogue import Kind, Label, Metric, Source

SOURCES = (
    "peer_accessible",
    "peer_status",
    "peer_accounting",
    "peer_qpu_slots",
    "peer_database",
    "qpu_api",
    "qrmi",
)
SOURCE = Label("source", SOURCES, "what an observer reads")

SOURCE_UP = Metric(
    "qwatch.observer.source.up",
    Kind.GAUGE,
    "",
    "1 if the source answered when the observer last asked it",
    (labels.QPU_ID, SOURCE),
    source=Source.OBSERVER,
)
SOURCE_LAST_SUCCESS = Metric(
    "qwatch.observer.source.last_success.timestamp",
    Kind.GAUGE,
    "s",
    "Unix time of the last answer of the source; absent before the first",
    (labels.QPU_ID, SOURCE),
    source=Source.OBSERVER,
)

METRICS = (SOURCE_UP, SOURCE_LAST_SUCCESS)
