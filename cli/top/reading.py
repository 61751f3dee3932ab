"""Reads what ``GET /live`` answers; fields that are not known are left alone: the daemon may be newer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .snapshot import Alert, ClassQueue, Device, Job, Running, Snapshot, Window


class UnreadableError(ValueError):
    """What was answered is no snapshot; says what was missing."""


def read_snapshot(told: Any) -> Snapshot:
    """Return the snapshot that a reply tells.

    Raises:
        UnreadableError: it is none.
    """
    try:
        return _snapshot(_printable(told))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableError(
            f"the daemon's live view cannot be read ({error!r}); is it another version?"
        ) from error


def _snapshot(told: dict[str, Any]) -> Snapshot:
    own, administration = told.get("own"), told.get("administration")
    alerts = None if administration is None else administration.get("alerts")
    return Snapshot(
        at=_moment(told["at"]),
        devices=tuple(_device(item) for item in told["devices"]),
        version=told.get("version", ""),
        role=told.get("role", "all"),
        user=None if own is None else own["user"],
        own_jobs=() if own is None else _jobs(own["jobs"]),
        all_jobs=None if administration is None else _jobs(administration["jobs"]),
        left_out=(_left_out(own), _left_out(administration)),
        sessions=None if administration is None else administration.get("sessions", {}),
        alerts=None if alerts is None else tuple(_alert(item) for item in alerts),
        alerts_error=None if administration is None else administration.get("alerts_error"),
    )


def _device(told: dict[str, Any]) -> Device:
    running, hour = told.get("running"), told.get("last_hour")
    samples = [_moment(item["at"]) for item in told.get("quality", ())]
    return Device(
        name=told["name"],
        state=told["state"],
        activity=told["activity"],
        activity_since=_moment(told["activity_since"]),
        message=told.get("message") or "",
        windows=tuple(
            Window(item["kind"], _moment(item["since"]), _maybe(item.get("announced_end")))
            for item in told.get("windows", ())
        ),
        waiting=told.get("waiting"),
        queue=tuple(
            ClassQueue(
                item["job_class"],
                item["waiting"],
                item.get("running", 0),
                _maybe(item.get("oldest_created_at")),
                _maybe(item.get("expected_start")),
            )
            for item in told.get("queue", ())
        ),
        running=None
        if running is None
        else Running(
            running.get("job_class"),
            running.get("shots"),
            _maybe(running.get("started_at")),
            _maybe(running.get("expected_end")),
        ),
        hour={} if hour is None else dict(hour["seconds"]),
        quality_at=max(samples, default=None),
        simulator=bool(told.get("simulator")),
    )


def _jobs(told: dict[str, Any]) -> tuple[Job, ...]:
    return (
        *(_job(item, "RUNNING") for item in told.get("running", ())),
        *(_job(item, "PENDING") for item in told.get("waiting", ())),
        *(_job(item, item["state"]) for item in told.get("ended", ())),
    )


def _job(told: dict[str, Any], state: str) -> Job:
    return Job(
        id=told["id"],
        device=told["device"],
        job_class=told["job_class"],
        state=state,
        created_at=_moment(told["created_at"]),
        shots=told.get("shots"),
        started_at=_maybe(told.get("started_at")),
        ended_at=_maybe(told.get("ended_at")),
        place=told.get("place"),
        expected_start=_maybe(told.get("expected_start")),
        expected_end=_maybe(told.get("expected_end")),
        canceling=bool(told.get("cancel_requested")),
        reason=told.get("reason") or "",
        user=told.get("user"),
        account=told.get("account"),
    )


def _left_out(part: dict[str, Any] | None) -> int:
    if part is None:
        return 0
    jobs = part["jobs"]
    return max(int(jobs.get("waiting_total", 0)) - len(jobs.get("waiting", ())), 0)


def _alert(told: dict[str, Any]) -> Alert:
    return Alert(
        told["name"], told["severity"], told.get("summary", ""), _moment(told["since"]), told.get("device")
    )


def _printable(told: Any) -> Any:
    """Return what was told without characters that steer a terminal: names and messages come from people."""
    if isinstance(told, str):
        return "".join(letter if letter.isprintable() else " " for letter in told)
    if isinstance(told, list):
        return [_printable(item) for item in told]
    if isinstance(told, dict):
        return {key: _printable(value) for key, value in told.items()}
    return told


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _maybe(text: str | None) -> float | None:
    return None if text is None else _moment(text)
