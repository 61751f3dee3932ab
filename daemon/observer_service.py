"""The daemon in the role of an observer: the metrics port and health, no job API, no dispatcher."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from importlib.metadata import version

from ..collectors.observer.collector import ObserverCollector
from ..collectors.observer.observer import Observer
from ..exporters.start import start_exporters
from ..exporters.web_access import WebAccess
from .collection import Collection
from .configuration import Configuration
from .listening import listen
from .observer_health import ObserverHealth
from .service import SERVICE_NAME
from .service_notification import service_manager_told
from .web_server import address, event_loop, metrics_server, serve_until_signal, web_access

_logger = logging.getLogger(__name__)

_STOP_SECONDS = 8.0


def serve_observer(configuration: Configuration) -> None:
    """Observe until SIGTERM or SIGINT; it stops in an orderly way within 10 s.

    Raises:
        ConfigurationError: it cannot start as configured.
    """
    access = web_access(configuration.metrics)
    metrics_socket = listen(configuration.metrics.host, configuration.metrics.port, "metrics.port")
    with contextlib.closing(metrics_socket), asyncio.Runner(loop_factory=event_loop) as runner:
        runner.run(_serve(configuration, metrics_socket, access))


async def _serve(configuration: Configuration, metrics_socket: socket.socket, access: WebAccess | None) -> None:
    names = [device.name for device in configuration.observer.devices]
    collection = Collection(configuration, names)
    host, port = socket.gethostname(), metrics_socket.getsockname()[1]
    exporters = start_exporters(configuration.telemetry, SERVICE_NAME, collection.instruments, f"{host}:{port}")
    observer = Observer(
        configuration.observer, configuration.store, configuration.api.accounts_file, collection.instruments
    )
    collectors = collection.register([ObserverCollector(observer)], observer.schema_revision)
    await observer.start()
    collectors.start()
    exporters.begin_metrics()
    _logger.info(
        "qwatch %s observes %s and serves metrics on %s; it schedules nothing",
        version("qwatch"),
        ", ".join(observer.devices),
        address(metrics_socket, access),
    )
    health = ObserverHealth(observer)
    server = metrics_server(collection.registry, health.routes(), access)
    async with service_manager_told(health.findings, health.heartbeat):
        serving = await serve_until_signal([(server, metrics_socket)])
    _logger.info("stopping")
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await asyncio.gather(*serving)
            await observer.stop()
    except TimeoutError:
        _logger.error("some parts did not stop in time; the store is consistent all the same")
    collectors.stop()
    exporters.shutdown(configuration.telemetry.flush_seconds)
