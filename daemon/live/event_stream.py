"""Server-sent events: a snapshot at once, then each newer one; slow readers are dropped."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from ...scheduler.errors import UnavailableError
from .feed import Edition, LiveFeed
from .viewer import Viewer

ABORT = "abort"
HEARTBEAT_SECONDS = 15.0
_RETRY_MILLISECONDS = 2000
_SLOW_SECONDS = 10.0
_LOOK_SECONDS = 1.0
"""How often it is seen whether the viewer may still look."""


class AbortableProtocol(AutoHTTPProtocol):  # type: ignore[misc,valid-type]
    """HTTP whose requests can close their connection without waiting for a reader that does not read."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Give each request the means."""
        super().connection_made(transport)
        state: dict[str, Any] = self.app_state  # type: ignore[has-type]
        self.app_state = {**state, ABORT: transport.abort}


class StreamLimit:
    """Counts the open streams, in all and of each address."""

    def __init__(self, most: int, most_of_an_address: int) -> None:
        self._most = most
        self._most_of_an_address = most_of_an_address
        self._open: Counter[str] = Counter()

    def take(self, address: str, *, shared: bool) -> None:
        """Count one more; UnavailableError if there are too many. ``shared``: many come from this address."""
        if self._open.total() >= self._most:
            raise UnavailableError("too many live views are open (api.live_streams); try again later", 30)
        if not shared and self._open[address] >= self._most_of_an_address:
            raise UnavailableError(
                f"too many live views are open from {address} (api.live_streams_per_address)", 30
            )
        self._open[address] += 1

    def give_back(self, address: str) -> None:
        """Count one less."""
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]

    def __len__(self) -> int:
        return self._open.total()


@dataclass(frozen=True, slots=True)
class Form:
    """How snapshots are written into events, and what is sent while nothing changes."""

    write: Callable[[Edition], bytes]
    heartbeat: bytes = b": alive\n\n"


class EventStream:
    """The response: runs until the reader goes, does not read, may not look any more, or the daemon stops."""

    def __init__(
        self, feed: LiveFeed, viewer: Viewer, first: Edition, form: Form, done: Callable[[], None]
    ) -> None:
        self._feed = feed
        self._viewer = viewer
        self._first = first
        self._form = form
        self._done = done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until it ends."""
        audience = self._viewer.audience
        self._feed.watch(audience)
        sending = asyncio.create_task(self._send_all(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            self._feed.leave(audience)
            self._done()
        if sending.cancelled() or (failure := sending.exception()) is None:
            return
        abort = scope.get("state", {}).get(ABORT)
        if not isinstance(failure, TimeoutError) or abort is None:
            raise failure
        abort()
        await _left(receive)

    async def _send_all(self, send: Send) -> None:
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            # nginx would keep events back.
            (b"x-accel-buffering", b"no"),
            (b"x-content-type-options", b"nosniff"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await _send(send, b"retry: %d\n\n" % _RETRY_MILLISECONDS + self._event(self._first))
        number, sent_at = self._first.number, time.monotonic()
        while not self._feed.stopped.is_set() and self._viewer.still_holds():
            edition = await self._feed.newer(self._viewer.audience, number, _LOOK_SECONDS)
            if edition is not None:
                number, sent_at = edition.number, time.monotonic()
                await _send(send, self._event(edition))
            elif time.monotonic() - sent_at >= HEARTBEAT_SECONDS and not self._feed.failing:
                sent_at = time.monotonic()
                await _send(send, self._form.heartbeat)
        await _send(send, b"", more=False)

    def _event(self, edition: Edition) -> bytes:
        return b"id: %d\nevent: snapshot\ndata: %s\n\n" % (edition.number, self._form.write(edition))


async def _send(send: Send, body: bytes, more: bool = True) -> None:
    async with asyncio.timeout(_SLOW_SECONDS):
        await send({"type": "http.response.body", "body": body, "more_body": more})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
