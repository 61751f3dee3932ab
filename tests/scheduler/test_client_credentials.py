"""OAuth2 client credentials towards a QPU's API: a token is kept, and renewed once when it is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from qwatch.scheduler.devices.client_credentials import ClientCredentials
from qwatch.scheduler.settings import DeviceAuthSettings

TOKEN_PATH = "/realms/qpu/protocol/openid-connect/token"


class Site:
    """An identity provider and a QPU's API in one, for httpx."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.issued = 0
        self.valid = True
        self.provider_status = 200

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(f"{request.method} {request.url.path}")
        if request.url.path == TOKEN_PATH:
            self.issued += 1
            self.valid = True
            body = {"access_token": f"token-number-{self.issued}", "expires_in": 300}
            # A stream, as from the network: it must be read before it is looked at.
            return httpx.Response(
                self.provider_status, stream=httpx.ByteStream(httpx.Response(200, json=body).content)
            )
        known = self.valid and request.headers["authorization"] == f"Bearer token-number-{self.issued}"
        return httpx.Response(200 if known else 401)


@pytest.fixture
def site() -> Site:
    return Site()


def ask(site: Site, folder: Path, times: int, spoil: bool = False) -> list[int]:
    secret = folder / "secret"
    secret.write_text("the-clients-secret\n")
    settings = DeviceAuthSettings(url="http://identity", realm="qpu", id="qwatch", secret_file=secret)

    async def within() -> list[int]:
        transport = httpx.MockTransport(site)
        async with httpx.AsyncClient(auth=ClientCredentials(settings), transport=transport) as client:
            found = []
            for _ in range(times):
                found.append((await client.get("http://qpu/api/v1/system")).status_code)
                site.valid = not spoil
            return found

    return asyncio.run(within())


def test_one_token_serves_many_requests(site: Site, tmp_path: Path) -> None:
    assert ask(site, tmp_path, 3) == [200, 200, 200]
    assert site.requests == [f"POST {TOKEN_PATH}", *["GET /api/v1/system"] * 3]


def test_a_token_that_is_refused_is_renewed_once(site: Site, tmp_path: Path) -> None:
    assert ask(site, tmp_path, 2, spoil=True) == [200, 200]
    assert site.issued == 2


def test_a_provider_that_refuses_is_told_as_such(site: Site, tmp_path: Path) -> None:
    site.provider_status = 401
    with pytest.raises(httpx.ConnectError, match="the identity provider answered 401"):
        ask(site, tmp_path, 1)
