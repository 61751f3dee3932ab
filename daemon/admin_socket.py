"""The Unix socket for administration: where it is, who may connect, and who is at its other end."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Collection
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from ..scheduler.api.request_context import PEER_UID
from ..scheduler.errors import ConfigurationError

_logger = logging.getLogger(__name__)

RUN_FOLDER = Path("/run/qwatch")
NAME = "admin.sock"
_LONGEST_PATH = 107
_CREDENTIALS = struct.Struct("3i")


def open_admin_socket(
    configured: Path | None, store_url: str, administrators: Collection[int]
) -> socket.socket | None:
    """Return a listening socket; None, with a line in the log, if no default place can be used.

    Without a configured path it is in ``/run/qwatch`` where that can be written, else beside the store. Where
    only this user and root administer, nobody else can connect.

    Raises:
        ConfigurationError: the configured path cannot be used.
    """
    mode = 0o600 if set(administrators) <= {0, os.getuid()} else 0o666
    if configured is not None:
        return _listen(configured, mode)
    for path in _default_places(store_url):
        try:
            return _listen(path, mode)
        except ConfigurationError as error:
            _logger.warning("%s; set api.admin_socket", error)
    return None


def path_of(listening: socket.socket) -> Path:
    """Return where a socket is."""
    return Path(listening.getsockname())


class PeerCredentialProtocol(AutoHTTPProtocol):  # type: ignore[misc,valid-type]
    """HTTP on a Unix socket: each request is told who the kernel says has connected."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Read the credentials before the first request."""
        super().connection_made(transport)
        state: dict[str, Any] = self.app_state  # type: ignore[has-type]
        self.app_state = {**state, PEER_UID: _peer_uid(transport)}


def _peer_uid(transport: asyncio.Transport) -> int | None:
    found = transport.get_extra_info("socket")
    if found is None:
        return None
    # The event loop's own object does not offer the option.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=os.dup(found.fileno())) as peer:
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(credentials)
    return int(uid)


def _default_places(store_url: str) -> list[Path]:
    places = [RUN_FOLDER / NAME] if os.access(RUN_FOLDER, os.W_OK) else []
    url = make_url(store_url)
    if url.get_backend_name() == "sqlite" and url.database:
        places.append(Path(url.database).resolve().parent / NAME)
    return places


def _listen(path: Path, mode: int) -> socket.socket:
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise ConfigurationError(f"api.admin_socket: {path} is longer than {_LONGEST_PATH} bytes")
    if _answers(path):
        raise ConfigurationError(f"api.admin_socket: another daemon listens on {path}")
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket():
            path.unlink()
        # Until its mode is set, nobody else may connect.
        before = os.umask(0o177)
        try:
            bound.bind(os.fspath(path))
        finally:
            os.umask(before)
        path.chmod(mode)
        bound.listen(64)
    except OSError as error:
        bound.close()
        raise ConfigurationError(f"api.admin_socket: cannot listen on {path}: {error.strerror}") from error
    bound.setblocking(False)
    return bound


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
    return True
