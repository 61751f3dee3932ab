"""Credentials never reach a log, a metric, a span or a crash report.

Two nets: the shapes of credentials (MUNGE, bearer tokens, qwatch's own session ids, header and environment
assignments, passwords in addresses), and the values that this process was told to keep secret.
"""

from __future__ import annotations

import base64
import binascii
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator

SESSION_PREFIX = "qws_"
"""Every session id that qwatch makes begins with this, so that it is recognised wherever it appears."""

TOKEN_PREFIX = "qwt_"
"""Every local token that qwatch makes begins with this."""

LINK_PREFIX = "qwl_"
"""The one-use secret of every link into the status page begins with this."""

COOKIE_PREFIX = "qww_"
"""Every cookie of the status page begins with this."""

MASK = "[redacted]"
_MOST_SECRETS = 1024
_SHORTEST_SECRET = 6

# Each alternative has one group: what is masked. Every repetition is linear in the text's length, because a
# log line may carry megabytes of anything.
_SHAPES = re.compile(
    r"""
    (?P<munge>MUNGE:[A-Za-z0-9+/=]+:?)
    | (?P<ours>(?:qws|qwt|qwl|qww)_[A-Za-z0-9_-]{8,})
    | \b(?i:bearer)\s{1,8}(?P<bearer>
        (?!(?i:tokens?|auth|authentication|authorization|scheme|credentials?|header|realm)\b)
        [A-Za-z0-9._~+/=-]{6,})
    | \b(?i:basic)\s{1,8}(?P<basic>[A-Za-z0-9+/_-]{6,}={0,2})
    | ://[^\s/:@?\#]{0,256}:(?P<address>[^\s/@]{1,256})(?=@)
    | (?i:x-warden-session|x-munge-cred|authorization|api[-_]?key|client[-_]?secret|access_key|password|passwd
        |[_-]token|[_-]secret)
      (?:\\?["']?\s{0,8}[:=]\s{0,8} | \\?["']\s{0,8},\s{0,8})
      (?:
        b?\\"(?P<escaped>(?:(?!\\").)*)
        | b?"(?P<double>(?:\\.|[^"\\\n])*)
        | b?'(?P<single>(?:\\.|[^'\\\n])*)
        | (?:(?i:bearer|basic|digest|negotiate|token|apikey)\s{1,8})?+(?!\[redacted\])(?P<plain>[^\s"',;]+)
      )
    """,
    re.VERBOSE,
)

# What each of these shapes has. Most texts have none of it, which is quickly told.
_MARKS = re.compile(r"[:=_,]|bearer|basic", re.IGNORECASE)


class Redactor:
    """Masks credentials in text."""

    def __init__(self) -> None:
        self._secrets: OrderedDict[str, None] = OrderedDict()
        self._known: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def keep_secret(self, value: str) -> None:
        """Mask ``value`` from now on wherever it appears; beyond 1024 values the oldest is forgotten."""
        if len(value) < _SHORTEST_SECRET:
            return
        with self._lock:
            self._secrets[value] = None
            self._secrets.move_to_end(value)
            if len(self._secrets) > _MOST_SECRETS:
                self._secrets.popitem(last=False)
            self._known = tuple(self._secrets)

    def redact(self, text: str) -> str:
        """Return ``text`` with every credential replaced by a mask."""
        # Letters and digits alone have no shape of a credential: a name or an id is quickly done with.
        shaped = not text.isalnum() and _MARKS.search(text) is not None
        if not shaped and not (self._known and any(secret in text for secret in self._known)):
            return text
        # All places are found in the text as it is: masking one credential must not hide a part of another.
        places = sorted([*(_shaped(text) if shaped else ()), *self._kept(text)])
        if not places:
            return text
        parts: list[str] = []
        end = 0
        for start, stop in places:
            if start >= end:
                parts += (text[end:start], MASK)
            end = max(end, stop)
        parts.append(text[end:])
        return "".join(parts)

    def _kept(self, text: str) -> Iterator[tuple[int, int]]:
        for secret in self._known:
            start = text.find(secret)
            while start >= 0:
                yield start, start + len(secret)
                start = text.find(secret, start + 1)


def _shaped(text: str) -> Iterator[tuple[int, int]]:
    for match in _SHAPES.finditer(text):
        group = match.lastgroup
        assert group is not None
        start, stop = match.span(group)
        if start == stop or (group == "basic" and not _is_basic_credential(match[group])):
            continue
        yield start, stop


def _is_basic_credential(word: str) -> bool:
    """Tell `Basic dXNlcjpwYXNz` from "basic knowledge": base64 of a text with a colon, or no plain word."""
    try:
        decoded = base64.b64decode(word.rstrip("=") + "=" * (-len(word.rstrip("=")) % 4), altchars="-_")
    except binascii.Error:
        decoded = b""
    return b":" in decoded or any(not letter.islower() for letter in word[1:])


REDACTOR = Redactor()
"""The process's redactor; logging and span export use it."""


def redact(text: str) -> str:
    """Return ``text`` without credentials, by the process's redactor."""
    return REDACTOR.redact(text)


def hashed(session_id: str) -> str:
    """Return the form in which a session id may appear in telemetry: 16 hexadecimal digits of its SHA-256."""
    # Imported here: it loads OpenSSL, and a user's program may never need it.
    import hashlib

    return hashlib.sha256(session_id.encode()).hexdigest()[:16]
