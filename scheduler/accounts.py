"""Names of users and their accounts, from the system and the site's file."""

from __future__ import annotations

import pwd
from functools import lru_cache
from pathlib import Path

from .errors import ConfigurationError


@lru_cache(maxsize=4096)
def user_name(uid: int) -> str:
    """Return the login name of a uid, or the uid itself where the system knows none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


class Accounts:
    """The account that a user's jobs are booked on; by default the user's own name."""

    def __init__(self, file: Path | None) -> None:
        self._by_uid: dict[int, str] = {} if file is None else _read(file)

    def of(self, uid: int) -> str:
        """Return the account of a user."""
        return self._by_uid.get(uid) or user_name(uid)


def _read(file: Path) -> dict[int, str]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"api.accounts_file {file}: {error.strerror}") from error
    accounts: dict[int, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 2 or not words[0].isdigit():
            raise ConfigurationError(f"api.accounts_file {file}, line {number}: expected 'uid account'")
        accounts[int(words[0])] = words[1]
    return accounts
