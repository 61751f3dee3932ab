"""The daemon in the role of an observer: the metrics port and health, no job API, no dispatcher."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from importlib.metadata import version

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.routing import Mount

from ..collectors.host import HostCollector
from ..collectors.observer.collector import ObserverCollector
from ..collectors.observer.observer import Observer
from ..collectors.registry import CollectorSet
from ..exporters.prometheus import metrics_application
from ..exporters.start import start_exporters
from ..telemetry.instruments import Instruments
from .build_info import BuildInfoCollector
from .configuration import Configuration
from .listening import listen
from .observer_health import ObserverHealth
from .service import SERVICE_NAME, _address, _event_loop, _server, _store_path

_logger = logging.getLogger(__name__)

_STOP_SECONDS = 8.0


def serve_observer(configuration: Configuration) -> None:
    """Observe until SIGTERM or SIGINT; it stops in an orderly way within 10 s.

    Raises:
        ConfigurationError: it cannot start as configured.
    """
    metrics_socket = listen(configuration.metrics.host, configuration.metrics.port, "metrics.port")
    with contextlib.closing(metrics_socket), asyncio.Runner(loop_factory=_event_loop) as runner:
        runner.run(_serve(configuration, metrics_socket))


async def _serve(configuration: Configuration, metrics_socket: socket.socket) -> None:
    registry = CollectorRegistry()
    instruments = Instruments(registry)
    exporters = start_exporters(configuration.telemetry, SERVICE_NAME, instruments)
    observer = Observer(
        configuration.observer, configuration.store, configuration.api.accounts_file, instruments
    )
    registry.register(
        CollectorSet(
            [
                HostCollector(_store_path(configuration)),
                ObserverCollector(observer),
                BuildInfoCollector(observer.schema_revision),
            ],
            disabled=configuration.metrics.disabled_collectors,
        )
    )
    await observer.start()
    health = ObserverHealth(observer)
    server = _server(Starlette(routes=[*health.routes(), Mount("/", metrics_application(registry))]))
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    serving = asyncio.create_task(server.serve(sockets=[metrics_socket]))
    _logger.info(
        "qwatch %s observes %s and serves metrics on %s; it schedules nothing",
        version("qwatch"),
        ", ".join(observer.devices),
        _address(metrics_socket),
    )
    await asyncio.wait([asyncio.create_task(stopped.wait()), serving], return_when=asyncio.FIRST_COMPLETED)
    _logger.info("stopping")
    server.should_exit = True
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await serving
            await observer.stop()
    except TimeoutError:
        _logger.error("some parts did not stop in time; the store is consistent all the same")
    exporters.shutdown(configuration.telemetry.flush_seconds)
