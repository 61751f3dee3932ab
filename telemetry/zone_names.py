"""What this machine calls its time zone."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_ZONE_FILES = "zoneinfo/"


def zone_names() -> list[str]:
    """Return the names that may be of this machine's zone, the likeliest first; none need be known here."""
    found = [os.environ.get("TZ", "").removeprefix(":")]
    link = os.path.realpath("/etc/localtime")
    if _ZONE_FILES in link:
        found.append(link.partition(_ZONE_FILES)[2].removeprefix("posix/").removeprefix("right/"))
    with suppress(OSError, UnicodeDecodeError):
        found.append(Path("/etc/timezone").read_text(encoding="utf-8").strip())
    return [name for name in found if name]
