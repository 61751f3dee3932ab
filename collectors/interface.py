"""What a collector is: named once, registered once, asked for its samples at each scrape.

A site adds a collector by writing one class. This one tells how full the dilution refrigerator's helium
reservoir is, from a file that the control system writes::

    from collections.abc import Iterable
    from pathlib import Path

    from qwatch.collectors.interface import Sample
    from qwatch.telemetry import labels
    from qwatch.telemetry.catalogue import Kind, Label, Metric

    FILL = Metric(
        "site.helium.fill",
        Kind.GAUGE,
        "1",
        "Helium left in the reservoir",
        (labels.QPU_ID, Label("kind", ("main", "reserve"), "which reservoir")),
    )
    REFILLS = Metric(
        "site.helium.refills",
        Kind.COUNTER,
        "{refill}",
        "Refills since the control system started",
        (labels.QPU_ID,),
    )


    class HeliumCollector:
        \"\"\"Reads lines such as `main 0.81`, `reserve 1.0` and `refills 3`.\"\"\"

        name = "helium"
        metrics = (FILL, REFILLS)

        def __init__(self, qpu_id: str, path: Path) -> None:
            self._qpu_id = qpu_id
            self._path = path

        def collect(self) -> Iterable[Sample]:
            for line in self._path.read_text().splitlines():
                key, value = line.split()
                if key == "refills":
                    yield Sample(REFILLS, {"qpu_id": self._qpu_id}, float(value))
                else:
                    yield Sample(FILL, {"qpu_id": self._qpu_id, "kind": key}, float(value))

It is handed to :class:`qwatch.collectors.registry.CollectorSet` with the others. A missing file raises, and
that is right: the set then reports this collector as failed and leaves out what it has, and only that.
What is not known is left out, never written as 0 or -1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from prometheus_client import Metric as Family

from ..telemetry.catalogue import Metric
from .background import Reading


@dataclass(frozen=True, slots=True)
class Sample:
    """The value of one series: the metric's catalogue entry, a value for each of its labels, the value."""

    metric: Metric
    labels: Mapping[str, str]
    value: float


class Collector(Protocol):
    """Something that can be measured at scrape time.

    ``collect`` runs in a thread of its own, never twice at the same time, and should return well within a
    second: whatever is slow is read in the background and served from memory.
    """

    @property
    def name(self) -> str:
        """The collector's name: label value of its health metrics, and the key that switches it off."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The catalogue entries that it may emit: counters and gauges."""

    def collect(self) -> Iterable[Sample]:
        """Return the samples of now; any exception means that the update failed as a whole."""


class ForeignCollector(Protocol):
    """A source whose metrics are not in the catalogue, because they are the site's own."""

    @property
    def name(self) -> str:
        """The collector's name, as above."""

    def families(self) -> Sequence[Family]:
        """Return the families of now, from memory; any exception means that there are none."""


@runtime_checkable
class Background(Protocol):
    """A collector of either kind that reads in the background (see background.py) and so is begun and ended.

    Its health tells when it read last and how long that took, not how quickly a scrape was served.
    """

    def start(self) -> None:
        """Begin to read."""

    def stop(self) -> None:
        """Read no more."""

    @property
    def last_reading(self) -> Reading[Any] | None:
        """What was read last, when, and how long it took."""
