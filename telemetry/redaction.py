"""Credentials never reach a log, a metric, a span or a crash report.

Two nets: the shapes of credentials (MUNGE, bearer tokens, qwatch's own session ids, header and environment
assignments), and the values that this process was told to keep secret.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator

SESSION_PREFIX = "qws_"
"""Every session id that qwatch makes begins with this, so that it is recognised wherever it appears."""

TOKEN_PREFIX = "qwt_"
"""Every local token that qwatch makes begins with this."""

MASK = "[redacted]"
_MOST_SECRETS = 1024
_SHORTEST_SECRET = 6

_SHAPES = re.compile(
    r"""
    MUNGE:[A-Za-z0-9+/=]+:?
    | \b(?:qws|qwt)_[A-Za-z0-9_-]{8,}
    | (?P<bearer>\b(?:[Bb]earer|[Bb]asic)\s+)[A-Za-z0-9._~+/=-]{6,}
    | (?P<header>(?i:x-warden-session|x-munge-cred|authorization|proxy-authorization|api[-_]?key|x-api-key
        |client_secret|secret_access_key|password|[A-Z0-9_]*_ACQUISITION_TOKEN|[A-Z0-9_]*_API_KEY
        |[A-Z0-9_]*_TOKEN)["']?\s*[:=,]\s*(?:b?["'])?(?:(?i:bearer|basic)\s+)?)(?!\[redacted\])[^\s"',;}\])]+
    """,
    re.VERBOSE,
)


class Redactor:
    """Masks credentials in text."""

    def __init__(self) -> None:
        self._secrets: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def keep_secret(self, value: str) -> None:
        """Mask ``value`` from now on wherever it appears; of more than 1024 values the oldest is forgotten."""
        if len(value) < _SHORTEST_SECRET:
            return
        with self._lock:
            self._secrets[value] = None
            self._secrets.move_to_end(value)
            if len(self._secrets) > _MOST_SECRETS:
                self._secrets.popitem(last=False)

    def redact(self, text: str) -> str:
        """Return ``text`` with every credential replaced by a mask."""
        for secret in self._known():
            if secret in text:
                text = text.replace(secret, MASK)
        return _SHAPES.sub(_masked, text)

    def _known(self) -> Iterator[str]:
        if not self._secrets:
            return iter(())
        with self._lock:
            return iter(tuple(self._secrets))


def _masked(match: re.Match[str]) -> str:
    return (match["bearer"] or match["header"] or "") + MASK


REDACTOR = Redactor()
"""The process's redactor; logging and span export use it."""


def redact(text: str) -> str:
    """Return ``text`` without credentials, by the process's redactor."""
    return REDACTOR.redact(text)


def hashed(session_id: str) -> str:
    """Return the form in which a session id may appear in telemetry: 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(session_id.encode()).hexdigest()[:16]
