"""Which daemon stands behind a resource."""

from __future__ import annotations

import os

import qrmi

from .handover import DaemonAddress
from .interface import Resource
from .resource_types import URL_KEYS
from .wheel import QuantumResource


def daemon_of(resource: Resource) -> DaemonAddress | None:
    """Return the daemon that ``resource`` speaks to, as it tells or the environment does; None if none does.

    The wheel's resource does not tell its URL, so it is read where the wheel reads it.
    """
    address = getattr(resource, "daemon_address", None)
    if isinstance(address, DaemonAddress):
        return address
    if not isinstance(resource, QuantumResource):
        return None
    if resource.resource_type() != qrmi.ResourceType.PasqalLocal:
        return None
    name = resource.resource_id()
    return daemon_at({key: os.environ.get(f"{name}_{key}", "") for key in URL_KEYS})


def daemon_at(settings: dict[str, str]) -> DaemonAddress | None:
    """Return the daemon whose URL is in a ``pasqal-local`` resource's settings, asked with MUNGE."""
    from .local_auth import munge_authentication

    url = next((settings[key] for key in URL_KEYS if settings.get(key)), None)
    return None if url is None else DaemonAddress(url, munge_authentication())
