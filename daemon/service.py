"""The running service: joins the scheduler, its API, the collectors and the exporters in one process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import ssl
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import uvicorn
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from ..collectors.accounts import AccountCollector
from ..collectors.device import DeviceCollector
from ..collectors.external import ExternalCollector
from ..collectors.host import HostCollector
from ..collectors.interface import Collector
from ..collectors.quality import QualityCollector
from ..collectors.queue import QueueCollector
from ..collectors.registry import CollectorSet
from ..collectors.slurm import SlurmCollector
from ..exporters.prometheus import metrics_application
from ..exporters.start import start_exporters
from ..exporters.web_access import BasicAuthentication, WebAccess
from ..exporters.web_config import WebConfigurationError
from ..scheduler.api.application import authenticator_for, create_api
from ..scheduler.errors import ConfigurationError
from ..scheduler.quality.service import QualityService
from ..scheduler.scheduler import Scheduler
from ..telemetry import own_metrics
from ..telemetry.catalogue import Source, catalogue
from ..telemetry.instruments import Instruments
from ..telemetry.series_guard import SeriesGuard, is_open
from .build_info import BuildInfoCollector
from .configuration import Configuration
from .health import Health
from .listening import listen

_logger = logging.getLogger(__name__)

SERVICE_NAME = "qwatch"
_STOP_SECONDS = 8.0
_DRAIN_SECONDS = 2


class _Server(uvicorn.Server):
    """A server whose signals are the service's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def serve(configuration: Configuration) -> None:
    """Run the daemon until SIGTERM or SIGINT; it stops in an orderly way within 10 s.

    Raises:
        ConfigurationError: it cannot start as configured; nothing was started.
    """
    _check(configuration)
    access = _web_access(configuration)
    api_socket = listen(configuration.api.host, configuration.api.port, "api.port")
    metrics_socket = listen(configuration.metrics.host, configuration.metrics.port, "metrics.port")
    with (
        contextlib.closing(api_socket),
        contextlib.closing(metrics_socket),
        asyncio.Runner(loop_factory=_event_loop) as runner,
    ):
        runner.run(_serve(configuration, api_socket, metrics_socket, access))


async def _serve(
    configuration: Configuration,
    api_socket: socket.socket,
    metrics_socket: socket.socket,
    access: WebAccess | None,
) -> None:
    registry = CollectorRegistry()
    guard = SeriesGuard(configuration.metrics.most_series, len(configuration.devices))
    instruments = Instruments(registry, guard)
    for metric in catalogue():
        if metric.source is Source.DAEMON and is_open(metric):
            instruments.add(own_metrics.SERIES_DROPPED, 0, metric=metric.prometheus_name)
    host, port = socket.gethostname(), metrics_socket.getsockname()[1]
    exporters = start_exporters(configuration.telemetry, SERVICE_NAME, instruments, f"{host}:{port}")
    scheduler = Scheduler(
        configuration.api,
        configuration.store,
        configuration.devices,
        configuration.scheduler,
        instruments,
    )
    quality = QualityService(scheduler)
    collectors = CollectorSet(
        [
            HostCollector(_store_path(configuration)),
            DeviceCollector(scheduler),
            QueueCollector(scheduler),
            QualityCollector(scheduler, quality),
            BuildInfoCollector(scheduler.schema_revision),
            *_optional_collectors(configuration, scheduler),
        ],
        [ExternalCollector(source) for source in configuration.external],
        disabled=configuration.metrics.disabled_collectors,
        guard=guard,
        dropped=instruments.dropped,
    )
    registry.register(collectors)
    authenticator = authenticator_for(scheduler)
    await scheduler.start()
    await authenticator.load()
    collectors.start()
    quality.start()
    exporters.begin_metrics()
    # What is loaded by now stays: a full collection that looks at all of it would stop every request for 0.1 s.
    gc.collect()
    gc.freeze()
    health = Health(scheduler)
    metrics: ASGIApp = Starlette(routes=[*health.routes(), Mount("/", metrics_application(registry))])
    if access is not None:
        metrics = BasicAuthentication(metrics, access)
    tls = None if access is None else access.tls
    servers = [_server(create_api(scheduler, authenticator)), _server(metrics, tls)]
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    serving = [
        asyncio.create_task(server.serve(sockets=[bound]))
        for server, bound in zip(servers, (api_socket, metrics_socket), strict=True)
    ]
    _logger.info(
        "qwatch %s serves the job API on %s and metrics on %s (auth: %s)",
        version("qwatch"),
        _address(api_socket),
        _address(metrics_socket, "http" if tls is None else "https"),
        configuration.api.auth,
    )
    if configuration.api.auth == "local":
        _logger.warning("auth: local is for one user's own machine; use MUNGE where others log in")
    await asyncio.wait([asyncio.create_task(stopped.wait()), *serving], return_when=asyncio.FIRST_COMPLETED)
    _logger.info("stopping")
    for server in servers:
        server.should_exit = True
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await asyncio.gather(*serving)
            await quality.stop()
            await scheduler.stop()
    except TimeoutError:
        _logger.error("some parts did not stop in time; the store is consistent all the same")
    collectors.stop()
    exporters.shutdown(configuration.telemetry.flush_seconds)


def _optional_collectors(configuration: Configuration, scheduler: Scheduler) -> list[Collector]:
    """Return the collectors that the configuration asks for; the scheduler must not have started."""
    found: list[Collector] = []
    if configuration.slurm.enabled:
        found.append(SlurmCollector(configuration.slurm, scheduler.devices))
    if configuration.metrics.accounts:
        accounts = AccountCollector(configuration.metrics.accounts, scheduler.devices)
        scheduler.store.read_now(accounts.load)
        scheduler.job_listeners.append(accounts.job_ended)
        found.append(accounts)
    return found


def _check(configuration: Configuration) -> None:
    sources = [source.name for source in configuration.external]
    if twice := sorted({name for name in sources if sources.count(name) > 1}):
        raise ConfigurationError(f"external: two sources are named {twice[0]}; each needs a name of its own")
    api = configuration.api
    if api.auth != "local":
        return
    if api.host not in ("127.0.0.1", "localhost", "::1"):
        raise ConfigurationError(f"api.host: auth: local listens on loopback only, not on {api.host}")
    real = [device.name for device in configuration.devices if not device.simulator]
    if real and not api.allow_local_auth_for_real_devices:
        raise ConfigurationError(
            f"api.auth: local is for emulators, and {', '.join(real)} is not marked 'simulator: true'; "
            "use MUNGE, or set api.allow_local_auth_for_real_devices"
        )


def _web_access(configuration: Configuration) -> WebAccess | None:
    file = configuration.metrics.web_config_file
    if file is None:
        return None
    try:
        return WebAccess(file)
    except WebConfigurationError as error:
        raise ConfigurationError(f"metrics.web_config_file: {error}") from error


def _server(application: ASGIApp, tls: ssl.SSLContext | None = None) -> _Server:
    settings = uvicorn.Config(
        application,
        loop="none",
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
    return _Server(settings)


def _event_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


def _store_path(configuration: Configuration) -> Path:
    from sqlalchemy.engine import make_url

    database = make_url(configuration.store.url).database
    found = Path(database or ".").parent
    return found if found.exists() else Path()


def _address(bound: socket.socket, scheme: str = "http") -> str:
    host, port = bound.getsockname()[:2]
    return f"{scheme}://{host}:{port}"
