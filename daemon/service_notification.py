"""Tells systemd when the daemon is ready, that it is alive, and that it stops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from .health import Finding
from .service_manager import ServiceManager

_RETRY_SECONDS = 0.5
_PINGS_IN_TIME = 3
"""Pings in the time after which systemd restarts the service: one may be late."""


@contextlib.asynccontextmanager
async def service_manager_told(
    findings: Callable[[], Awaitable[Sequence[Finding]]],
    heartbeat: Callable[[], Finding],
    manager: ServiceManager | None = None,
) -> AsyncIterator[None]:
    """Within it the service serves: it is told ready once all ``findings`` are good, and alive from then on.

    The watchdog is told from the event loop, and only while the ``heartbeat`` is good: a service whose loop
    hangs, or whose work has stopped, is restarted. At the end it is told that the service stops.
    """
    manager = manager or ServiceManager()
    if not manager.listens:
        yield
        return
    telling = asyncio.create_task(_tell(manager, findings, heartbeat))
    try:
        yield
    finally:
        telling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await telling
        manager.tell("STOPPING=1", "STATUS=stopping")


async def _tell(
    manager: ServiceManager,
    findings: Callable[[], Awaitable[Sequence[Finding]]],
    heartbeat: Callable[[], Finding],
) -> None:
    while bad := [item for item in await findings() if not item.good]:
        manager.tell(f"STATUS=not ready: {_line(bad[0])}")
        await asyncio.sleep(_RETRY_SECONDS)
    manager.tell("READY=1", "STATUS=ready")
    if manager.watchdog_seconds is None:
        return
    said = "ready"
    while True:
        found = heartbeat()
        now = "ready" if found.good else f"hangs: {_line(found)}"
        if found.good:
            manager.tell("WATCHDOG=1")
        if now != said:
            manager.tell(f"STATUS={now}")
            said = now
        await asyncio.sleep(manager.watchdog_seconds / _PINGS_IN_TIME)


def _line(found: Finding) -> str:
    return " ".join(f"{found.part}: {found.line}".split())
