"""GET requests to the peer scheduler's HTTP API: who asks is proven, answers are bounded and checked."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from ...qrmi import munge
from ...scheduler.errors import ConfigurationError
from ...telemetry.redaction import REDACTOR
from .read_only_transport import ReadOnlyTransport
from .settings import PeerApiSettings
from .source import SourceError

T = TypeVar("T", bound=BaseModel)

_LARGEST_ANSWER = 8 * 2**20
_STARTS_REMEMBERED = 4096
_ADVICE = {
    401: "the peer does not accept the observer's credential",
    403: "the observer's user is not among the peer's administrators (its api.admin_users)",
    404: "the peer does not have this route; leave it out of peer_api.read",
}


class PeerClient:
    """Reads one peer; its routes share the connections, and what was seen of running jobs.

    Raises:
        ConfigurationError: the token file cannot be read.
    """

    def __init__(self, settings: PeerApiSettings) -> None:
        self.settings = settings
        self.starts: OrderedDict[str, float] = OrderedDict()
        """When jobs that were seen running had started, by the peer's id; the newest few thousand."""
        self._client = httpx.AsyncClient(
            base_url=settings.url,
            timeout=settings.timeout,
            auth=_authentication(settings),
            transport=ReadOnlyTransport(),
            headers={"accept": "application/json"},
        )

    async def get(
        self,
        path: str,
        model: type[T],
        parameters: Mapping[str, str | int] | None = None,
        *,
        proven: bool = True,
    ) -> T:
        """Return the answer to ``GET path`` as ``model``; without ``proven`` no credential is sent.

        Raises:
            SourceError: no answer, a refusal, or something else than was asked for. Never quotes the answer,
                which holds ids of sessions, and those are credentials.
        """
        auth = httpx.USE_CLIENT_DEFAULT if proven else None
        try:
            async with self._client.stream("GET", path, params=parameters, auth=auth) as response:
                if response.status_code != httpx.codes.OK:
                    advice = _ADVICE.get(response.status_code, "that is not an answer")
                    raise SourceError(f"GET {path}: HTTP {response.status_code}: {advice}")
                body = await _bounded(response, path)
        except (munge.MungeUnavailableError, munge.MungeError) as error:
            raise SourceError(f"GET {path}: {error}") from error
        except httpx.HTTPError as error:
            raise SourceError(f"GET {path}: {error or type(error).__name__}") from error
        try:
            return model.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_input=False, include_context=False, include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise SourceError(f"GET {path}: the answer is not the peer's: {place}: {first['type']}") from error

    def saw_start(self, job: str, started_at: float) -> None:
        """Remember when a job that runs has started (Unix seconds)."""
        self.starts[job] = started_at
        self.starts.move_to_end(job)
        if len(self.starts) > _STARTS_REMEMBERED:
            self.starts.popitem(last=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class _FreshMunge(httpx.Auth):
    """A fresh MUNGE credential with each request, as QRMI sends it."""

    def __init__(self, socket: str | None) -> None:
        self._socket = socket

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        request.headers["x-munge-cred"] = await asyncio.to_thread(munge.encode, socket=self._socket)
        yield request


class _Bearer(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._token = token

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        request.headers["authorization"] = f"Bearer {self._token}"
        yield request


def _authentication(settings: PeerApiSettings) -> httpx.Auth | None:
    if settings.auth == "munge":
        return _FreshMunge(settings.munge_socket)
    if settings.token_file is None:
        return None
    try:
        token = settings.token_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"observer: peer_api.token_file {settings.token_file}: {error}") from error
    REDACTOR.keep_secret(token)
    return _Bearer(token)


async def _bounded(response: httpx.Response, path: str) -> bytes:
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > _LARGEST_ANSWER:
            raise SourceError(f"GET {path}: the answer is longer than {_LARGEST_ANSWER} bytes")
    return bytes(body)
