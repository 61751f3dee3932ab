"""The socket for administration: where it is, who may connect to it, and whose it is."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path

import pytest

from qwatch.daemon import admin_socket
from qwatch.daemon.admin_socket import open_admin_socket, path_of
from qwatch.scheduler.errors import ConfigurationError

OWN = [0, os.getuid()]


@pytest.fixture(autouse=True)
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /run/qwatch of the test's own, which is not there yet."""
    folder = tmp_path / "run"
    monkeypatch.setattr(admin_socket, "RUN_FOLDER", folder)
    return folder


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'qwatch.db'}"


def opened(configured: Path | None, store_url: str, administrators: list[int]) -> socket.socket:
    found = open_admin_socket(configured, store_url, administrators)
    assert found is not None
    return found


def test_it_is_beside_the_store_or_in_the_run_folder_if_that_is_there(
    run_folder: Path, tmp_path: Path, store_url: str
) -> None:
    with opened(None, store_url, OWN) as beside:
        assert path_of(beside) == tmp_path / "admin.sock"
    run_folder.mkdir()
    with opened(None, store_url, OWN) as found:
        assert path_of(found) == run_folder / "admin.sock"
        with opened(None, store_url, OWN) as second:
            assert path_of(second) == tmp_path / "admin.sock", "the other daemon keeps its own"


@pytest.mark.parametrize(("administrators", "mode"), [(OWN, 0o600), ([*OWN, os.getuid() + 1], 0o666)])
def test_others_can_connect_only_where_others_administer(
    store_url: str, administrators: list[int], mode: int
) -> None:
    with opened(None, store_url, administrators) as found:
        assert path_of(found).stat().st_mode & 0o777 == mode


def test_the_socket_of_a_daemon_that_was_killed_is_taken_over(tmp_path: Path, store_url: str) -> None:
    path = tmp_path / "a.sock"
    opened(path, store_url, OWN).close()
    assert path.is_socket()
    with opened(path, store_url, OWN) as found, socket.socket(socket.AF_UNIX) as client:
        client.connect(os.fspath(path_of(found)))


def test_the_socket_of_a_daemon_that_runs_is_not(tmp_path: Path, store_url: str) -> None:
    path = tmp_path / "a.sock"
    with (
        opened(path, store_url, OWN),
        pytest.raises(ConfigurationError, match="another daemon listens on"),
    ):
        open_admin_socket(path, store_url, OWN)


def test_a_file_in_its_place_is_left_alone(tmp_path: Path, store_url: str) -> None:
    path = tmp_path / "a.sock"
    path.write_text("mine")
    with pytest.raises(ConfigurationError, match="cannot listen on"):
        open_admin_socket(path, store_url, OWN)
    assert path.read_text() == "mine"


def test_without_a_place_the_daemon_runs_all_the_same_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    with caplog.at_level(logging.WARNING):
        assert open_admin_socket(None, f"sqlite:///{deep / 'qwatch.db'}", OWN) is None
    assert "is longer than 107 bytes; set api.admin_socket" in caplog.text
