"""Proof by the kernel: the user at the other end of a Unix socket (SO_PEERCRED)."""

from __future__ import annotations

import os

from ..errors import AuthenticationError
from ..settings import ApiSettings
from .identity import Identity, Proof

UNIX_SOCKET = "unix socket"
"""What stands in the place of an address."""


class PeerAuthenticator:
    """Accepts what the kernel says; only administrators have rights on this socket.

    With ``auth: local`` the daemon's own user is one, as it is with its token.
    """

    def __init__(self, settings: ApiSettings) -> None:
        own = [os.getuid()] if settings.auth == "local" else []
        self.administrators = frozenset((*settings.admin_users, *own))

    async def load(self) -> None:
        """Nothing is remembered."""

    async def identify(self, proof: Proof) -> Identity:
        """Return who is at the other end."""
        if proof.peer_uid is None:
            raise AuthenticationError("the kernel did not tell who is at the other end of the socket")
        administers = proof.peer_uid in self.administrators
        return Identity(
            uid=proof.peer_uid,
            address=UNIX_SOCKET,
            from_this_host=True,
            administers=administers,
            creates_sessions_for_others=administers,
        )
