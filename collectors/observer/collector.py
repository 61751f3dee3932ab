"""What an observer knows, at a scrape; a scrape asks no source, and what is not known is left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...telemetry import device_metrics, job_metrics, observer_metrics
from ...telemetry.labels import ACTIVITIES, DEVICE_STATES
from ..interface import Sample
from .observed_device import ObservedDevice
from .observer import Observer

_STORE_SECONDS = 1.0


class ObserverCollector:
    """The same metrics as of devices of our own, as far as the sources allow, and whether those answer."""

    name = "observer"
    metrics = (
        device_metrics.INFO,
        device_metrics.UP,
        device_metrics.STATE,
        device_metrics.ACTIVITY,
        device_metrics.STATE_LAST_CHANGE,
        device_metrics.TIME,
        device_metrics.HEALTHY,
        device_metrics.PENDING_JOBS,
        device_metrics.SLOTS,
        device_metrics.SHOT_RATE_NOMINAL,
        job_metrics.RUNNING_START,
        job_metrics.QUEUE,
        job_metrics.OLDEST,
        job_metrics.SESSIONS_ACTIVE,
        *observer_metrics.METRICS,
    )

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def collect(self) -> Iterable[Sample]:
        """Return the samples of every device; its seconds are told only after they were stored."""
        self._observer.save_time(_STORE_SECONDS)
        for device in self._observer.devices.values():
            yield from _described(device)
            yield from _doing(device)
            yield from _queue(device)
            yield from _reported(device)
            yield from _sources(device)


def _described(device: ObservedDevice) -> Iterator[Sample]:
    settings = device.settings
    here = {"qpu_id": device.name}
    labels = {
        "vendor": settings.vendor,
        "technology": settings.technology,
        "model": device.picture.model or "unknown",
        "resource_type": settings.resource_type,
        "simulator": "true" if settings.simulator else "false",
    }
    yield Sample(device_metrics.INFO, here | labels, 1.0)
    if settings.shot_rate is not None:
        yield Sample(device_metrics.SHOT_RATE_NOMINAL, here, settings.shot_rate)


def _doing(device: ObservedDevice) -> Iterator[Sample]:
    here, picture = {"qpu_id": device.name}, device.picture
    if (up := device.up) is not None:
        yield Sample(device_metrics.UP, here, float(up))
    for state in DEVICE_STATES:
        yield Sample(device_metrics.STATE, here | {"state": state}, float(state == picture.state))
    for activity in ACTIVITIES:
        doing = float(activity == picture.activity)
        yield Sample(device_metrics.ACTIVITY, here | {"activity": activity}, doing)
    for activity, seconds in device.stored_seconds.items():
        yield Sample(device_metrics.TIME, here | {"activity": activity}, seconds)
    yield Sample(device_metrics.STATE_LAST_CHANGE, here, device.state_changed_at)


def _queue(device: ObservedDevice) -> Iterator[Sample]:
    here, picture = {"qpu_id": device.name}, device.picture
    classed = here | {"job_class": device.settings.job_class}
    if picture.pending is not None:
        yield Sample(job_metrics.QUEUE, classed | {"state": "pending"}, picture.pending)
        if picture.runs is not None:
            yield Sample(job_metrics.QUEUE, classed | {"state": "running"}, float(picture.runs))
    if picture.oldest_pending_at is not None:
        yield Sample(job_metrics.OLDEST, classed, picture.oldest_pending_at)
    if picture.running is not None and picture.running.started_at is not None:
        yield Sample(job_metrics.RUNNING_START, here, picture.running.started_at)
    if picture.sessions is not None:
        yield Sample(job_metrics.SESSIONS_ACTIVE, here, picture.sessions)


def _reported(device: ObservedDevice) -> Iterator[Sample]:
    here, picture = {"qpu_id": device.name}, device.picture
    if picture.healthy is not None:
        yield Sample(device_metrics.HEALTHY, here, float(picture.healthy))
    if picture.resource_pending is not None:
        yield Sample(device_metrics.PENDING_JOBS, here, picture.resource_pending)
    for kind, slots in (("max", picture.max_slots), ("available", picture.available_slots)):
        if slots is not None:
            yield Sample(device_metrics.SLOTS, here | {"kind": kind}, slots)


def _sources(device: ObservedDevice) -> Iterator[Sample]:
    for watched in device.sources:
        where = {"qpu_id": device.name, "source": watched.source.name}
        if watched.up is not None:
            yield Sample(observer_metrics.SOURCE_UP, where, float(watched.up))
        if watched.last_success is not None:
            yield Sample(observer_metrics.SOURCE_LAST_SUCCESS, where, watched.last_success)
