"""Under which name and version the instrumentation reports."""

from __future__ import annotations

import functools
from importlib import metadata

SCOPE = "qwatch.qrmi"


@functools.cache
def version() -> str:
    """Return the installed version of qwatch, empty when it runs from an unpacked folder."""
    try:
        return metadata.version("qwatch")
    except metadata.PackageNotFoundError:
        return ""
