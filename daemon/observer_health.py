"""Is the observer alive, and does it observe? Which sources tell is said too, and decides nothing."""

from __future__ import annotations

import time

from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ..collectors.observer.observer import Observer
from ..collectors.observer.source import WatchedSource
from .health import Finding

_STALLED_SECONDS = 60.0


class ObserverHealth:
    """``/livez`` and ``/readyz`` of an observer, with reasons."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def routes(self) -> list[Route]:
        """Return the two routes, for the metrics port."""
        return [Route("/livez", self._livez), Route("/readyz", self._readyz)]

    async def _livez(self, _request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def findings(self) -> list[Finding]:
        """Return what was found of each part that observing needs. A source that is down is not among them."""
        return [await self._store(), self.heartbeat()]

    async def _readyz(self, _request: Request) -> Response:
        found = await self.findings()
        lines = [f"[{'+' if item.good else '-'}] {item.part}: {item.line}" for item in found]
        for device in self._observer.devices.values():
            lines.append(f"[ ] device {device.name}: {device.picture.state}, {device.picture.activity}")
            lines += [f"[ ] {device.name} {item.source.name}: {_told(item)}" for item in device.sources]
        good = all(item.good for item in found)
        return PlainTextResponse("\n".join([*lines, ""]), status_code=200 if good else 503)

    async def _store(self) -> Finding:
        try:
            await self._observer.store.write(lambda connection: connection.execute(text("SELECT 1")), timeout=2)
        except Exception as error:
            return Finding("store", False, str(error))
        return Finding("store", True, f"schema {self._observer.schema_revision}")

    def heartbeat(self) -> Finding:
        """Return whether the observer looks at its devices; where it does not, only a restart helps."""
        age = time.time() - self._observer.last_review_at
        if age > _STALLED_SECONDS:
            return Finding("observer", False, f"has not looked at its devices for {age:.0f} s")
        return Finding("observer", True, "looks at its devices")


def _told(watched: WatchedSource) -> str:
    if watched.up is None:
        return "was not asked yet"
    return "tells" if watched.up else f"does not tell: {watched.error}"
