"""Devices: state, activity, the time partition, and what QRMI ``status()`` reports of any vendor's resource."""

from __future__ import annotations

from collections.abc import Iterable

from ..scheduler.scheduler import Scheduler
from ..telemetry import device_metrics, job_metrics, own_metrics
from ..telemetry.labels import ACTIVITIES, DEVICE_STATES
from .interface import Sample

_STORE_SECONDS = 1.0


class DeviceCollector:
    """Reads what the dispatchers know; a scrape never asks a device."""

    name = "device"
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
        device_metrics.CLOCK_OFFSET,
        job_metrics.RUNNING_START,
        own_metrics.LAST_LOOP,
    )

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def collect(self) -> Iterable[Sample]:
        """Return the samples of every device.

        Its seconds are told only after they were stored: otherwise the counter would fall after a crash.
        """
        self._scheduler.save_time(_STORE_SECONDS)
        for name, device in self._scheduler.devices.items():
            here = {"qpu_id": name}
            settings = device.settings
            yield Sample(
                device_metrics.INFO,
                here
                | {
                    "vendor": settings.vendor,
                    "technology": settings.technology,
                    "model": device.limits.name or "unknown",
                    "resource_type": device.adapter.resource_type,
                    "simulator": "true" if settings.simulator else "false",
                },
                1.0,
            )
            yield Sample(device_metrics.UP, here, float(device.reachable))
            now = device.state
            for state in DEVICE_STATES:
                yield Sample(device_metrics.STATE, here | {"state": state}, float(state == now))
            doing = device.clock.activity
            for activity in ACTIVITIES:
                yield Sample(device_metrics.ACTIVITY, here | {"activity": activity}, float(activity == doing))
            for activity, seconds in device.stored_seconds.items():
                yield Sample(device_metrics.TIME, here | {"activity": activity}, seconds)
            yield Sample(device_metrics.STATE_LAST_CHANGE, here, device.state_changed_at)
            if settings.shot_rate is not None:
                yield Sample(device_metrics.SHOT_RATE_NOMINAL, here, settings.shot_rate)
            if (since := device.running_since) is not None:
                yield Sample(job_metrics.RUNNING_START, here, since)
            if (offset := device.clock_offset) is not None:
                yield Sample(device_metrics.CLOCK_OFFSET, here, offset)
            yield Sample(own_metrics.LAST_LOOP, here, self._scheduler.dispatchers[name].last_loop_at)
            if (report := device.report) is None:
                continue
            if report.healthy is not None:
                yield Sample(device_metrics.HEALTHY, here, float(report.healthy))
            if report.pending_jobs is not None:
                yield Sample(device_metrics.PENDING_JOBS, here, float(report.pending_jobs))
            for kind, slots in (("max", report.max_slots), ("available", report.available_slots)):
                if slots is not None:
                    yield Sample(device_metrics.SLOTS, here | {"kind": kind}, float(slots))
