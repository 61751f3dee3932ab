"""Fixtures for every room's tests, and a guard that `import qrmi` finds the library."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import qrmi
from hypothesis import HealthCheck, settings

# Without the wheel installed, `import qrmi` succeeds as an empty namespace made of our own folder.
assert hasattr(qrmi, "QuantumResource"), "`import qrmi` does not find the QRMI library: pip install qrmi"

# Tests make no statement about speed: the machine may be shared.
settings.register_profile("qwatch", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("qwatch")

RequireProgram = Callable[..., Path]


@pytest.fixture(scope="session")
def require_program() -> RequireProgram:
    """Return a function (name, package) that gives a program's path, or skips; with CI=true it fails."""

    def require(name: str, package: str) -> Path:
        for folder in (None, "/usr/sbin:/sbin:/usr/local/sbin"):
            if found := shutil.which(name, path=folder):
                return Path(found)
        reason = f"{name} is not installed: apt-get install {package}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)

    return require


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Return a function that gives a loopback port which nothing listens on."""
    given: set[int] = set()

    def find() -> int:
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = int(probe.getsockname()[1])
            if port not in given:
                given.add(port)
                return port

    return find
