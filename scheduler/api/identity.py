"""Who sends a request, proven by a MUNGE credential or by the local token (DESIGN, "Least trust")."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Protocol

import psutil

from ..audit import Actor
from ..errors import PermissionDeniedError
from ..run_time_settings import RunTimeSettings
from ..settings import ApiSettings

LOOPBACK = ip_network("127.0.0.0/8")


@dataclass(frozen=True, slots=True)
class Identity:
    """A proven user, the address that the request came from, and what that allows."""

    uid: int
    address: str
    from_this_host: bool
    administers: bool
    creates_sessions_for_others: bool

    @property
    def actor(self) -> Actor:
        """Who administers, for the audit log."""
        return Actor(self.uid, self.address)

    @property
    def sessions_only(self) -> bool:
        """A root credential from the network may be stolen by a job's user: it creates and revokes, no more."""
        return self.uid == 0 and not self.administers


@dataclass(frozen=True, slots=True)
class Proof:
    """What a request brings along to prove its sender; header values as they came."""

    peer: str
    host_header: str
    munge: str | None
    authorization: str | None
    changes: bool
    peer_uid: int | None = None
    """The user at the other end of a Unix socket, as the kernel tells; None on other connections."""


class Authenticator(Protocol):
    """Turns a proof into an identity."""

    async def load(self) -> None:
        """Read what an earlier process remembered."""

    async def identify(self, proof: Proof) -> Identity:
        """Return who sent the request; AuthenticationError (401) if that is not proven."""


class HostAddresses:
    """The addresses of this host: every one of them counts as the same host."""

    _REFRESH_SECONDS = 30.0

    def __init__(self) -> None:
        self._addresses: set[str] = set()
        self._read_at = float("-inf")

    def __contains__(self, address: str) -> bool:
        if ip_address(address) in LOOPBACK or address == "::1":
            return True
        if time.monotonic() - self._read_at > self._REFRESH_SECONDS:
            self._addresses = {
                item.address.partition("%")[0]
                for items in psutil.net_if_addrs().values()
                for item in items
                if item.family in (socket.AF_INET, socket.AF_INET6)
            }
            self._read_at = time.monotonic()
        return address in self._addresses


class Rights:
    """What a user may do from an address, by the configuration and by what was set at run time."""

    def __init__(
        self, settings: ApiSettings, hosts: HostAddresses, run_time: RunTimeSettings | None = None
    ) -> None:
        self._settings = settings
        self._run_time = run_time or RunTimeSettings(settings)
        self._hosts = hosts
        self._admin_networks = [ip_network(item, strict=False) for item in settings.admin_hosts]
        self._session_networks = [ip_network(item, strict=False) for item in settings.session_hosts]

    def identity(self, uid: int, address: str) -> Identity:
        """Return the identity; PermissionDeniedError if the user is not one of those authorised."""
        is_admin = uid in self._settings.admin_users
        if not self._run_time.authorizes(uid):
            raise PermissionDeniedError(
                f"uid {uid} is not authorised to use the devices; ask the site's operators"
            )
        local = address in self._hosts
        source = ip_address(address)
        return Identity(
            uid=uid,
            address=address,
            from_this_host=local,
            administers=is_admin and (local or any(source in network for network in self._admin_networks)),
            creates_sessions_for_others=is_admin
            and (local or any(source in network for network in self._session_networks)),
        )
