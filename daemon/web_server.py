"""Web servers of the daemon: they leave signals alone, trust no proxy's headers, and stop within a bound."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

import uvicorn
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp

from ..exporters.prometheus import metrics_application
from ..exporters.settings import MetricsSettings
from ..exporters.web_access import BasicAuthentication, WebAccess
from ..exporters.web_config import WebConfigurationError
from ..scheduler.errors import ConfigurationError

_DRAIN_SECONDS = 2


class Server(uvicorn.Server):
    """A server whose signals are the service's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def new_server(
    application: ASGIApp,
    tls: ssl.SSLContext | None = None,
    protocol: type[asyncio.Protocol] | Literal["auto"] = "auto",
) -> Server:
    """Return a server of ``application``, with TLS if a context is given."""
    settings = uvicorn.Config(
        application,
        loop="none",
        http=protocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # The sender's address is checked, so no header may tell another one.
        proxy_headers=False,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    settings.load()
    settings.ssl = tls
    return Server(settings)


def web_access(settings: MetricsSettings) -> WebAccess | None:
    """Return who may read the metrics port, and its TLS; None for everybody without TLS.

    Raises:
        ConfigurationError: the web configuration file cannot be used.
    """
    if settings.web_config_file is None:
        return None
    try:
        return WebAccess(settings.web_config_file)
    except WebConfigurationError as error:
        raise ConfigurationError(f"metrics.web_config_file: {error}") from error


def metrics_server(
    registry: CollectorRegistry,
    health: Sequence[BaseRoute],
    access: WebAccess | None,
    around: Callable[[ASGIApp], ASGIApp] | None = None,
    protocol: type[asyncio.Protocol] | Literal["auto"] = "auto",
) -> Server:
    """Return the server of the metrics port: ``/metrics`` and the routes of health.

    ``around`` puts something before them, behind the same passwords: the live views of an observer.
    """
    application: ASGIApp = Starlette(routes=[*health, Mount("/", metrics_application(registry))])
    if around is not None:
        application = around(application)
    if access is None:
        return new_server(application, protocol=protocol)
    return new_server(BasicAuthentication(application, access), access.tls, protocol)


async def serve_until_signal(servers: Iterable[tuple[Server, socket.socket]]) -> list[asyncio.Task[None]]:
    """Serve until SIGTERM, SIGINT or the end of a server; return the servers' tasks, which were told to end."""
    pairs = list(servers)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    serving = [asyncio.create_task(server.serve(sockets=[bound])) for server, bound in pairs]
    await asyncio.wait([asyncio.create_task(stopped.wait()), *serving], return_when=asyncio.FIRST_COMPLETED)
    for server, _ in pairs:
        server.should_exit = True
    return serving


def address(bound: socket.socket, access: WebAccess | None = None) -> str:
    """Return the URL of a listening socket."""
    host, port = bound.getsockname()[:2]
    scheme = "https" if access is not None and access.tls is not None else "http"
    return f"{scheme}://{host}:{port}"


def event_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop for the daemon."""
    import uvloop

    return uvloop.new_event_loop()
