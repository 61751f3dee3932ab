"""A resource that takes the local token, in the place of the wheel's, which proves its user by MUNGE alone.

So a program that knows nothing of qwatch works on a machine without MUNGE, if the daemon behind its resource
is on this host and takes the token that ``QWATCH_TOKEN_FILE`` (set by ``qwatch run``) or the daemon's
announcement names.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import qrmi

from .interface import Resource
from .local_client import LocalDaemonResource
from .location import JOB_ENVIRONMENT, URL_KEYS, Location, token_file_of
from .resource_types import PASQAL_LOCAL
from .wheel import QuantumResource


def with_local_token(resource: QuantumResource, config: Mapping[str, str] | None = None) -> Resource:
    """Return a resource with the local token for the same device; ``resource`` itself where none is due.

    Args:
        resource: the wheel's resource.
        config: what it was made from, if not from the environment.

    Raises:
        TokenFileError: there is a token for its daemon, and it cannot be read.
    """
    if resource.resource_type() != qrmi.ResourceType.PasqalLocal:
        return resource
    name = resource.resource_id()
    settings = _settings(name, config)
    location = Location(name, PASQAL_LOCAL, JOB_ENVIRONMENT, settings)
    token_file = token_file_of(location, os.environ)
    if token_file is None or location.url is None:
        return resource
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
