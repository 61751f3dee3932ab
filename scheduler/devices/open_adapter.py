"""The adapter that a device's configuration names."""

from __future__ import annotations

from ..settings import DeviceSettings
from .adapter import DeviceAdapter


def open_adapter(settings: DeviceSettings) -> DeviceAdapter:
    """Return the adapter for a device; ConfigurationError if it cannot be used."""
    if settings.adapter == "qrmi":
        from .qrmi_resource import QrmiResourceAdapter

        return QrmiResourceAdapter(settings)
    from .qpu_http import QpuHttpAdapter

    return QpuHttpAdapter(settings)
