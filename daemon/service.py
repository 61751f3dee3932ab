"""The running service: joins the scheduler, its API, the collectors and the exporters in one process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
from importlib.metadata import version

from ..collectors.accounts import AccountCollector
from ..collectors.device import DeviceCollector
from ..collectors.interface import Collector
from ..collectors.ledger import LedgerCollector
from ..collectors.quality import QualityCollector
from ..collectors.queue import QueueCollector
from ..collectors.session_idle import SessionIdleCollector
from ..collectors.slurm_jobs import SlurmJobs, of_sessions
from ..collectors.windows import WindowCollector
from ..exporters.start import start_exporters
from ..exporters.web_access import WebAccess
from ..scheduler.api.application import authenticator_for, create_admin_api, create_api
from ..scheduler.api.peer_authentication import PeerAuthenticator
from ..scheduler.errors import ConfigurationError
from ..scheduler.privacy.service import PrivacyService
from ..scheduler.quality.service import QualityService
from ..scheduler.scheduler import Scheduler
from .admin_socket import PeerCredentialProtocol, open_admin_socket, path_of
from .collection import Collection
from .configuration import Configuration
from .configuration_file.rules import local_auth_refusals
from .health import Health
from .listening import listen
from .live.event_stream import AbortableProtocol
from .live.service import LiveService
from .service_notification import service_manager_told
from .web_server import address, event_loop, metrics_server, new_server, serve_until_signal, web_access

_logger = logging.getLogger(__name__)

SERVICE_NAME = "qwatch"
_STOP_SECONDS = 8.0
_GARBAGE_THRESHOLDS = (2000, 10, 100)


def serve(configuration: Configuration) -> None:
    """Run the daemon until SIGTERM or SIGINT; it stops in an orderly way within 10 s.

    Raises:
        ConfigurationError: it cannot start as configured; nothing was started.
    """
    _check(configuration)
    access = web_access(configuration.metrics)
    api_socket = listen(configuration.api.host, configuration.api.port, "api.port")
    metrics_socket = listen(configuration.metrics.host, configuration.metrics.port, "metrics.port")
    with (
        contextlib.closing(api_socket),
        contextlib.closing(metrics_socket),
        asyncio.Runner(loop_factory=event_loop) as runner,
    ):
        runner.run(_serve(configuration, api_socket, metrics_socket, access))


async def _serve(
    configuration: Configuration,
    api_socket: socket.socket,
    metrics_socket: socket.socket,
    access: WebAccess | None,
) -> None:
    collection = Collection(configuration, [device.name for device in configuration.devices])
    instruments = collection.instruments
    host, port = socket.gethostname(), metrics_socket.getsockname()[1]
    exporters = start_exporters(configuration.telemetry, SERVICE_NAME, instruments, f"{host}:{port}")
    peers = PeerAuthenticator(configuration.api)
    admin_socket = open_admin_socket(
        configuration.api.admin_socket, configuration.store.url, peers.administrators
    )
    scheduler = Scheduler(
        configuration.api,
        configuration.store,
        configuration.devices,
        configuration.scheduler,
        instruments,
    )
    quality = QualityService(scheduler)
    privacy = PrivacyService(scheduler.store, configuration.privacy, instruments)
    collectors = collection.register(_collectors(configuration, scheduler, quality), scheduler.schema_revision)
    authenticator = authenticator_for(scheduler)
    live = LiveService(configuration.api, scheduler, authenticator, configuration.metrics.alertmanager_url)
    await scheduler.start()
    await authenticator.load()
    collectors.start()
    quality.start()
    privacy.start()
    slurm_jobs = SlurmJobs(configuration.slurm, scheduler.store, of_sessions)
    slurm_jobs.start()
    exporters.begin_metrics()
    _calm_garbage_collection()
    admin_path = None if admin_socket is None else path_of(admin_socket)
    health = Health(scheduler)
    live.start()
    job_api = create_api(scheduler, authenticator, admin_path, live.before)
    servers = [
        (new_server(job_api, protocol=AbortableProtocol), api_socket),
        (metrics_server(collection.registry, health.routes(), access), metrics_socket),
    ]
    if admin_socket is not None:
        admin_api = create_admin_api(scheduler, peers)
        servers.append((new_server(admin_api, protocol=PeerCredentialProtocol), admin_socket))
    _logger.info(
        "qwatch %s serves the job API on %s and metrics on %s (auth: %s), administration on %s",
        version("qwatch"),
        address(api_socket),
        address(metrics_socket, access),
        configuration.api.auth,
        admin_path or "the job API only",
    )
    if configuration.api.auth == "local":
        _logger.warning("auth: local is for one user's own machine; use MUNGE where others log in")
    async with service_manager_told(health.findings, health.heartbeat):
        serving = await serve_until_signal(servers)
    _logger.info("stopping")
    live.stop()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await asyncio.gather(*serving)
            await quality.stop()
            await privacy.stop()
            await asyncio.to_thread(slurm_jobs.stop)
            await scheduler.stop()
    except TimeoutError:
        _logger.error("some parts did not stop in time; the store is consistent all the same")
    if admin_path is not None:
        admin_path.unlink(missing_ok=True)
    collectors.stop()
    exporters.shutdown(configuration.telemetry.flush_seconds)


def _calm_garbage_collection() -> None:
    """Let no full collection stop the requests: by default a load makes two a second, of 5 to 15 ms each.

    Most garbage with cycles is of one request, and the collections of young objects find it.
    """
    gc.collect()
    # What is loaded by now stays; to look at all of it takes 0.1 s.
    gc.freeze()
    gc.set_threshold(*_GARBAGE_THRESHOLDS)


def _collectors(configuration: Configuration, scheduler: Scheduler, quality: QualityService) -> list[Collector]:
    """Return the collectors of a scheduler, which must not have started."""
    found: list[Collector] = [
        DeviceCollector(scheduler),
        QueueCollector(scheduler),
        QualityCollector(scheduler, quality),
        WindowCollector(scheduler),
        LedgerCollector(scheduler),
        SessionIdleCollector(scheduler),
    ]
    if configuration.metrics.accounts:
        accounts = AccountCollector(configuration.metrics.accounts, scheduler.devices)
        scheduler.store.read_now(accounts.load)
        scheduler.job_listeners.append(accounts.job_ended)
        found.append(accounts)
    return found


def _check(configuration: Configuration) -> None:
    for location, line in local_auth_refusals(configuration):
        raise ConfigurationError(f"{'.'.join(map(str, location))}: {line}")
