"""Who is logged in with a browser: one-use links, and the cookies that they are traded for. All in memory."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from ...telemetry.redaction import COOKIE_PREFIX, LINK_PREFIX

LINK_SECONDS = 60.0
_MOST_LINKS, _MOST_LINKS_OF_A_USER = 1024, 5
_MOST_SESSIONS, _MOST_SESSIONS_OF_A_USER = 8192, 20


@dataclass(frozen=True, slots=True)
class Login:
    """A user who proved who they are, what that proof allowed, and until when it holds (Unix seconds)."""

    uid: int
    administers: bool
    expires_at: float


class WebLogins:
    """Keeps the hashes of links and cookies, never these themselves; a restart logs everybody out."""

    def __init__(self, session_seconds: float, now: Callable[[], float] = time.time) -> None:
        self._session_seconds = session_seconds
        self._now = now
        self._links: OrderedDict[str, Login] = OrderedDict()
        self._sessions: OrderedDict[str, Login] = OrderedDict()

    def new_link(self, uid: int, administers: bool) -> tuple[str, Login]:
        """Return the secret of a fresh link, 256 random bits, and what it stands for."""
        secret = LINK_PREFIX + secrets.token_urlsafe(32)
        login = Login(uid, administers, self._now() + LINK_SECONDS)
        _keep(self._links, secret, login, _MOST_LINKS, _MOST_LINKS_OF_A_USER)
        return secret, login

    def enter(self, secret: str) -> tuple[str, Login] | None:
        """Trade a link for a fresh cookie; None for one that is unknown, used or too old."""
        link = self._links.pop(_hash(secret), None)
        now = self._now()
        if link is None or link.expires_at <= now:
            return None
        cookie = COOKIE_PREFIX + secrets.token_urlsafe(32)
        login = Login(link.uid, link.administers, now + self._session_seconds)
        _keep(self._sessions, cookie, login, _MOST_SESSIONS, _MOST_SESSIONS_OF_A_USER)
        return cookie, login

    def find(self, cookie: str) -> Login | None:
        """Return who is logged in with a cookie; None if nobody is any more."""
        key = _hash(cookie)
        login = self._sessions.get(key)
        if login is not None and login.expires_at <= self._now():
            del self._sessions[key]
            return None
        return login

    def end(self, cookie: str) -> None:
        """Log out."""
        self._sessions.pop(_hash(cookie), None)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _keep(kept: OrderedDict[str, Login], secret: str, login: Login, most: int, most_of_a_user: int) -> None:
    """Keep one more; the oldest of the user, or of all, gives way."""
    own = [key for key, other in kept.items() if other.uid == login.uid]
    for key in own[: max(len(own) - most_of_a_user + 1, 0)]:
        del kept[key]
    while len(kept) >= most:
        kept.popitem(last=False)
    kept[_hash(secret)] = login
