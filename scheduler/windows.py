"""Windows: what an administrator says of a device's time. While one is open, the device is closed to users.

A drain closes the device and says no more; maintenance and calibration also say what the time is used for. At
most one of each kind is open on a device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from .errors import ConflictError
from .tables import OPEN_WINDOW, device_windows, devices

_RETRY_SECONDS = 60
_LONGEST_RETRY_SECONDS = 3600


class WindowKind(StrEnum):
    """What a window is for; in the order in which they say what a device does."""

    MAINTENANCE = "maintenance"
    CALIBRATION = "calibration"
    DRAIN = "drain"


_STATE_WORDS = {
    WindowKind.MAINTENANCE: "in maintenance",
    WindowKind.CALIBRATION: "being calibrated",
    WindowKind.DRAIN: "drained",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One window; times in Unix seconds. ``message`` is public, ``note`` is the operators' own."""

    id: int
    qpu_id: str
    kind: WindowKind
    procedure: str | None
    result: str | None
    message: str
    note: str
    allow_qa: bool
    opened_at: float
    opened_by: str
    announced_end_at: float | None
    closed_at: float | None
    closed_by: str | None

    @property
    def public_line(self) -> str:
        """What users are told."""
        line = self.message or f"{self.qpu_id} is {_STATE_WORDS[self.kind]}"
        if self.announced_end_at is None:
            return line
        return f"{line} (until {datetime.fromtimestamp(self.announced_end_at, UTC):%Y-%m-%d %H:%M} UTC)"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWindow:
    """What a window is opened with; None leaves what an open one of its kind says as it is."""

    qpu_id: str
    kind: WindowKind
    message: str | None = None
    note: str | None = None
    allow_qa: bool | None = None
    procedure: str | None = None
    announced_end_at: float | None = None


@dataclass(frozen=True, slots=True)
class OpenWindows:
    """The windows that are open on one device."""

    windows: tuple[Window, ...] = ()

    @property
    def foremost(self) -> Window | None:
        """The one that users are told of; None if the device is open."""
        return min(self.windows, key=lambda window: list(WindowKind).index(window.kind), default=None)

    @property
    def planned(self) -> Window | None:
        """The one that says what the time is used for while nothing executes."""
        foremost = self.foremost
        return None if foremost is None or foremost.kind is WindowKind.DRAIN else foremost

    @property
    def allow_qa(self) -> bool:
        """Whether the site's own quality jobs may run all the same; in maintenance they never may."""
        return all(window.allow_qa and window.kind is not WindowKind.MAINTENANCE for window in self.windows)

    def of_kind(self, kind: WindowKind) -> Window | None:
        """Return the open window of a kind."""
        return next((window for window in self.windows if window.kind is kind), None)

    def retry_after(self, now: float) -> int:
        """Return after how many seconds a refused user should ask again."""
        ends = [window.announced_end_at for window in self.windows if window.announced_end_at is not None]
        if len(ends) < len(self.windows) or not ends or max(ends) <= now:
            return _RETRY_SECONDS
        return min(max(int(max(ends) - now), 1), _LONGEST_RETRY_SECONDS)


def open_window(connection: Connection, new: NewWindow, at: float, by: str) -> tuple[Window, bool]:
    """Open a window, or change what the open one of its kind says; return it and whether it was opened now.

    Raises:
        ConflictError: a calibration by another procedure is open.
    """
    # Where the database takes locks, those who open a window of one device queue here.
    connection.execute(select(devices.c.qpu_id).where(devices.c.qpu_id == new.qpu_id).with_for_update())
    found = _open_of_kind(connection, new.qpu_id, new.kind)
    said = {
        name: value
        for name in ("message", "note", "allow_qa", "announced_end_at")
        if (value := getattr(new, name)) is not None
    }
    if found is None:
        values = {"qpu_id": new.qpu_id, "kind": new.kind.value, "procedure": new.procedure}
        connection.execute(insert(device_windows).values(**values, **said, opened_at=at, opened_by=by))
    elif new.procedure != found.procedure:
        raise ConflictError(
            f"{new.qpu_id} is being calibrated by {found.procedure!r}; end that calibration first"
        )
    elif said:
        connection.execute(update(device_windows).where(device_windows.c.id == found.id).values(**said))
    window = _open_of_kind(connection, new.qpu_id, new.kind)
    assert window is not None
    return window, found is None


def close_window(
    connection: Connection, qpu_id: str, kind: WindowKind, at: float, by: str, result: str | None = None
) -> Window | None:
    """Close the open window of a kind and return it; None if none was open."""
    found = _open_of_kind(connection, qpu_id, kind)
    if found is None:
        return None
    closed = connection.execute(
        update(device_windows)
        .where(device_windows.c.id == found.id, OPEN_WINDOW)
        .values(closed_at=at, closed_by=by, result=result)
        .returning(*device_windows.c)
    ).first()
    return None if closed is None else _window(closed)


def open_windows(connection: Connection) -> dict[str, OpenWindows]:
    """Return the open windows by device; devices without one are left out."""
    found: dict[str, tuple[Window, ...]] = {}
    # Sorted here: asked for an order, SQLite reads all that there ever were instead of the index of open ones.
    rows = connection.execute(select(device_windows).where(OPEN_WINDOW)).all()
    for row in sorted(rows, key=lambda row: int(row.id)):
        found[row.qpu_id] = (*found.get(row.qpu_id, ()), _window(row))
    return {qpu_id: OpenWindows(windows) for qpu_id, windows in found.items()}


def history(connection: Connection, qpu_id: str, limit: int) -> Sequence[Window]:
    """Return the windows of a device, newest first."""
    rows = connection.execute(
        select(device_windows)
        .where(device_windows.c.qpu_id == qpu_id)
        .order_by(device_windows.c.id.desc())
        .limit(limit)
    )
    return [_window(row) for row in rows]


def _open_of_kind(connection: Connection, qpu_id: str, kind: WindowKind) -> Window | None:
    row = connection.execute(
        select(device_windows).where(
            device_windows.c.qpu_id == qpu_id, device_windows.c.kind == kind.value, OPEN_WINDOW
        )
    ).first()
    return None if row is None else _window(row)


def _window(row: Row[Any]) -> Window:
    values = row._asdict()
    values["kind"] = WindowKind(values["kind"])
    return Window(**values)
