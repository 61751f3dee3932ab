"""How a program finds the daemon that ``qwatch up`` started for this user.

The daemon writes one small file, ``${XDG_STATE_HOME:-~/.local/state}/qwatch/local.json``, and removes it when
it stops. An announcement whose process is gone counts as none.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, cast

Auth = Literal["local", "munge"]


@dataclass(frozen=True, slots=True)
class Announcement:
    """A daemon that runs on this machine for this user.

    Attributes:
        url: base URL of its API, without a trailing slash.
        auth: ``local`` (bearer token from ``token_file``) or ``munge``.
        token_file: file of mode 0600 that holds the token; None with MUNGE.
        devices: names of its devices; the first is the default.
        pid: process that serves the API.
        trace_directory: where programs should write their spans, if anywhere.
    """

    url: str
    auth: Auth
    token_file: str | None
    devices: tuple[str, ...]
    pid: int
    trace_directory: str | None = None


def path() -> Path:
    """Return where the announcement is, or would be."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "qwatch" / "local.json"


def read() -> Announcement | None:
    """Return the announcement of a running daemon; None if there is none, or none that can be understood."""
    try:
        found = json.loads(path().read_text(encoding="utf-8"))
        announcement = _parsed(found)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return announcement if _is_alive(announcement.pid) else None


def write(announcement: Announcement) -> Path:
    """Announce a daemon, in the place of any earlier one, readable only by this user; return the path.

    Raises:
        OSError: the folder or the file cannot be written.
    """
    target = path()
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".local-", suffix=".json")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(announcement), file)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return target


def withdraw(pid: int | None = None) -> None:
    """Remove the announcement of ``pid`` (default: this process) or of a dead one; leave that of another."""
    try:
        found = _parsed(json.loads(path().read_text(encoding="utf-8")))
        if found.pid != (os.getpid() if pid is None else pid) and _is_alive(found.pid):
            return
    except OSError:
        return
    except (ValueError, KeyError, TypeError):
        pass
    path().unlink(missing_ok=True)


def _parsed(found: object) -> Announcement:
    if not isinstance(found, dict):
        raise TypeError("the announcement is not a JSON object")
    auth = found["auth"]
    if auth not in ("local", "munge"):
        raise ValueError(f"unknown auth {auth!r}")
    token_file, trace_directory = found.get("token_file"), found.get("trace_directory")
    return Announcement(
        url=str(found["url"]).rstrip("/"),
        auth=cast(Auth, auth),
        token_file=None if token_file is None else str(token_file),
        devices=tuple(str(name) for name in found["devices"]),
        pid=int(found["pid"]),
        trace_directory=None if trace_directory is None else str(trace_directory),
    )


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return pid > 0
