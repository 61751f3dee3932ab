"""OAuth2 client credentials (RFC 6749, section 4.4) towards a QPU's API, from Keycloak."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator

import httpx

from ...telemetry.redaction import REDACTOR
from ..errors import ConfigurationError
from ..settings import DeviceAuthSettings

_EARLY_SECONDS = 30.0


class ClientCredentials(httpx.Auth):
    """Adds a bearer token: cached, renewed before it expires, and once more on a 401."""

    def __init__(self, settings: DeviceAuthSettings) -> None:
        self._settings = settings
        try:
            self._secret = settings.secret_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigurationError(
                f"devices.auth.secret_file {settings.secret_file}: {error.strerror}"
            ) from error
        REDACTOR.keep_secret(self._secret)
        self._token: str | None = None
        self._valid_until = 0.0
        self._lock = asyncio.Lock()

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Refuse: the daemon speaks to devices asynchronously."""
        raise RuntimeError("client credentials are for asynchronous clients")

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send the request with a token; on a 401 renew the token and send it once more."""
        async with self._lock:
            if self._token is None or time.monotonic() > self._valid_until:
                response = yield self._token_request()
                await response.aread()
                self._keep(response)
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if response.status_code == 401:
            async with self._lock:
                renewed = yield self._token_request()
                await renewed.aread()
                self._keep(renewed)
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request

    def _token_request(self) -> httpx.Request:
        return httpx.Request(
            "POST",
            f"{self._settings.url}/realms/{self._settings.realm}/protocol/openid-connect/token",
            data={
                "grant_type": "client_credentials",
                "client_id": self._settings.id,
                "client_secret": self._secret,
            },
        )

    def _keep(self, response: httpx.Response) -> None:
        if response.status_code != 200:
            raise httpx.ConnectError(f"the identity provider answered {response.status_code}")
        body = response.json()
        self._token = str(body["access_token"])
        REDACTOR.keep_secret(self._token)
        self._valid_until = time.monotonic() + max(float(body.get("expires_in", 60)) - _EARLY_SECONDS, 1.0)
