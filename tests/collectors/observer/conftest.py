"""Where an observer is tried: doubles of the peer, and a PostgreSQL of the tests' own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .peer_double import Peer, PeerTables

TOKEN = "an-administrators-token"


def administrator(headers: Any) -> int:
    """Answer for whoever has the token."""
    given = headers.get("authorization")
    if given is None:
        return 401
    return 200 if given == f"Bearer {TOKEN}" else 403


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
