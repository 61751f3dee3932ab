"""The live views over HTTP: snapshots, streams, the status page, and logging in with a browser."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ...scheduler.api.application import scheduler_error, unexpected
from ...scheduler.api.request_context import peer_of
from ...scheduler.api.request_limits import RateLimit
from ...scheduler.errors import (
    AuthenticationError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    SchedulerError,
    UnavailableError,
)
from ...scheduler.settings import ApiSettings
from .accept import prefers_html
from .event_stream import EventStream, Form, StreamLimit
from .feed import Edition, LiveFeed
from .rendering import Pages
from .viewer import COOKIE, EVERYBODY, Viewer, Viewers
from .web_logins import WebLogins

_LONGEST_FORM = 1024
_PATHS = ("/live", "/live/events")
_WEB = "/web/"


class LiveRoute(Route):
    """A route that tells its template, for the measurement of requests."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match as any route does."""
        match, found = super().matches(scope)
        return match, found if match is Match.NONE else {**found, "route": self}


class LiveViews:
    """Answers for everything that people watch; ``viewers`` is None where nobody can log in."""

    def __init__(
        self,
        api: ApiSettings,
        feed: LiveFeed,
        viewers: Viewers | None = None,
        logins: WebLogins | None = None,
    ) -> None:
        self.feed = feed
        self._api = api
        self._viewers = viewers
        self._logins = logins
        self._pages = Pages(api.status_page_frame_ancestors)
        self._page_headers = self._pages.headers()
        self.streams = StreamLimit(api.live_streams, api.live_streams_per_address)
        self._rate = RateLimit(api.accessible_per_second)
        self._application = Starlette(
            routes=self.routes(),
            exception_handlers={SchedulerError: scheduler_error, Exception: unexpected},
        )

    def before(self, application: ASGIApp) -> ASGIApp:
        """Return an application that answers for the live views, and leaves the rest to ``application``."""

        async def either(scope: Scope, receive: Receive, send: Send) -> None:
            mine = scope["type"] == "http" and self._answers(scope)
            await (self._application if mine else application)(scope, receive, send)

        return either

    def routes(self) -> list[BaseRoute]:
        """Return the routes, ``/`` among them."""
        found: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
            ("GET", "/", self._status),
            ("GET", "/live", self._live),
            ("GET", "/live/events", self._events),
            ("POST", "/web/links", self._new_link),
            ("GET", "/web/enter", self._enter_page),
            ("POST", "/web/sessions", self._enter),
            ("POST", "/web/logout", self._logout),
        ]
        return [LiveRoute(path, self._limited(endpoint), methods=[method]) for method, path, endpoint in found]

    def _answers(self, scope: Scope) -> bool:
        path: str = scope["path"]
        if path != "/":
            return path in _PATHS or path.startswith(_WEB)
        if self._api.status_page == "off" or scope["method"] not in ("GET", "HEAD"):
            return False
        accept = [value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"]
        return prefers_html(",".join(accept))

    def _limited(
        self, endpoint: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            if not self._rate.allows(peer_of(request)):
                return JSONResponse(
                    {"detail": "too many requests"}, status_code=429, headers={"retry-after": "1"}
                )
            return await endpoint(request)

        return answer

    async def _status(self, request: Request) -> Response:
        viewer = await self._viewer(request)
        if viewer is EVERYBODY and self._api.status_page == "login":
            return HTMLResponse(self._pages.enter("web/sessions", None), 403, self._page_headers)
        edition = await self.feed.newest(viewer.audience)
        page = self._pages.status(
            edition.snapshot, by_cookie=viewer.by_cookie, logins=self._viewers is not None
        )
        return HTMLResponse(page, headers=self._page_headers)

    async def _live(self, request: Request) -> Response:
        viewer = await self._allowed(request)
        edition = await self.feed.newest(viewer.audience)
        headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
        return Response(edition.json(), media_type="application/json", headers=headers)

    async def _events(self, request: Request) -> Response:
        viewer = await self._allowed(request)
        if self.feed.stopped.is_set():
            raise UnavailableError("the daemon stops")
        form = self._page_form() if request.query_params.get("form") == "page" else Form(Edition.json)
        address = peer_of(request)
        shared = self._viewers is not None and self._viewers.from_proxy(request)
        first = await self.feed.newest(viewer.audience)
        self.streams.take(address, shared=shared)
        return _Streamed(EventStream(self.feed, viewer, first, form, lambda: self.streams.give_back(address)))

    async def _new_link(self, request: Request) -> Response:
        viewers, logins = self._logging_in()
        identity = await viewers.proven(request)
        secret, link = logins.new_link(identity.uid, identity.administers)
        base = self._api.public_url or str(request.base_url).rstrip("/")
        reply = {
            "url": f"{base}/web/enter#{secret}",
            "expires_at": datetime.fromtimestamp(link.expires_at, UTC).isoformat(timespec="seconds"),
        }
        return JSONResponse(reply, 201, {"cache-control": "no-store"})

    async def _enter_page(self, _request: Request) -> Response:
        self._logging_in()
        return HTMLResponse(self._pages.enter("sessions", "../"), headers=self._page_headers)

    async def _enter(self, request: Request) -> Response:
        _, logins = self._logging_in()
        self._check_origin(request)
        body = await request.body()
        if len(body) > _LONGEST_FORM:
            raise InvalidRequestError("the form is too long")
        secret = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0]
        entered = logins.enter(secret)
        if entered is None:
            raise AuthenticationError("the link was used before or is too old: run 'qwatch open' again")
        cookie, _ = entered
        response = RedirectResponse("../", 303, {"cache-control": "no-store"})
        response.set_cookie(
            COOKIE,
            cookie,
            max_age=int(self._api.web_session_seconds),
            path=self._cookie_path,
            secure=self._is_https(request),
            httponly=True,
            samesite="strict",
        )
        return response

    async def _logout(self, request: Request) -> Response:
        _, logins = self._logging_in()
        self._check_origin(request)
        if (cookie := request.cookies.get(COOKIE)) is not None:
            logins.end(cookie)
        response = RedirectResponse("../", 303, {"cache-control": "no-store"})
        response.delete_cookie(
            COOKIE, path=self._cookie_path, secure=self._is_https(request), httponly=True, samesite="strict"
        )
        return response

    async def _viewer(self, request: Request) -> Viewer:
        return EVERYBODY if self._viewers is None else await self._viewers.of(request)

    async def _allowed(self, request: Request) -> Viewer:
        viewer = await self._viewer(request)
        if viewer is EVERYBODY and self._api.status_page != "public":
            raise AuthenticationError("live views are for users here (api.status_page): send a credential")
        return viewer

    def _logging_in(self) -> tuple[Viewers, WebLogins]:
        if self._viewers is None or self._logins is None or self._api.status_page == "off":
            raise NotFoundError("there is no status page here to log in to (api.status_page)")
        return self._viewers, self._logins

    def _page_form(self) -> Form:
        logins = self._viewers is not None

        def write(edition: Edition) -> bytes:
            return edition.form("page", lambda snapshot: self._pages.live_part(snapshot, logins=logins))

        # A page's script sees no comments.
        return Form(write, b": alive\nevent: alive\ndata:\n\n")

    def _check_origin(self, request: Request) -> None:
        """Refuse what another site's page sends: a browser says where a form comes from."""
        if request.headers.get("sec-fetch-site") == "same-origin":
            return
        origin = urlsplit(request.headers.get("origin", "")).netloc
        ours = {request.headers.get("host", "")}
        if self._api.public_url is not None:
            ours.add(urlsplit(self._api.public_url).netloc)
        if not origin or origin not in ours:
            raise PermissionDeniedError("this form does not come from the status page")

    @property
    def _cookie_path(self) -> str:
        return "/" if self._api.public_url is None else urlsplit(self._api.public_url).path or "/"

    def _is_https(self, request: Request) -> bool:
        if (self._api.public_url or "").startswith("https://"):
            return True
        trusted = self._viewers is not None and self._viewers.from_proxy(request)
        return request.url.scheme == "https" or (
            trusted and request.headers.get("x-forwarded-proto", "").lower() == "https"
        )


class _Streamed(Response):
    """A response that sends itself."""

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        await self._stream(scope, receive, send)
