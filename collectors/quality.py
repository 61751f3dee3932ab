"""Quality and drift: the newest samples of the ledger, from quality jobs and the devices' own feeds."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator

from ..scheduler.device import Device
from ..scheduler.quality.latest import LatestQuality
from ..scheduler.quality.service import QualityService
from ..scheduler.scheduler import Scheduler
from ..telemetry import quality_metrics
from .interface import Sample


class QualityCollector:
    """Tells what was measured, and when; what is older than the device's ``quality.max_age`` is left out."""

    name = "quality"
    metrics = quality_metrics.COLLECTED

    def __init__(self, scheduler: Scheduler, service: QualityService) -> None:
        self._scheduler = scheduler
        self._service = service
        self._latest = LatestQuality(
            {name: device.settings.quality.max_age for name, device in scheduler.devices.items()}
        )
        self._specified: dict[str, tuple[str | None, dict[str, float]]] = {}

    def collect(self) -> Iterable[Sample]:
        """Return the samples of every device; a scrape reads only the rows that are new in the ledger."""
        self._scheduler.store.read_now(self._latest.update)
        now = time.time()
        for name, device in self._scheduler.devices.items():
            yield from self._measured(name, now - device.settings.quality.max_age)
            yield from self._readout_specified(device)
            sources = self._service.sources(name)
            for source, at in self._latest.sources(name).items():
                if source in sources:
                    yield Sample(quality_metrics.SAMPLE_TIMESTAMP, {"qpu_id": name, "source": source}, at)
            if (feed := self._service.feeds.get(name)) is not None and feed.succeeded is not None:
                yield Sample(quality_metrics.FEED_SUCCESS, {"qpu_id": name}, float(feed.succeeded))
            if (rounds := self._service.rounds.get(name)) is not None and rounds.last_success_at is not None:
                yield Sample(quality_metrics.PROBE_LAST_SUCCESS, {"qpu_id": name}, rounds.last_success_at)

    def _measured(self, name: str, oldest: float) -> Iterator[Sample]:
        for reading in self._latest.readings(name):
            labels = {"qpu_id": name, **reading.labels}
            if reading.metric is quality_metrics.BENCHMARK_FIDELITY:
                yield Sample(quality_metrics.BENCHMARK_LAST_RUN, labels, reading.at)
            if reading.at < oldest:
                continue
            yield Sample(reading.metric, labels, reading.value)
            if reading.uncertainty is not None:
                entry = quality_metrics.UNCERTAINTY[reading.metric.name]
                yield Sample(entry, labels, reading.uncertainty)

    def _readout_specified(self, device: Device) -> Iterator[Sample]:
        """From the configuration, otherwise from the noise model in the device's specs; neither: nothing."""
        given = device.settings.quality.readout_error_spec
        in_specs = self._in_specs(device)
        for kind, configured in (
            ("false_positive", given.false_positive),
            ("false_negative", given.false_negative),
        ):
            value = in_specs.get(kind) if configured is None else configured
            if value is not None:
                labels = {"qpu_id": device.name, "kind": kind}
                yield Sample(quality_metrics.READOUT_ERROR_SPEC, labels, value)

    def _in_specs(self, device: Device) -> dict[str, float]:
        specs = device.record.specs
        known = self._specified.get(device.name)
        if known is None or known[0] != specs:
            known = self._specified[device.name] = (specs, readout_errors_in(specs))
        return known[1]


def readout_errors_in(specs: str | None) -> dict[str, float]:
    """Return the readout errors by kind in a Pulser device's specs, empty where they tell none."""
    try:
        data = json.loads(specs) if specs else {}
    except ValueError:
        return {}
    noise = data.get("default_noise_model") if isinstance(data, dict) else None
    if not isinstance(noise, dict):
        return {}
    found = {"false_positive": noise.get("p_false_pos"), "false_negative": noise.get("p_false_neg")}
    return {
        kind: float(value)
        for kind, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    }
