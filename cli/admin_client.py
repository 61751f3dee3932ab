"""Requests of ``qwatch admin`` to the daemon: by its Unix socket where that can be reached, else over HTTP."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any, Protocol

import httpx

from ..qrmi.location import ResourceNotAvailableError, is_this_host
from .daemon_client import DaemonClient, reply_of
from .failure import CommandFailedError

SOCKET_VARIABLE = "QWATCH_ADMIN_SOCKET"
"""Path of the daemon's socket for administration, where it is not found by itself."""

_SYSTEM_SOCKET = Path("/run/qwatch/admin.sock")


class AdminClient(Protocol):
    """Asks the daemon as an administrator; CommandFailedError with the daemon's own words if it refuses."""

    def call(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """Return the reply to a request."""


class SocketClient:
    """The daemon behind a Unix socket; the kernel tells it who asks."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def call(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """Return the reply to a request."""
        with httpx.Client(transport=httpx.HTTPTransport(uds=os.fspath(self._path)), timeout=30) as client:
            try:
                response = client.request(method, f"http://localhost{path}", **request)
            except httpx.HTTPError as error:
                raise CommandFailedError(
                    f"the daemon does not answer on {self._path} ({error}); is it running?"
                ) from error
        return reply_of(response, str(self._path))


class HttpClient:
    """The daemon behind its URL, asked with a MUNGE credential or the local token."""

    def __init__(self, daemon: DaemonClient) -> None:
        self.url = daemon.url.partition("/devices/")[0]
        self._daemon = DaemonClient(daemon.location, self.url)

    def call(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """Return the reply to a request."""
        return self._daemon.call(method, path, **request)


def admin_client(socket_path: Path | None, qpu: str | None) -> AdminClient:
    """Return how the daemon is reached: a named socket, that of the daemon behind ``qpu``, or its URL."""
    named = socket_path or (Path(found) if (found := os.environ.get(SOCKET_VARIABLE)) else None)
    if named is not None:
        return SocketClient(named)
    try:
        http = HttpClient(DaemonClient.of(qpu))
    except ResourceNotAvailableError:
        if _connects(_SYSTEM_SOCKET):
            return SocketClient(_SYSTEM_SOCKET)
        raise
    told = _socket_of(http.url)
    return SocketClient(told) if told is not None and _connects(told) else http


def _socket_of(url: str) -> Path | None:
    """Return the socket that the daemon behind a URL of this host tells; its host's paths are ours then."""
    if not is_this_host(url):
        return None
    try:
        told = httpx.get(f"{url}/", timeout=5, trust_env=False).json()["admin_socket"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None
    return Path(told) if isinstance(told, str) else None


def _connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
    return True
