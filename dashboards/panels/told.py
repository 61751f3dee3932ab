"""What the device itself, or its administrator, tells beyond its state."""

from __future__ import annotations

from ...telemetry import device_metrics as device
from ...telemetry.promql import Matches, select
from .. import palette
from ..grafana import Panel, PrometheusTarget
from ..panel_types import ONLY_WORDS, stat


def maintenance_end(of: Matches) -> Panel:
    """Say when the present maintenance is to end."""
    return stat(
        "Maintenance ends in",
        "Time until the announced end of the present maintenance; below 0 it overruns.",
        "s",
        PrometheusTarget(f"min({select(device.MAINTENANCE_END, of)}) - time()", instant=True),
        decimals=0,
        limits=((None, palette.NEUTRAL), (-1e9, palette.BAD), (0, palette.GOOD)),
        none="none announced",
    )


def state_since(of: Matches) -> Panel:
    """Say for how long the state has lasted."""
    return stat(
        "In its state for",
        "How long ago the device last changed between online, paused, offline and unknown.",
        "s",
        PrometheusTarget(f"time() - max({select(device.STATE_LAST_CHANGE, of)})", instant=True),
        decimals=0,
    )


def healthy(of: Matches) -> Panel:
    """Say whether the resource calls itself healthy."""
    return stat(
        "Calls itself",
        "Whether the resource reports itself healthy; the on-premises API does not say.",
        "none",
        PrometheusTarget(f"min({select(device.HEALTHY, of)})", instant=True),
        decimals=0,
        words=palette.yes_or_no("healthy", "not healthy"),
        limits=ONLY_WORDS,
    )


def pending(of: Matches) -> Panel:
    """Say how many jobs the resource itself has pending."""
    return stat(
        "Pending at the device",
        "Pending jobs that the resource itself reports: of other users of a shared or cloud resource too.",
        "short",
        PrometheusTarget(f"max({select(device.PENDING_JOBS, of)})", instant=True),
        decimals=0,
    )


def slots(of: Matches) -> Panel:
    """Say how many slots the resource has left."""
    available, most = (select(device.SLOTS, {**of, "kind": kind}) for kind in ("available", "max"))
    return stat(
        "Slots free",
        "Share of the slots that the resource itself reports as available.",
        "percentunit",
        PrometheusTarget(f"max({available}) / (max({most}) > 0)", instant=True),
        decimals=0,
    )


def clock_offset(of: Matches) -> Panel:
    """Say by how much the device's clock is off."""
    return stat(
        "Clock offset",
        "Device's clock minus the daemon's, from the times of the last slice. Above some seconds its times "
        "cannot be believed, and QPUClockSkew fires.",
        "s",
        PrometheusTarget(f"max({select(device.CLOCK_OFFSET, of)})", instant=True),
        decimals=1,
    )
