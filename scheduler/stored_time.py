"""Stores the time of devices from another thread than the event loop's, as a scrape does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from .errors import UnavailableError

_MARGIN_SECONDS = 1.5


class KeepsTime(Protocol):
    """A device whose time partition can be stored."""

    async def save_time(self, *, timeout: float | None = None) -> None:
        """Store the time until now; UnavailableError if the store does not serve in time (seconds)."""


def store_time(loop: asyncio.AbstractEventLoop | None, devices: Iterable[KeepsTime], seconds: float) -> None:
    """Store the time of ``devices``, which live in ``loop``; without a loop nothing is known of them yet.

    If the store does not serve within about ``seconds``, what was stored last is still what is told.
    """
    if loop is None:
        return

    async def save() -> None:
        await asyncio.gather(*(device.save_time(timeout=seconds) for device in devices))

    saving = asyncio.run_coroutine_threadsafe(save(), loop)
    try:
        saving.result(seconds + _MARGIN_SECONDS)
    except (TimeoutError, UnavailableError):
        saving.cancel()
