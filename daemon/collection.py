"""What every role collects besides its own: the host, the build, Slurm, a site's sources, under one guard."""

from __future__ import annotations

from collections.abc import Collection as Names
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry
from sqlalchemy.engine import make_url

from ..collectors.external import ExternalCollector
from ..collectors.host import HostCollector
from ..collectors.interface import Collector
from ..collectors.registry import CollectorSet
from ..collectors.slurm import SlurmCollector
from ..telemetry import own_metrics
from ..telemetry.catalogue import Source, catalogue
from ..telemetry.instruments import Instruments
from ..telemetry.series_guard import SeriesGuard, is_open
from .build_info import BuildInfoCollector
from .configuration import Configuration


class Collection:
    """The registry of a process, its instruments, and the collectors that a scrape asks."""

    def __init__(self, configuration: Configuration, devices: Names[str]) -> None:
        self._configuration = configuration
        self._devices = devices
        self._guard = SeriesGuard(configuration.metrics.most_series, len(devices))
        self.registry = CollectorRegistry()
        self.instruments = Instruments(self.registry, self._guard)
        for metric in catalogue():
            if metric.source is Source.DAEMON and is_open(metric):
                self.instruments.add(own_metrics.SERIES_DROPPED, 0, metric=metric.prometheus_name)

    def register(self, collectors: Iterable[Collector], schema_revision: str) -> CollectorSet:
        """Have scrapes ask ``collectors``, and those that every role has; the caller starts and stops them."""
        configuration = self._configuration
        slurm = [SlurmCollector(configuration.slurm, self._devices)] if configuration.slurm.enabled else []
        found = CollectorSet(
            [
                HostCollector(_store_folder(configuration.store.url)),
                *collectors,
                *slurm,
                BuildInfoCollector(schema_revision),
            ],
            [ExternalCollector(source) for source in configuration.external],
            disabled=configuration.metrics.disabled_collectors,
            guard=self._guard,
            dropped=self.instruments.dropped,
        )
        self.registry.register(found)
        return found


def _store_folder(url: str) -> Path:
    found = Path(make_url(url).database or ".").parent
    return found if found.exists() else Path()
