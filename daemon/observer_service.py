"""The daemon in the role of an observer: the metrics port and health, no job API, no dispatcher."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from importlib.metadata import version

from ..collectors.observer.collector import ObserverCollector
from ..collectors.observer.observer import Observer
from ..collectors.slurm_jobs import SlurmJobs, of_ledger
from ..exporters.start import start_exporters
from ..exporters.web_access import WebAccess
from ..scheduler.privacy.service import PrivacyService
from .collection import Collection
from .configuration import Configuration
from .listening import listen
from .live.event_stream import AbortableProtocol
from .live.feed import LiveFeed
from .live.observer_source import ObserverSource
from .live.recent_time import RecentTime
from .live.routes import LiveViews
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
    privacy = PrivacyService(observer.store, configuration.privacy, collection.instruments)
    await observer.start()
    collectors.start()
    privacy.start()
    slurm_jobs = SlurmJobs(configuration.slurm, observer.store, of_ledger)
    slurm_jobs.start()
    exporters.begin_metrics()
    _logger.info(
        "qwatch %s observes %s and serves metrics on %s; it schedules nothing",
        version("qwatch"),
        ", ".join(observer.devices),
        address(metrics_socket, access),
    )
    recent = RecentTime(observer.devices)
    feed = LiveFeed(ObserverSource(observer, recent))
    looking = asyncio.create_task(recent.run())
    # There is no job API: who may scrape may look.
    around = None
    if configuration.api.status_page == "public":
        around = LiveViews(configuration.api, feed).before
    elif configuration.api.status_page == "login":
        _logger.warning("there is no status page: an observer knows no users (api.status_page: login)")
    health = ObserverHealth(observer)
    server = metrics_server(collection.registry, health.routes(), access, around, AbortableProtocol)
    async with service_manager_told(health.findings, health.heartbeat):
        serving = await serve_until_signal([(server, metrics_socket)])
    _logger.info("stopping")
    looking.cancel()
    feed.stop()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await asyncio.gather(*serving)
            await privacy.stop()
            await asyncio.to_thread(slurm_jobs.stop)
            await observer.stop()
    except TimeoutError:
        _logger.error("some parts did not stop in time; the store is consistent all the same")
    collectors.stop()
    exporters.shutdown(configuration.telemetry.flush_seconds)
