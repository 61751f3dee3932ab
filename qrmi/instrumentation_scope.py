"""Under which name and version the instrumentation reports."""

from __future__ import annotations

import functools

SCOPE = "qwatch.qrmi"


@functools.cache
def version() -> str:
    """Return the installed version of qwatch, empty when it runs from an unpacked folder."""
    # Imported here: it takes as long as half of the instrumentation.
    from importlib import metadata

    try:
        return metadata.version("qwatch")
    except metadata.PackageNotFoundError:
        return ""
