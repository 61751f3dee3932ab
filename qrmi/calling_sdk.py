"""Which quantum SDK starts a task, where a module of it is among the callers; the payload is not judged."""

from __future__ import annotations

import functools
from types import FrameType

MOST_FRAMES = 16

_SDKS = {
    "qoolqit": "qoolqit",
    "qrmi.primitives": "qiskit",
    "qrmi.qiskit_iqm": "qiskit",
    "qrmi.pulser": "pulser",
}
_BELOW_OTHERS = "pulser"
"""QoolQit, too, submits by Pulser's connection: a caller further out tells more."""


def calling_sdk(frame: FrameType | None) -> str | None:
    """Return the SDK in whose code ``frame`` or one of its 15 callers is; None if none is known."""
    found: str | None = None
    for _ in range(MOST_FRAMES):
        if frame is None:
            break
        name = frame.f_globals.get("__name__")
        sdk = _of_module(name) if isinstance(name, str) else None
        if sdk is not None and sdk != _BELOW_OTHERS:
            return sdk
        found = found or sdk
        frame = frame.f_back
    return found


@functools.lru_cache(maxsize=512)
def _of_module(name: str) -> str | None:
    package, _, rest = name.partition(".")
    if package == "qrmi":
        return _SDKS.get(f"qrmi.{rest.partition('.')[0]}")
    return _SDKS.get(package)
