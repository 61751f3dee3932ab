"""Moments of a daemon that the tests of ``qwatch top`` draw, as ``GET /live`` tells them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

NOW = datetime(2026, 11, 23, 18, 40, 12, tzinfo=UTC).timestamp()


def moment(ago: float) -> str:
    """Return the moment ``ago`` seconds before now as the daemon writes it."""
    return datetime.fromtimestamp(NOW - ago, UTC).isoformat().replace("+00:00", "Z")


def waiting(
    number: int, place: int, device: str = "FRESNEL", job_class: str = "production", **more: Any
) -> dict[str, Any]:
    return {
        "id": number, "device": device, "job_class": job_class, "shots": 200 * place,
        "created_at": moment(60.0 * (12 - place)), "place": place, "expected_start": moment(-240.0 * place),
    } | more  # fmt: skip


def active(number: int, device: str = "FRESNEL", **more: Any) -> dict[str, Any]:
    return {
        "id": number, "device": device, "job_class": "production", "shots": 1000, "shots_executed": 0,
        "created_at": moment(900), "started_at": moment(310), "expected_end": moment(-190),
        "cancel_requested": False,
    } | more  # fmt: skip


def ended(number: int, state: str = "DONE", **more: Any) -> dict[str, Any]:
    return {
        "id": number, "device": "FRESNEL", "job_class": "test", "state": state, "reason": "none",
        "message": None, "created_at": moment(3000), "started_at": moment(2400), "ended_at": moment(1800),
        "busy_seconds": 590.0,
    } | more  # fmt: skip


def fresnel(**more: Any) -> dict[str, Any]:
    return {
        "name": "FRESNEL", "state": "online", "state_since": moment(90000), "activity": "execute",
        "activity_since": moment(310), "accessible": True, "message": "", "simulator": False, "windows": [],
        "queue": [
            {"job_class": "production", "waiting": 3, "running": 1, "oldest_created_at": moment(660),
             "expected_start": moment(-960)},
            {"job_class": "test", "waiting": 1, "running": 0, "oldest_created_at": moment(480),
             "expected_start": moment(-1200)},
            {"job_class": "development", "waiting": 0, "running": 0, "oldest_created_at": None,
             "expected_start": moment(-1300)},
        ],
        "waiting": 4,
        "running": {"started_at": moment(310), "expected_end": moment(-190), "job_class": "production",
                    "shots": 1000},
        "last_hour": {"since": moment(3600), "until": moment(0), "seconds": {
            "execute": 2230.0, "dispatch": 22.0, "idle": 600.0, "held": 0.0, "calibration": 500.0,
            "maintenance": 0.0, "fault": 248.0, "unknown": 0.0}},
        "quality": [{"name": "qpu.benchmark.fidelity", "labels": {}, "value": 0.98, "unit": "1",
                     "at": moment(7300), "source": "quality_job"}],
        "calibrations": [],
    } | more  # fmt: skip


def emulator(**more: Any) -> dict[str, Any]:
    return {
        "name": "EMU", "state": "paused", "state_since": moment(4800), "activity": "maintenance",
        "activity_since": moment(4800), "accessible": False, "message": "new cooling, back for dinner",
        "simulator": True,
        "windows": [{"kind": "maintenance", "since": moment(4800), "announced_end": moment(-4800)}],
        "queue": [{"job_class": "development", "waiting": 2, "running": 0, "oldest_created_at": moment(4900),
                   "expected_start": moment(-4800)}],
        "waiting": 2, "running": None,
        "last_hour": {"since": moment(3600), "until": moment(0), "seconds": {"maintenance": 3600.0}},
        "quality": [], "calibrations": [],
    } | more  # fmt: skip


def told(*devices: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "schema_version": 1, "at": moment(0), "version": "0.1.0", "role": "all", "started_at": moment(90000),
        "totals": {"devices": len(devices), "online": 1, "executing": 1, "waiting": 4, "running": 1},
        "devices": list(devices), "own": None, "administration": None,
    } | more  # fmt: skip


def of_user(**more: Any) -> dict[str, Any]:
    """One device, seen by a user with three jobs."""
    own = {
        "waiting": [waiting(4713, 2), waiting(4716, 4, job_class="test")],
        "waiting_total": 2,
        "running": [active(4711)],
        "ended": [ended(4702), ended(4699, "ERROR", reason="device_error")],
    }
    return told(fresnel(), own={"uid": 1000, "user": "ada", "jobs": own}) | more


def of_administrator(**more: Any) -> dict[str, Any]:
    """Two devices, one in maintenance, seen by an administrator; alerts fire."""
    people = {"user": "ada", "account": "physics"}, {"user": "grace", "account": "chemistry"}
    everybody = {
        "waiting": [
            waiting(4712, 1, **people[1]), waiting(4713, 2, **people[0]), waiting(4715, 3, **people[1]),
            waiting(4716, 4, job_class="test", **people[0]),
            waiting(4650, 1, "EMU", "development", **people[1]),
            waiting(4655, 2, "EMU", "development", user="blaise", account="mathematics"),
        ],
        "waiting_total": 6,
        "running": [active(4711, **people[0])],
        "ended": [ended(4702, **people[0]), ended(4701, "CANCELED", reason="user", **people[1])],
    }  # fmt: skip
    alerts = [
        {"name": "QPUCalibrationStale", "severity": "warning", "device": "FRESNEL", "since": moment(5000),
         "summary": "the last calibration of the Rabi frequency is 26 h old", "runbook_url": None},
        {"name": "QPUMaintenanceOverrun", "severity": "critical", "device": "EMU", "since": moment(700),
         "summary": "the maintenance lasts longer than announced", "runbook_url": None},
    ]  # fmt: skip
    return told(
        fresnel(), emulator(),
        own={"uid": 0, "user": "root", "jobs": {"waiting": [], "waiting_total": 0, "running": [], "ended": []}},
        administration={"jobs": everybody, "sessions": {"FRESNEL": 3, "EMU": 1}, "alerts": alerts,
                        "alerts_error": None},
    ) | more  # fmt: skip
