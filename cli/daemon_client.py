"""Requests of the command line to the daemon behind a QPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from ..qrmi.local_auth import munge_authentication, token_authentication
from ..qrmi.location import Location, locate
from ..qrmi.munge import MungeError, MungeUnavailableError
from .failure import CommandFailedError


class NotThereError(CommandFailedError):
    """The daemon does not know what was asked for."""


@dataclass(frozen=True, slots=True)
class DaemonClient:
    """The daemon behind one QPU, asked as this user."""

    location: Location
    url: str

    @classmethod
    def of(cls, qpu: str | None) -> DaemonClient:
        """Return the daemon behind ``qpu``, or behind the only QPU there is."""
        location = locate(qpu)
        if location.url is None:
            raise CommandFailedError(
                f"QPU {location.name!r} ({location.source}) has no daemon that could be asked"
            )
        return cls(location, location.url.rstrip("/"))

    @classmethod
    def of_daemon(cls, qpu: str | None) -> DaemonClient:
        """Return the same at its daemon's own address, for what is not of one QPU."""
        return cls.of(qpu).at_daemon()

    def at_daemon(self) -> DaemonClient:
        """Return the daemon at its own address, for what is not of one QPU."""
        return DaemonClient(self.location, self.url.partition("/devices/")[0])

    def get(self, path: str, **parameters: str | int) -> dict[str, Any]:
        """Return the reply to a GET; CommandFailedError with the daemon's own words if it is refused."""
        return self.call("GET", path, params=parameters)

    def find(self, path: str) -> dict[str, Any] | None:
        """Return the reply to a GET, None if the daemon has no such thing: it may be another one, or older."""
        try:
            return self.call("GET", path)
        except NotThereError:
            return None

    def post(self, path: str, body: dict[str, Any] | None = None, token: str | None = None) -> dict[str, Any]:
        """Return the reply to a POST, sent in the session ``token`` if one is given."""
        headers = {} if token is None else {"x-warden-session": token}
        return self.call("POST", path, json=body, headers=headers)

    def delete(self, path: str) -> dict[str, Any]:
        """Return the reply to a DELETE."""
        return self.call("DELETE", path)

    def call(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """Return the reply to a request that proves this user."""
        headers = {**request.pop("headers", {}), **self.proof()}
        try:
            response = httpx.request(method, f"{self.url}{path}", headers=headers, timeout=30, **request)
        except httpx.HTTPError as error:
            raise CommandFailedError(
                f"the daemon at {self.url} does not answer ({error}); start it, or see 'qwatch doctor'"
            ) from error
        return reply_of(response, self.url)

    def proof(self) -> dict[str, str]:
        """Return the headers that prove this user; CommandFailedError if no credential can be made."""
        if self.location.token_file is not None:
            return token_authentication(self.location.token_file)()
        try:
            return munge_authentication()()
        except (MungeUnavailableError, MungeError) as error:
            raise CommandFailedError(f"no MUNGE credential can be made: {error}") from error


def reply_of(response: httpx.Response, origin: str) -> dict[str, Any]:
    """Return the body of a reply from ``origin``; CommandFailedError with the daemon's words if it refused."""
    try:
        body = response.json()
    except ValueError:
        body = {"detail": response.text[:200]}
    if response.status_code >= 300:
        detail = body.get("detail", body) if isinstance(body, dict) else body
        kind = NotThereError if response.status_code == 404 else CommandFailedError
        raise kind(f"{detail} (HTTP {response.status_code} from {origin})")
    if not isinstance(body, dict):
        raise CommandFailedError(f"{origin} did not answer as a qwatch daemon does")
    return body
