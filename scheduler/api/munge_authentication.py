"""Proof by MUNGE: each credential is accepted once, on any replica, also after a restart."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Connection, delete, insert, select

from ...qrmi import munge
from ..errors import AuthenticationError, UnavailableError
from ..run_time_settings import RunTimeSettings
from ..settings import ApiSettings
from ..store import Store
from ..tables import credentials_seen
from .identity import HostAddresses, Identity, Proof, Rights

_LONGEST_AGE_SECONDS = 60
_INSERT_SEEN = insert(credentials_seen)


class MungeAuthenticator:
    """Decodes credentials with the MUNGE daemon of this host."""

    def __init__(self, settings: ApiSettings, store: Store, run_time: RunTimeSettings | None = None) -> None:
        self._socket = settings.munge_socket
        self._store = store
        self._hosts = HostAddresses()
        self._rights = Rights(settings, self._hosts, run_time)
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="qwatch-munge")
        self._seen: dict[str, float] = {}
        self._pruned_at = time.monotonic()

    async def load(self) -> None:
        """Read the credentials that an earlier process accepted and that have not expired."""
        now = time.time()

        def work(connection: Connection) -> dict[str, float]:
            connection.execute(delete(credentials_seen).where(credentials_seen.c.expires_at < now))
            rows = connection.execute(select(credentials_seen.c.sha256, credentials_seen.c.expires_at))
            return {row.sha256: row.expires_at for row in rows}

        self._seen = await self._store.write(work)

    async def identify(self, proof: Proof) -> Identity:
        """Decode the credential and compare its age and origin."""
        if proof.munge is None:
            raise AuthenticationError("no MUNGE credential: the header x-munge-cred is missing")
        try:
            credential = await asyncio.get_running_loop().run_in_executor(
                self._threads, munge.decode, proof.munge, self._socket
            )
        except munge.MungeUnavailableError as error:
            raise UnavailableError(f"this host cannot decode MUNGE credentials: {error}") from error
        except munge.MungeError as error:
            raise AuthenticationError(f"the MUNGE credential was refused: {error}") from error
        age = time.time() - credential.encode_time
        if age > _LONGEST_AGE_SECONDS:
            raise AuthenticationError(
                f"the MUNGE credential is {age:.0f} s old; send a fresh one with each request"
            )
        if not self._same_host(credential.encode_address, proof.peer):
            raise AuthenticationError(
                f"the MUNGE credential was made on {credential.encode_address} but sent from {proof.peer}"
            )
        self._accept_once(
            proof.munge, credential.encode_time + max(credential.ttl, _LONGEST_AGE_SECONDS), proof
        )
        return self._rights.identity(credential.uid, proof.peer)

    def _same_host(self, encoded_on: str, peer: str) -> bool:
        if encoded_on == peer:
            return True
        return peer in self._hosts and encoded_on in self._hosts

    def _accept_once(self, credential: str, expires_at: float, proof: Proof) -> None:
        digest = hashlib.sha256(credential.encode()).hexdigest()
        if digest in self._seen:
            raise AuthenticationError(
                "the MUNGE credential was used before; send a fresh one with each request"
            )
        self._seen[digest] = expires_at
        if proof.changes:
            # Goes into the next commit, which is the request's own; munged itself remembers the others.
            self._store.write_later(_remember, (digest, expires_at))
        if time.monotonic() - self._pruned_at > _LONGEST_AGE_SECONDS:
            self._pruned_at = time.monotonic()
            now = time.time()
            self._seen = {key: until for key, until in self._seen.items() if until > now}
            self._store.write_later(_forget, now)


def _remember(connection: Connection, seen: Sequence[tuple[str, float]]) -> list[None]:
    connection.execute(
        _INSERT_SEEN, [{"sha256": digest, "expires_at": expires_at} for digest, expires_at in seen]
    )
    return [None] * len(seen)


def _forget(connection: Connection, moments: Sequence[float]) -> list[None]:
    connection.execute(delete(credentials_seen).where(credentials_seen.c.expires_at < max(moments)))
    return [None] * len(moments)
