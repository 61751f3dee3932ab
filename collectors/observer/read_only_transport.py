"""HTTP that cannot change anything: a request other than GET or HEAD does not leave the process."""

from __future__ import annotations

import httpx

SAFE_METHODS = ("GET", "HEAD")


class ReadOnlyTransport(httpx.AsyncBaseTransport):
    """Passes on GET and HEAD. The one exception is the identity provider's token endpoint, if one is given:
    OAuth2 asks for tokens by POST, and that changes nothing at what is observed."""

    def __init__(self, *, token_url: str | None = None) -> None:
        self._inner = httpx.AsyncHTTPTransport()
        self._token_url = None if token_url is None else httpx.URL(token_url)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request that is safe; RuntimeError for any other."""
        if request.method not in SAFE_METHODS and request.url != self._token_url:
            raise RuntimeError(f"an observer does not send {request.method} {request.url.path}")
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()
