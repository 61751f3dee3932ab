"""An address as it may be shown: without the password and tokens in it."""

from __future__ import annotations

import re

from ...telemetry.redaction import MASK, redact

# Up to the last "@", since people forget to encode the "/" and "@" of a password.
_USER_PART = re.compile(r"(://[^:/@\s]*:)[^\s]*@")
_QUERY = re.compile(r"([?&;][^=&;\s]*(?:pass|token|secret|key|sig|auth|cred)[^=&;\s]*=)[^&;\s]*", re.IGNORECASE)


def shown_address(value: str) -> str:
    """Return text, which may be or hold an address, with a mask for each credential."""
    return redact(_QUERY.sub(rf"\1{MASK}", _USER_PART.sub(rf"\1{MASK}@", value)))
