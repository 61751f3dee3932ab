"""Is the daemon alive, and can it serve? ``/livez`` and ``/readyz``, with reasons."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ..qrmi import munge
from ..scheduler.scheduler import Scheduler

_STALLED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that readiness depends on."""

    part: str
    good: bool
    line: str


class Health:
    """Looks at the parts of a running daemon."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    async def findings(self) -> list[Finding]:
        """Return what was found of each part that the API needs. A device that is down is not among them."""
        found = [await self._store(), self.heartbeat()]
        if self._scheduler.api.auth == "munge":
            found.append(self._munge())
        return found

    def routes(self) -> list[Route]:
        """Return the two routes, for the metrics port."""
        return [Route("/livez", self._livez), Route("/readyz", self._readyz)]

    async def _livez(self, _request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _readyz(self, _request: Request) -> Response:
        found = await self.findings()
        lines = [f"[{'+' if item.good else '-'}] {item.part}: {item.line}" for item in found]
        lines += [f"[ ] device {device.name}: {device.state}" for device in self._scheduler.devices.values()]
        good = all(item.good for item in found)
        return PlainTextResponse("\n".join([*lines, ""]), status_code=200 if good else 503)

    async def _store(self) -> Finding:
        try:
            await self._scheduler.store.write(
                lambda connection: connection.execute(text("SELECT 1")), timeout=2
            )
        except Exception as error:
            return Finding("store", False, str(error))
        return Finding("store", True, f"schema {self._scheduler.schema_revision}")

    def heartbeat(self) -> Finding:
        """Return whether the scheduler's loops turn; where they do not, only a restart helps."""
        now = time.time()
        for name, dispatcher in self._scheduler.dispatchers.items():
            age = now - dispatcher.last_loop_at
            longest = max(_STALLED_SECONDS, 2 * dispatcher.device.settings.status_interval)
            if dispatcher.running_job is None and age > longest:
                return Finding("dispatcher", False, f"the loop of {name} has not turned for {age:.0f} s")
        return Finding("dispatcher", True, "every device's loop turns")

    def _munge(self) -> Finding:
        try:
            munge.encode(socket=self._scheduler.api.munge_socket)
        except (munge.MungeUnavailableError, munge.MungeError) as error:
            return Finding("munge", False, str(error))
        return Finding("munge", True, "munged answers")
