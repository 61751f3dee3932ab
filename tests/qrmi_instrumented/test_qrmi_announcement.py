"""The file by which a program finds the daemon of ``qwatch up``."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys

import pytest

from qwatch.qrmi import announcement
from qwatch.qrmi.announcement import Announcement


def announced(pid=None, **changes):
    given = {"url": "http://127.0.0.1:8006", "auth": "local", "token_file": "/t", "devices": ("EMU",)}
    return Announcement(**{**given, "pid": os.getpid() if pid is None else pid, **changes})


@pytest.fixture
def dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_is_written_is_read(tmp_path):
    written = announced(trace_directory="/traces")
    path = announcement.write(written)
    assert path == tmp_path / "state" / "qwatch" / "local.json"
    assert announcement.read() == written
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["devices"] == ["EMU"]
    announcement.withdraw()
    assert announcement.read() is None
    assert list(path.parent.iterdir()) == []


def test_the_default_place_is_the_users_state_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert announcement.path() == tmp_path / ".local" / "state" / "qwatch" / "local.json"


def test_that_of_a_dead_process_counts_as_none(dead_pid):
    announcement.write(announced(pid=dead_pid))
    assert announcement.read() is None
    announcement.withdraw()
    assert not announcement.path().exists()


def test_that_of_another_living_process_is_left(tmp_path):
    announcement.write(announced(pid=os.getppid()))
    announcement.withdraw()
    assert announcement.read() is not None
    announcement.withdraw(os.getppid())
    assert announcement.read() is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"url": "x"}', '{"url": "x", "auth": "none", "devices": [], "pid": 1}', "\xff"]
)
def test_what_cannot_be_understood_counts_as_none(text):
    path = announcement.path()
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="latin-1")
    assert announcement.read() is None
    announcement.withdraw()
    assert not path.exists()
