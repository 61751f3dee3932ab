"""What an administrator sets while the daemon runs; it goes before the configuration, on every replica."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from .settings import ApiSettings
from .tables import site_settings

AUTHORIZED_USERS = "authorized_users"
DEFAULT_JOB_CLASS = "default_job_class"
SECRETS = "secret."
"""What begins with this is no setting: a secret of the store's, which is read only where it is used."""


class RunTimeSettings:
    """The settings that hold now: those set at run time, else the configuration's. Read from memory."""

    def __init__(self, configured: ApiSettings) -> None:
        self._configured = configured
        self._values: dict[str, Any] = {}

    def apply(self, values: Mapping[str, Any]) -> None:
        """Take over what the store holds."""
        self._values = dict(values)

    def is_set(self, key: str) -> bool:
        """Whether a setting was made at run time."""
        return key in self._values

    @property
    def configured_users(self) -> Sequence[int] | None:
        """The uids that may use the devices by the configuration."""
        return self._configured.authorized_users

    @property
    def authorized_users(self) -> Sequence[int] | None:
        """The uids that may use the devices; None means all users."""
        found: list[int] | None = self._values.get(AUTHORIZED_USERS, self._configured.authorized_users)
        return found

    @property
    def default_job_class(self) -> str:
        """The class of a job that names none."""
        return str(self._values.get(DEFAULT_JOB_CLASS, self._configured.default_job_class))

    def authorizes(self, uid: int) -> bool:
        """Whether a user may use the devices; administrators always may."""
        allowed = self.authorized_users
        return allowed is None or uid in allowed or uid in self._configured.admin_users


def read(connection: Connection) -> dict[str, Any]:
    """Return every setting that was made at run time."""
    query = select(site_settings).where(site_settings.c.key.not_like(f"{SECRETS}%"))
    return {row.key: json.loads(row.value) for row in connection.execute(query)}


def write(connection: Connection, key: str, value: Any) -> None:
    """Make a setting."""
    reset(connection, key)
    connection.execute(insert(site_settings).values(key=key, value=json.dumps(value)))


def reset(connection: Connection, key: str) -> None:
    """Take a setting back: the configuration's holds again."""
    connection.execute(delete(site_settings).where(site_settings.c.key == key))
