"""Windows of devices: at most one of a kind, what they say to whom, and which one is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine

from qwatch.scheduler import device_record, schema, windows
from qwatch.scheduler.errors import ConflictError
from qwatch.scheduler.windows import NewWindow, OpenWindows, WindowKind

DRAIN, MAINTENANCE, CALIBRATION = WindowKind.DRAIN, WindowKind.MAINTENANCE, WindowKind.CALIBRATION


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine = create_engine(f"sqlite:///{tmp_path / 'qwatch.db'}")
    schema.upgrade(engine)
    with engine.begin() as connection:
        for name in ("EMU", "ORION"):
            device_record.load_or_create(connection, name)
        yield connection


def begin(connection: Connection, kind: WindowKind, at: float = 100.0, **said: Any) -> windows.Window:
    window, _ = windows.open_window(connection, NewWindow(qpu_id="EMU", kind=kind, **said), at, "ada")
    return window


def now_open(connection: Connection) -> OpenWindows:
    return windows.open_windows(connection).get("EMU", OpenWindows())


def test_a_window_that_is_begun_again_is_the_same_and_says_what_is_said_anew(connection: Connection) -> None:
    first = begin(connection, MAINTENANCE, message="helium", note="ask Ada", announced_end_at=500.0)
    second = begin(connection, MAINTENANCE, 200.0, announced_end_at=900.0)
    assert (second.id, second.opened_at) == (first.id, 100.0)
    assert (second.message, second.note, second.announced_end_at) == ("helium", "ask Ada", 900.0)
    assert len(windows.history(connection, "EMU", 10)) == 1


def test_a_calibration_by_another_procedure_waits_for_the_end_of_the_first(connection: Connection) -> None:
    begin(connection, CALIBRATION, procedure="readout")
    with pytest.raises(ConflictError, match="by 'readout'; end that calibration first"):
        begin(connection, CALIBRATION, procedure="detuning")
    assert begin(connection, CALIBRATION, procedure="readout", message="soon").message == "soon"


def test_a_window_ends_once_and_can_be_opened_again(connection: Connection) -> None:
    begin(connection, CALIBRATION, procedure="readout")
    closed = windows.close_window(connection, "EMU", CALIBRATION, 160.0, "bob", "success")
    assert closed is not None
    assert (closed.closed_at, closed.closed_by, closed.result) == (160.0, "bob", "success")
    assert windows.close_window(connection, "EMU", CALIBRATION, 170.0, "bob") is None
    begin(connection, CALIBRATION, 200.0, procedure="detuning")
    assert [item.procedure for item in windows.history(connection, "EMU", 10)] == ["detuning", "readout"]


def test_a_device_is_open_when_its_last_window_ends(connection: Connection) -> None:
    for kind in (DRAIN, MAINTENANCE, CALIBRATION):
        begin(connection, kind, procedure="full" if kind is CALIBRATION else None)
    told = []
    for kind in (MAINTENANCE, CALIBRATION, DRAIN):
        found = now_open(connection)
        assert found.foremost is not None
        told.append((found.foremost.kind, None if found.planned is None else found.planned.kind))
        windows.close_window(connection, "EMU", kind, 200.0, "ada")
    assert told == [(MAINTENANCE, MAINTENANCE), (CALIBRATION, CALIBRATION), (DRAIN, None)]
    assert now_open(connection) == OpenWindows()
    assert windows.open_windows(connection) == {}


def test_quality_jobs_run_only_if_every_window_lets_them_and_never_in_maintenance(
    connection: Connection,
) -> None:
    begin(connection, DRAIN, allow_qa=True)
    assert now_open(connection).allow_qa
    begin(connection, CALIBRATION, procedure="full")
    assert not now_open(connection).allow_qa
    begin(connection, CALIBRATION, procedure="full", allow_qa=True)
    assert now_open(connection).allow_qa
    begin(connection, MAINTENANCE, allow_qa=True)
    assert not now_open(connection).allow_qa


@pytest.mark.parametrize(
    ("ends", "retry_after"),
    [([400.0], 300), ([None], 60), ([50.0], 60), ([400.0, None], 60), ([400.0, 700.0], 600), ([1e9], 3600)],
)
def test_who_is_refused_is_told_when_to_ask_again(
    connection: Connection, ends: list[float | None], retry_after: int
) -> None:
    for kind, end in zip((DRAIN, MAINTENANCE), ends, strict=False):
        begin(connection, kind, announced_end_at=end)
    assert now_open(connection).retry_after(100.0) == retry_after


def test_the_note_is_not_in_what_users_are_told(connection: Connection) -> None:
    window = begin(connection, MAINTENANCE, note="the laser is broken", announced_end_at=1795449600.0)
    assert window.public_line == "EMU is in maintenance (until 2026-11-23 16:00 UTC)"
