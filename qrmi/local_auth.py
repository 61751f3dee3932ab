"""How a request to the daemon says who sends it: a local token from a private file, or MUNGE."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from ..telemetry.redaction import REDACTOR
from . import munge

Authentication = Callable[[], dict[str, str]]
"""Returns the headers for one request."""


class TokenFileError(RuntimeError):
    """The token file is missing, empty, or readable by others; the message says which and what to do."""


def read_token(path: Path) -> str:
    """Return the token in ``path``; it must be a regular file that only its owner may read.

    Raises:
        TokenFileError: it is missing, empty, or others may read or write it.
    """
    try:
        with path.open("rb") as file:
            # The opened file is judged, so that it cannot be exchanged between check and read.
            status = os.fstat(file.fileno())
            text = file.read(4096)
    except OSError as error:
        raise TokenFileError(
            f"token file {path} cannot be read ({error.strerror}): is the daemon running as this user?"
        ) from None
    if not stat.S_ISREG(status.st_mode):
        raise TokenFileError(f"token file {path} is not a regular file")
    if status.st_mode & 0o077:
        raise TokenFileError(
            f"token file {path} has mode {stat.S_IMODE(status.st_mode):04o}, others may use it: "
            f"run chmod 600 {path}, and let the daemon make a new token"
        )
    if status.st_uid not in (os.geteuid(), 0):
        raise TokenFileError(f"token file {path} belongs to uid {status.st_uid}, not to this user")
    token = text.decode("ascii", errors="replace").strip()
    if not token:
        raise TokenFileError(f"token file {path} is empty: restart the daemon to make a new token")
    REDACTOR.keep_secret(token)
    return token


def token_authentication(path: Path) -> Authentication:
    """Return headers with the token of ``path``, read once now and again whenever the file changes.

    Raises:
        TokenFileError: as ``read_token``, now or at a request.
    """
    known: tuple[tuple[int, int], str] = (_version(path), read_token(path))

    def headers() -> dict[str, str]:
        nonlocal known
        version = _version(path)
        if version != known[0]:
            known = (version, read_token(path))
        return {"authorization": f"Bearer {known[1]}"}

    return headers


def munge_authentication(socket: str | None = None) -> Authentication:
    """Return headers with a fresh MUNGE credential for each request, as the daemon refuses a replay."""

    def headers() -> dict[str, str]:
        return {"x-munge-cred": munge.encode(b"", socket)}

    return headers


def _version(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_ino)
