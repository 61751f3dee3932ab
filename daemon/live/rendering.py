"""The status page: self-contained HTML with a policy that lets a browser load nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ...telemetry import quality_metrics
from ...telemetry.labels import ACTIVITIES
from .snapshot import QualityReading, Snapshot, TimePartition

_FOLDER = Path(__file__).parent / "page"
_MOST_READINGS = 6
_FIRST = {
    metric.name: place
    for place, metric in enumerate(
        (
            quality_metrics.BENCHMARK_FIDELITY,
            quality_metrics.READOUT_ERROR,
            quality_metrics.RABI_DEVIATION,
            quality_metrics.REGISTER_FILL,
        )
    )
}
_ACTIVITY_WORDS = {
    "execute": "executing",
    "dispatch": "between two slices",
    "idle": "idle: nothing waits",
    "held": "jobs wait, and are held",
    "calibration": "being calibrated",
    "maintenance": "in maintenance",
    "fault": "does not work",
    "unknown": "not known",
}


class Pages:
    """Renders the pages; ``frame_ancestors`` are the origins that may show them in a frame."""

    def __init__(self, frame_ancestors: Sequence[str]) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(_FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["words"] = _ACTIVITY_WORDS
        self._environment.filters |= {
            "iso": _iso,
            "clock": _clock,
            "duration": duration,
            "important": _important,
            "quality_name": _quality_name,
            "quality_value": _quality_value,
            "pieces": _pieces,
            "partition_line": _partition_line,
        }
        self._style = _inline("status.css")
        self._status_script = _inline("status.js")
        self._enter_script = _inline("enter.js")
        self._frame_ancestors = " ".join(frame_ancestors) or "'none'"

    def status(self, snapshot: Snapshot, *, by_cookie: bool, logins: bool) -> str:
        """Return the whole page; ``logins``: whether a user can log in."""
        return self._environment.get_template("status.html").render(
            snapshot=snapshot,
            style=self._style,
            script=self._status_script,
            by_cookie=by_cookie,
            logins=logins,
        )

    def live_part(self, snapshot: Snapshot, *, logins: bool) -> bytes:
        """Return the part of the page that changes, as the data of an event."""
        html = self._environment.get_template("live.html").render(snapshot=snapshot, logins=logins)
        return json.dumps({"at": _iso(snapshot.at), "html": html}).encode()

    def enter(self, sessions: str, home: str | None) -> str:
        """Return the page that trades a link for a cookie at ``sessions`` and goes on to ``home``.

        Both are relative to the page; without ``home`` it stands in the place of the status page itself.
        """
        return self._environment.get_template("enter.html").render(
            style=self._style, script=self._enter_script, sessions=sessions, home=home
        )

    def headers(self) -> Mapping[str, str]:
        """Return the headers of every page."""
        scripts = " ".join(_hash(script) for script in (self._status_script, self._enter_script))
        policy = (
            f"default-src 'none'; script-src {scripts}; style-src {_hash(self._style)}; img-src data:; "
            f"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors {self._frame_ancestors}"
        )
        return {
            "content-security-policy": policy,
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cross-origin-opener-policy": "same-origin",
            "cache-control": "no-store",
            "vary": "Accept, Cookie",
        }


def duration(seconds: float) -> str:
    """Return a duration in words as short as they are exact enough, as the page's script writes it."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if minutes < 10 and rest else f"{minutes} min"
    if whole < 86400:
        return _both(whole // 3600, "h", whole % 3600 // 60, "min")
    return _both(whole // 86400, "d", whole % 86400 // 3600, "h")


def _both(large: int, word: str, small: int, small_word: str) -> str:
    return f"{large} {word} {small} {small_word}" if small else f"{large} {word}"


def _inline(name: str) -> Markup:
    return Markup((_FOLDER / name).read_text(encoding="utf-8"))


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _clock(at: datetime, now: datetime) -> str:
    at, now = at.astimezone(UTC), now.astimezone(UTC)
    return f"{at:%H:%M} UTC" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M} UTC"


def _important(readings: Sequence[QualityReading]) -> list[QualityReading]:
    """Return the readings that the page has room for: what says most about results comes first."""
    found = sorted(readings, key=lambda item: (_FIRST.get(item.name, len(_FIRST)), item.name))
    return found[:_MOST_READINGS]


def _quality_name(reading: QualityReading) -> str:
    words = reading.name.removeprefix("qpu.").replace(".", " ").replace("_", " ")
    return " ".join([words, *(value.replace("_", " ") for value in reading.labels.values())])


def _quality_value(reading: QualityReading) -> str:
    value = reading.value
    if reading.unit == "1":
        return f"{100 * value:.3g} %"
    if reading.unit == "Hz":
        return f"{value / 1e6:.4g} MHz" if abs(value) >= 1e5 else f"{value / 1e3:.4g} kHz"
    if reading.unit == "s":
        return f"{1e6 * value:.4g} µs" if value < 1e-2 else f"{value:.4g} s"
    return f"{value:.4g} {reading.unit}"


def _shares(partition: TimePartition) -> list[tuple[str, float]]:
    total = sum(partition.seconds.values())
    found = [(activity, partition.seconds.get(activity, 0.0) / total) for activity in ACTIVITIES if total]
    return [(activity, share) for activity, share in found if share > 0]


def _pieces(partition: TimePartition) -> list[dict[str, str]]:
    pieces, x = [], 0.0
    for activity, share in _shares(partition):
        pieces.append(
            {"activity": activity, "x": f"{x:.2f}", "width": f"{100 * share:.2f}", "share": _percent(share)}
        )
        x += 100 * share
    return pieces


def _partition_line(partition: TimePartition) -> str:
    parts = ", ".join(f"{activity} {_percent(share)}" for activity, share in _shares(partition))
    return f"where the time went: {parts}"


def _percent(share: float) -> str:
    return "< 1 %" if share < 0.01 else f"{100 * share:.0f} %"
