"""What of a configuration may be shown: credentials are masked."""

from __future__ import annotations

import re
from typing import Any

from pydantic import SecretStr

from ...telemetry.redaction import MASK
from .addresses import shown_address
from .keys import plain_value

_OPTION = re.compile(r"-{1,2}[\w-]*(?:pass|token|secret|key|auth|cred|header)[\w-]*", re.IGNORECASE)
_OPTION_WITH_VALUE = re.compile(rf"({_OPTION.pattern}=).*", re.IGNORECASE | re.DOTALL)
_HARMLESS = re.compile(
    r".*_(URL|ENDPOINT|REALM|TIMEOUT|INTERVAL|REGION|PROJECT_ID|BACKEND|TIMEOUT_SECONDS|MAX_EXECUTION_TIME)"
)
_ENVIRONMENT = "environment"


def masked(name: str, value: Any) -> Any:
    """Return the value of a key as it may be shown: plain data, with a mask for each credential in it."""
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, dict):
        return {str(key): _entry(name, str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return _items([plain_value(item) for item in value])
    found = plain_value(value)
    return shown_address(found) if isinstance(found, str) else found


def _entry(name: str, key: str, value: Any) -> Any:
    # A resource's keys hold API keys and tokens beside addresses; only what is known to be harmless is shown.
    if name == _ENVIRONMENT and not _HARMLESS.fullmatch(key.upper()):
        return MASK if value else ""
    return masked(key, value)


def _items(values: list[Any]) -> list[Any]:
    found: list[Any] = []
    secret_follows = False
    for value in values:
        if not isinstance(value, str):
            found.append(value)
            continue
        found.append(MASK if secret_follows else _OPTION_WITH_VALUE.sub(rf"\1{MASK}", shown_address(value)))
        secret_follows = _OPTION.fullmatch(value) is not None
    return found
