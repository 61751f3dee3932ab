"""The job API: the protocol of QRMI's ``pasqal-local`` resource type, for each device and each job class."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...telemetry import log_fields, own_metrics
from ...telemetry.instruments import Instruments
from ..errors import SchedulerError, UnavailableError
from ..scheduler import Scheduler
from ..session_summaries import SessionSummaries
from . import (
    admin_routes,
    device_routes,
    job_routes,
    ledger_routes,
    session_routes,
    summary_routes,
    usage_routes,
)
from .identity import Authenticator
from .local_authentication import LocalAuthenticator
from .messages import ErrorReply
from .munge_authentication import MungeAuthenticator
from .request_limits import BodyLimit, RateLimit

_logger = logging.getLogger(__name__)

_EVENTS = b"text/event-stream; charset=utf-8"
PREFIXES = ("", "/devices/{device}", "/devices/{device}/classes/{job_class}")
_ERRORS: dict[int | str, dict[str, type[ErrorReply]]] = {
    code: {"model": ErrorReply} for code in (401, 403, 404, 409, 413, 422, 503)
}


def authenticator_for(scheduler: Scheduler) -> Authenticator:
    """Return the authenticator that the configuration names."""
    if scheduler.api.auth == "local":
        return LocalAuthenticator(scheduler.api)
    return MungeAuthenticator(scheduler.api, scheduler.store, scheduler.run_time)


def create_api(
    scheduler: Scheduler,
    authenticator: Authenticator,
    admin_socket: Path | None = None,
    around: Callable[[ASGIApp], ASGIApp] = lambda application: application,
) -> ASGIApp:
    """Return the job API as an ASGI application; ``admin_socket`` is where administrators find theirs.

    ``around`` puts something before it that is measured as it is: the live views.
    """
    application = _application(
        scheduler, authenticator, "Second-level scheduling of QPUs behind the site's resource manager."
    )
    application.state.admin_socket = admin_socket
    application.state.summaries = SessionSummaries(
        scheduler.store, scheduler.instruments, scheduler.api.store_timeout
    )
    application.state.accessible_limit = RateLimit(scheduler.api.accessible_per_second)
    for prefix in PREFIXES:
        # Routes are tried in this order: what is asked most often comes first.
        for part in (job_routes, session_routes, summary_routes, device_routes):
            application.include_router(part.router, prefix=prefix, include_in_schema=prefix == "")
    application.state.long_reads = asyncio.Semaphore(1)
    application.include_router(usage_routes.router)
    application.include_router(admin_routes.router)
    application.include_router(ledger_routes.router)
    return _measured(around(application), scheduler)


def create_admin_api(scheduler: Scheduler, authenticator: Authenticator) -> ASGIApp:
    """Return the API of the Unix socket, which is for administration alone."""
    application = _application(scheduler, authenticator, "Administration of the devices.")
    application.include_router(admin_routes.router)
    application.include_router(ledger_routes.router)
    return _measured(application, scheduler)


def _application(scheduler: Scheduler, authenticator: Authenticator, description: str) -> FastAPI:
    application = FastAPI(
        title="qwatch",
        description=description,
        version=version("qwatch"),
        responses=_ERRORS,
        # FastAPI's own spans would name the path, which holds the session's token, and each status poll.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    application.state.scheduler = scheduler
    application.state.authenticator = authenticator
    application.add_exception_handler(SchedulerError, scheduler_error)
    application.add_exception_handler(RequestValidationError, _invalid)
    application.add_exception_handler(Exception, unexpected)
    return application


def _measured(application: ASGIApp, scheduler: Scheduler) -> ASGIApp:
    return RequestMeasurement(BodyLimit(application, scheduler.api.max_body_bytes), scheduler.instruments)


class RequestMeasurement:
    """Measures each request by route template, method and class of status."""

    def __init__(self, application: ASGIApp, instruments: Instruments) -> None:
        self._application = application
        self._instruments = instruments

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and measure it."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        started = time.perf_counter()
        status, streams_since = 500, None

        async def noted(message: Message) -> None:
            nonlocal status, streams_since
            if message["type"] == "http.response.start":
                status = message["status"]
                if (b"content-type", _EVENTS) in message["headers"]:
                    streams_since = time.perf_counter()
            await send(message)

        try:
            await self._application(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self._instruments.observe(
                own_metrics.HTTP_DURATION,
                # A stream is answered when it begins; how long somebody watches says nothing of the API.
                (streams_since or time.perf_counter()) - started,
                route=route,
                method=scope["method"],
                status=f"{status // 100}xx",
            )


async def scheduler_error(_request: Request, error: Exception) -> JSONResponse:
    """Answer with the one line of the error."""
    assert isinstance(error, SchedulerError)
    headers = {"retry-after": str(error.retry_after)} if isinstance(error, UnavailableError) else None
    return JSONResponse({"detail": str(error)}, status_code=error.status, headers=headers)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = error.errors()[0]
    where = ".".join(str(part) for part in found["loc"] if part != "body") or "body"
    return JSONResponse({"detail": f"{where}: {found['msg']}"}, status_code=422)


async def unexpected(request: Request, error: Exception) -> JSONResponse:
    """Log what nobody expected, and answer that it was."""
    route = getattr(request.scope.get("route"), "path", request.url.path)
    _logger.error("a request failed", exc_info=error, extra={log_fields.ROUTE: route})
    return JSONResponse({"detail": "an internal error; it was logged"}, status_code=500)
