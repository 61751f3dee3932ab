"""What a device does, from what its sources tell. What none of them tells is unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from .sighting import RunningJob, Sighting

T = TypeVar("T")

_ORDER = (
    "peer_database",
    "peer_status",
    "peer_accessible",
    "peer_qpu_slots",
    "peer_accounting",
    "qpu_api",
    "qrmi",
)
"""Where two tell the same, the first is believed: the one that is closest to what happens."""

DEVICE_SOURCES = ("qpu_api", "qrmi")
"""Those that ask the device itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A device as it is seen now; None is what no source tells."""

    state: str = "unknown"
    activity: str = "unknown"
    reason: str = ""
    running: RunningJob | None = None
    pending: int | None = None
    runs: bool | None = None
    oldest_pending_at: float | None = None
    sessions: int | None = None
    healthy: bool | None = None
    resource_pending: int | None = None
    max_slots: int | None = None
    available_slots: int | None = None
    model: str | None = None


def picture_of(told: Mapping[str, Sighting], *, device_is_asked: bool = False) -> Picture:
    """Merge what the sources of one device tell, by name of the source.

    With ``device_is_asked`` there is a source that asks the device itself: while that one is silent, that the
    peer is open to users says nothing of the device.
    """
    ordered = [told[name] for name in _ORDER if name in told]
    operational = _first(sighting.operational for sighting in ordered)
    paused = _first(sighting.paused for sighting in ordered)
    accessible = _first(sighting.accessible for sighting in ordered)
    runs, running = _job(told, ordered)
    pending = _first(sighting.pending for sighting in ordered)
    silent = device_is_asked and operational is None
    state = "unknown" if silent else _state(operational, paused, accessible)
    activity = _activity(operational, paused or accessible is False, runs, pending)
    if silent and activity != "execute":
        activity = "unknown"
    reason = ""
    if activity == "fault":
        reason = _first(sighting.word for sighting in ordered) or ""
    elif activity == "held":
        reason = _first(sighting.message for sighting in ordered) or ""
    return Picture(
        state=state,
        activity=activity,
        reason=reason[:500],
        runs=runs,
        running=running,
        pending=pending,
        oldest_pending_at=_first(sighting.oldest_pending_at for sighting in ordered),
        sessions=_first(sighting.sessions for sighting in ordered),
        healthy=_first(sighting.healthy for sighting in ordered),
        resource_pending=_first(sighting.resource_pending for sighting in ordered),
        max_slots=_first(sighting.max_slots for sighting in ordered),
        available_slots=_first(sighting.available_slots for sighting in ordered),
        model=_first(sighting.model for sighting in ordered),
    )


def _job(told: Mapping[str, Sighting], ordered: Iterable[Sighting]) -> tuple[bool | None, RunningJob | None]:
    by_peer = next((sighting for sighting in ordered if sighting.runs is not None), None)
    if by_peer is None:
        return None, None
    device = told.get("qpu_api")
    running = by_peer.running
    if (
        device is None
        or device.runs is None
        or device.running is None
        or running is None
        or device.running.device_uid != running.device_uid
    ):
        return by_peer.runs, running if by_peer.runs else None
    if not device.runs:
        # The device has ended it, and its scheduler has not seen that yet.
        return False, None
    return True, replace(running, started_at=device.running.started_at or running.started_at)


def _state(operational: bool | None, paused: bool | None, accessible: bool | None) -> str:
    if operational is False:
        return "offline"
    if paused or accessible is False:
        return "paused"
    if operational or accessible:
        return "online"
    return "unknown"


def _activity(operational: bool | None, held: bool, runs: bool | None, pending: int | None) -> str:
    if runs:
        return "execute"
    if operational is False:
        return "fault"
    if runs is None or pending is None:
        return "unknown"
    if pending == 0:
        return "idle"
    return "held" if held else "dispatch"


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value is not None), None)
