"""Where an observer is tried: doubles of the peer, and a PostgreSQL of the tests' own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from .peer_double import Peer, PeerTables

TOKEN = "an-administrators-token"


def administrator(headers: Any) -> int:
    """Answer for whoever has the token."""
    given = headers.get("authorization")
    if given is None:
        return 401
    return 200 if given == f"Bearer {TOKEN}" else 403


@pytest.fixture
def new_database(postgresql: str) -> Callable[[], str]:
    """Return a function that makes an empty database and returns its URL."""

    def make() -> str:
        name = f"test_{time.monotonic_ns()}"
        administrator = create_engine(f"{postgresql}/postgres", isolation_level="AUTOCOMMIT")
        with administrator.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        administrator.dispose()
        return f"{postgresql}/{name}"

    return make


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "peer-token"
    file.write_text(f"{TOKEN}\n")
    return file


@pytest.fixture
def peer_file(tmp_path: Path) -> Path:
    folder = tmp_path / "peer"
    folder.mkdir()
    return folder / "warden.db"


@pytest.fixture
def tables(peer_file: Path) -> PeerTables:
    return PeerTables(f"sqlite:///{peer_file}")


@pytest.fixture
def peer(tables: PeerTables, free_port: Callable[[], int]) -> Iterator[Peer]:
    """The peer's API over ``tables``. At the end nothing may have asked it to change anything."""
    found = Peer(tables, free_port(), administrator)
    found.start()
    try:
        yield found
    finally:
        found.stop()
    assert found.offences == []


@pytest.fixture(scope="session")
def postgresql(require_program: Any, free_port: Callable[[], int]) -> Iterator[str]:
    """A PostgreSQL server on loopback with a data folder of its own; the URL of its administrator."""
    require_program("psql", package="postgresql")
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    programs = binaries[-1] if binaries else Path(require_program("initdb", package="postgresql")).parent
    # Not in pytest's folder, which only this user may enter.
    folder = Path(tempfile.mkdtemp(prefix="qwatch-postgresql-"))
    user: dict[str, Any] = {}
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
        user = {"user": "postgres", "group": "postgres", "extra_groups": [], "cwd": folder}
    data, port = folder / "data", free_port()
    command = [programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8"]
    subprocess.run(command, check=True, capture_output=True, timeout=120, **user)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [
                *(programs / "postgres", "-D", data, "-p", str(port), "-F"),
                *("-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"),
            ],
            stdout=log,
            stderr=log,
            **user,
        )
    try:
        ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        for _ in range(600):
            if subprocess.run(ready, check=False, timeout=30).returncode == 0:
                break
            assert server.poll() is None, (folder / "log").read_text()
        yield f"postgresql+psycopg://postgres@127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGINT)  # does not wait for clients
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(30)
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
