"""systemd as a service sees it: the socket that it listens on, and how long it waits (``sd_notify``).

The protocol is one datagram a message to the socket in ``NOTIFY_SOCKET``; without the variable nothing is sent.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import MutableMapping


class ServiceManager:
    """systemd, if it started this process and waits to be told."""

    def __init__(self, environment: MutableMapping[str, str] | None = None) -> None:
        """Take the variables out of the environment: programs started from here must not answer for us."""
        environment = os.environ if environment is None else environment
        self._address = _address(environment.pop("NOTIFY_SOCKET", ""))
        pid = environment.pop("WATCHDOG_PID", "")
        microseconds = environment.pop("WATCHDOG_USEC", "")
        asked = microseconds.isdigit() and pid in ("", str(os.getpid()))
        self.watchdog_seconds = int(microseconds) / 1e6 if asked and int(microseconds) else None

    @property
    def listens(self) -> bool:
        """Whether there is anybody to tell."""
        return self._address is not None

    def tell(self, *assignments: str) -> None:
        """Send assignments such as ``READY=1``; a failure is not the service's concern."""
        if self._address is None:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            # A full queue of the service manager must not hold the event loop.
            sender.setblocking(False)
            sender.sendto("\n".join(assignments).encode(), self._address)


def _address(text: str) -> str | None:
    if text.startswith("@"):
        return f"\0{text[1:]}"
    return text if text.startswith("/") else None
