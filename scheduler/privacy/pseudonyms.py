"""Pseudonyms: the same person has the same one, and only who has the store's secret can tell whose it is."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from sqlalchemy import Connection, select

from .. import run_time_settings
from ..run_time_settings import SECRETS
from ..store import Store
from ..tables import site_settings

SECRET = f"{SECRETS}pseudonyms"
"""Where the secret is in ``site_settings``."""
NOBODY = -1
"""A uid that no user has, for columns that must have one."""

# No login name has a colon, so neither is ever mistaken for one.
PERSON = "person:"
ERASED = "erased:"
_DIGITS = 16


class Pseudonyms:
    """Makes pseudonyms with a key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, name: str) -> str:
        """Return a name's pseudonym; what is one already stays as it is."""
        if is_pseudonym(name):
            return name
        return PERSON + hmac.new(self._key, name.encode(), hashlib.sha256).hexdigest()[:_DIGITS]

    def __repr__(self) -> str:
        return "Pseudonyms()"


def is_pseudonym(name: str) -> bool:
    """Whether a name was given up."""
    return name.startswith((PERSON, ERASED))


def for_erasure() -> str:
    """Return a pseudonym that nobody can derive from a name, also not with the store's secret."""
    return ERASED + secrets.token_hex(_DIGITS // 2)


def known(connection: Connection) -> Pseudonyms | None:
    """Return the store's pseudonyms; None if it has never made any."""
    value = connection.execute(select(site_settings.c.value).where(site_settings.c.key == SECRET)).scalar()
    return None if value is None else Pseudonyms(bytes.fromhex(value.strip('"')))


async def of_store(store: Store) -> Pseudonyms:
    """Return the store's pseudonyms, with a new secret if it has none."""

    def work(connection: Connection) -> Pseudonyms:
        found = known(connection)
        if found is None:
            key = secrets.token_bytes(32)
            run_time_settings.write(connection, SECRET, key.hex())
            found = Pseudonyms(key)
        return found

    return await store.write(work)
