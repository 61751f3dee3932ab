"""Limits that hold before a request is understood: size of the body, rate of the public path."""

from __future__ import annotations

import time
from collections import OrderedDict
from contextlib import suppress

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MOST_ADDRESSES = 4096
_DRAINED = 16
"""How many times the limit is read and thrown away, so that the client is still there to read the answer."""


class _BodyTooLargeError(Exception):
    """More bytes came than are taken."""


class BodyLimit:
    """Answers 413 to a body that is larger than ``limit`` bytes, without reading the rest of it."""

    def __init__(self, application: ASGIApp, limit: int) -> None:
        self._application = application
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting what it carries."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > self._limit:
                await self._refuse(scope, receive, send)
                return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise _BodyTooLargeError
            return message

        async def unless_too_large(message: Message) -> None:
            # The application may take the error for one of its own and answer something less clear.
            if received <= self._limit:
                await send(message)

        with suppress(_BodyTooLargeError):
            await self._application(scope, counted, unless_too_large)
        if received > self._limit:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        drained = 0
        while drained < _DRAINED * self._limit:
            message = await receive()
            drained += len(message.get("body", b""))
            if message["type"] != "http.request" or not message.get("more_body", False):
                break
        answer = JSONResponse(
            {"detail": f"the request is larger than {self._limit} bytes (api.max_body_bytes)"},
            status_code=413,
            headers={"connection": "close"},
        )
        await answer(scope, receive, send)


class RateLimit:
    """A token bucket an address: ``per_second`` requests on average, twice as many at once."""

    def __init__(self, per_second: float) -> None:
        self._rate = per_second
        self._most = 2 * per_second
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, address: str) -> bool:
        """Take one token of the address's bucket; False if it is empty."""
        now = time.monotonic()
        tokens, at = self._buckets.pop(address, (self._most, now))
        tokens = min(tokens + (now - at) * self._rate, self._most)
        allowed = tokens >= 1.0
        self._buckets[address] = (tokens - 1.0 if allowed else tokens, now)
        if len(self._buckets) > _MOST_ADDRESSES:
            self._buckets.popitem(last=False)
        return allowed
