"""Ports of a local stack: the usual ones if they are free, otherwise free ones, with a word on who has them."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from ..listening import port_owner

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class ChosenPort:
    """A port to use; ``note`` says why it is not the one that was wanted."""

    number: int
    note: str | None = None


def choose_port(wanted: int, purpose: str, taken: frozenset[int] = frozenset()) -> ChosenPort:
    """Return ``wanted`` if nobody listens on it, otherwise a free port with a note on the owner."""
    if wanted not in taken and _is_free(wanted):
        return ChosenPort(wanted)
    while True:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            found = int(probe.getsockname()[1])
        if found not in taken:
            break
    return ChosenPort(
        found, f"port {wanted} for {purpose} is taken by {port_owner(wanted)}; {found} is used instead"
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
