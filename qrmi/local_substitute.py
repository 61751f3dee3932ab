"""A client that takes the local token, for calls of the wheel's resource, which proves its user by MUNGE alone.

So a program that knows nothing of qwatch works on a machine without MUNGE, if the daemon behind its resource
is on this host and takes the token that ``QWATCH_TOKEN_FILE`` (set by ``qwatch run``) or the daemon's
announcement names.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .location import JOB_ENVIRONMENT, Location, token_file_of
from .resource_types import PASQAL_LOCAL, URL_KEYS

if TYPE_CHECKING:
    from .local_client import LocalDaemonResource


def with_local_token(name: str, config: Mapping[str, str] | None = None) -> LocalDaemonResource | None:
    """Return a client with the local token for the ``pasqal-local`` resource ``name``; None where none is due.

    Args:
        name: the resource's name.
        config: what it was made from, if not from the environment.

    Raises:
        TokenFileError: there is a token for its daemon, and it cannot be read.
    """
    settings = _settings(name, config)
    location = Location(name, PASQAL_LOCAL, JOB_ENVIRONMENT, settings)
    token_file = token_file_of(location, os.environ)
    if token_file is None or location.url is None:
        return None
    # Imported here: most programs that are instrumented need no HTTP client of ours.
    from .local_client import LocalDaemonResource

    return LocalDaemonResource(
        name,
        location.url,
        token_file=token_file,
        user_id=settings.get("QRMI_JOB_UID"),
        job_id=settings.get("QRMI_JOB_ID"),
    )


def _settings(name: str, config: Mapping[str, str] | None) -> dict[str, str]:
    """Return what the wheel reads, without the resource's prefix; it takes lower-case keys too."""
    wanted = (*URL_KEYS, "QRMI_JOB_UID", "QRMI_JOB_ID")
    if config is not None:
        found = {key: config.get(key) or config.get(key.lower()) for key in wanted}
    else:
        found = {key: os.environ.get(f"{name}_{key}") for key in URL_KEYS}
    return {key: value for key, value in found.items() if value}
