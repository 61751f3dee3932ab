"""Which daemon stands behind a resource."""

from __future__ import annotations

import os

import qrmi

from .interface import Resource
from .local_auth import munge_authentication
from .local_client import LocalDaemonResource
from .location import URL_KEYS
from .trace_handover import DaemonAddress
from .wheel import QuantumResource


def daemon_of(resource: Resource) -> DaemonAddress | None:
    """Return the daemon that ``resource`` speaks to, as its URL in the environment tells; None if none does.

    The wheel's resource does not tell its URL, so it is read where the wheel reads it.
    """
    if isinstance(resource, LocalDaemonResource):
        return DaemonAddress(resource.url, resource.authentication)
    if not isinstance(resource, QuantumResource):
        return None
    if resource.resource_type() != qrmi.ResourceType.PasqalLocal:
        return None
    name = resource.resource_id()
    for key in URL_KEYS:
        url = os.environ.get(f"{name}_{key}")
        if url:
            return DaemonAddress(url, munge_authentication())
    return None
