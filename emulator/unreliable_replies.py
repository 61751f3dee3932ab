"""The two faults of the API itself: it refuses every request, or its replies come late."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .machine import EmulatedQPU
from .qpu_routes import PREFIX
from .replies import ErrorCode, failure


class UnreliableReplies:
    """ASGI middleware before the QPU's API; the emulator's own control API stays reliable.

    A late reply comes after its effect: a client that gives up waiting has posted its job all the same.
    """

    def __init__(self, application: ASGIApp, qpu: EmulatedQPU) -> None:
        self._application = application
        self._qpu = qpu

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._application(scope, receive, send)
            return

        async def send_late(message: Message) -> None:
            if message["type"] == "http.response.start" and self._qpu.faults.response_delay > 0:
                # The server's shutdown cancels the wait: the reply then goes out at once.
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(self._qpu.faults.response_delay)
            await send(message)

        if self._qpu.faults.down:
            refusal = failure(503, ErrorCode.UNAVAILABLE, "the QPU's server is down (fault)")
            await refusal(scope, receive, send_late)
        else:
            await self._application(scope, receive, send_late)
