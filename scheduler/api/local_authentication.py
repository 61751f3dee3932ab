"""Proof by a token that only this user can read, for laptops without MUNGE."""

from __future__ import annotations

import hmac
import os
import secrets
import threading
import time
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from ...qrmi.local_auth import TokenFileError, read_token
from ...telemetry.redaction import TOKEN_PREFIX
from ..errors import AuthenticationError, ConfigurationError, UnavailableError
from ..settings import ApiSettings
from .identity import LOOPBACK, Identity, Proof


class LocalAuthenticator:
    """Accepts the one token that only this user can read, over loopback, for a named loopback host."""

    def __init__(self, settings: ApiSettings) -> None:
        if settings.token_file is None:
            raise ConfigurationError("api.auth: local needs api.token_file")
        ensure_token(settings.token_file)
        try:
            self._token = read_token(settings.token_file)
        except TokenFileError as error:
            raise ConfigurationError(f"api.token_file: {error}") from error
        self._uid = os.getuid()
        self._networks = [ip_network(item, strict=False) for item in settings.local_token_hosts]
        self._failures = _FailureLimit()

    async def load(self) -> None:
        """Nothing is remembered."""

    async def identify(self, proof: Proof) -> Identity:
        """Compare the token, the address and the Host header (DNS rebinding)."""
        if not self._is_near(proof.peer):
            raise AuthenticationError(
                "auth: local answers on loopback only, and to the networks of api.local_token_hosts"
            )
        if not names_loopback(proof.host_header):
            raise AuthenticationError(
                f"auth: local does not answer for the host name {proof.host_header!r}; use localhost"
            )
        if proof.authorization is None:
            raise AuthenticationError(
                "no local token: the header authorization is missing; this daemon runs with auth: local, "
                "use 'qwatch run' or qwatch.qrmi.open_resource"
            )
        scheme, _, token = proof.authorization.partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.encode(), self._token.encode()):
            self._failures.note()
            raise AuthenticationError("the local token is not the one in api.token_file")
        return Identity(
            uid=self._uid,
            address=proof.peer,
            from_this_host=True,
            administers=True,
            creates_sessions_for_others=True,
        )

    def _is_near(self, peer: str) -> bool:
        address = ip_address(peer)
        return address in LOOPBACK or peer == "::1" or any(address in network for network in self._networks)


def names_loopback(host_header: str) -> bool:
    """Whether a Host header names this host by ``localhost`` or by a loopback address, with or without port."""
    try:
        host = urlsplit(f"//{host_header}").hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class _FailureLimit:
    """Slows down guesses: after 20 wrong tokens in a minute further ones wait for the next minute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._minute = 0
        self._count = 0

    def note(self) -> None:
        minute = int(time.monotonic() // 60)
        with self._lock:
            if minute != self._minute:
                self._minute, self._count = minute, 0
            self._count += 1
            if self._count > 20:
                raise UnavailableError("too many wrong tokens; wait a minute", retry_after=60)


def ensure_token(file: Path) -> None:
    """Write a fresh token of 256 bits, readable by this user only, unless the file exists."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise ConfigurationError(f"api.token_file {file}: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        opened.write(TOKEN_PREFIX + secrets.token_urlsafe(32) + "\n")
