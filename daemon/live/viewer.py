"""Who looks at a live view: proven as for the job API, by a cookie, or named by a trusted reverse proxy."""

from __future__ import annotations

import pwd
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from starlette.requests import HTTPConnection

from ...scheduler.api.identity import Authenticator, HostAddresses, Identity, Rights
from ...scheduler.api.local_authentication import names_loopback
from ...scheduler.api.request_context import peer_of, proof_of
from ...scheduler.errors import AuthenticationError, PermissionDeniedError
from ...scheduler.run_time_settings import RunTimeSettings
from ...scheduler.settings import ApiSettings
from .source import PUBLIC, Audience
from .web_logins import Login, WebLogins

COOKIE = "qwatch"
_LONGEST_STREAM_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks, and whether that still holds: a stream outlives the request that began it."""

    audience: Audience
    still_holds: Callable[[], bool] = lambda: True
    by_cookie: bool = False


EVERYBODY = Viewer(PUBLIC)


class Viewers:
    """Finds out who looks."""

    def __init__(
        self, api: ApiSettings, run_time: RunTimeSettings, authenticator: Authenticator, logins: WebLogins
    ) -> None:
        self._api = api
        self._run_time = run_time
        self._authenticator = authenticator
        self._logins = logins
        self._rights = Rights(api, HostAddresses(), run_time)
        self._proxies = [ip_network(item, strict=False) for item in api.proxy_hosts]
        self._local_networks = [ip_network(item, strict=False) for item in api.local_token_hosts]
        self._admin_networks = [ip_network(item, strict=False) for item in api.admin_hosts]

    async def of(self, request: HTTPConnection) -> Viewer:
        """Return who looks: a credential goes before what a proxy says, and that before a cookie.

        Raises:
            AuthenticationError: the credential is wrong.
            PermissionDeniedError: the user is not authorised to use the devices.
        """
        if self._has_credential(request):
            return self._for_a_while(await self.proven(request))
        if (name := self._told_by_proxy(request)) is not None:
            return self._of_proxy(name, peer_of(request))
        if (cookie := request.cookies.get(COOKIE)) is not None:
            return self._of_cookie(cookie, request)
        return EVERYBODY

    async def proven(self, request: HTTPConnection) -> Identity:
        """Return who sends a request by its credential alone; errors as for :meth:`of`.

        A root credential from the network shows nothing: a job's user may have stolen it.
        """
        identity = await self._authenticator.identify(proof_of(request))
        if identity.sessions_only:
            raise PermissionDeniedError(
                f"root from {identity.address} may create and revoke sessions only; "
                "administration comes from api.admin_hosts"
            )
        return identity

    def from_proxy(self, request: HTTPConnection) -> bool:
        """Whether a request comes from a trusted reverse proxy."""
        source = ip_address(peer_of(request))
        return any(source in network for network in self._proxies)

    def _has_credential(self, request: HTTPConnection) -> bool:
        if self._api.auth == "munge":
            return "x-munge-cred" in request.headers
        # A reverse proxy may pass its own users' Basic credentials on.
        return request.headers.get("authorization", "").lower().startswith("bearer ")

    def _for_a_while(self, identity: Identity) -> Viewer:
        ends_at = time.monotonic() + _LONGEST_STREAM_SECONDS
        uid = identity.uid
        return Viewer(
            Audience(uid, identity.administers),
            lambda: time.monotonic() < ends_at and self._run_time.authorizes(uid),
        )

    def _told_by_proxy(self, request: HTTPConnection) -> str | None:
        header = self._api.proxy_user_header
        if header is None or not self.from_proxy(request):
            return None
        told = request.headers.getlist(header)
        if len(told) > 1:
            raise AuthenticationError(f"the reverse proxy named {len(told)} users in {header}")
        return told[0].strip() or None if told else None

    def _of_proxy(self, name: str, address: str) -> Viewer:
        try:
            uid = pwd.getpwnam(name).pw_uid
        except (KeyError, ValueError) as error:
            raise PermissionDeniedError("the user whom the reverse proxy named is not known here") from error
        if uid == 0:
            raise PermissionDeniedError("a reverse proxy cannot name root")
        # That a proxy is on this host says nothing of the browser: it must be listed for administrators.
        listed = any(ip_address(address) in network for network in self._admin_networks)
        identity = self._rights.identity(uid, address)
        audience = Audience(uid, identity.administers and listed)
        return Viewer(audience, self._for_a_while(identity).still_holds)

    def _of_cookie(self, cookie: str, request: HTTPConnection) -> Viewer:
        login = self._logins.find(cookie)
        if login is None or not self._holds(login):
            return EVERYBODY
        if self._api.auth == "local" and not names_loopback(request.headers.get("host", "")):
            return EVERYBODY
        audience = Audience(login.uid, login.administers and self._administers(login.uid, peer_of(request)))
        return Viewer(
            audience, lambda: self._logins.find(cookie) is not None and self._holds(login), by_cookie=True
        )

    def _holds(self, login: Login) -> bool:
        return self._run_time.authorizes(login.uid)

    def _administers(self, uid: int, address: str) -> bool:
        """Whether the browser's own address is one that administration may come from."""
        if self._api.auth == "local":
            source = ip_address(address)
            return source.is_loopback or any(source in network for network in self._local_networks)
        return self._rights.identity(uid, address).administers
