"""Running an emulated QPU as a server of its own."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from .application import create_application
from .machine import EmulatedQPU
from .settings import EmulatorSettings

LOGGER = logging.getLogger(__name__)

_SHUTDOWN_SECONDS = 1


def serve(settings: EmulatorSettings, started: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGTERM or SIGINT, then finish within two seconds and return.

    ``started`` is called once it answers. Must be called in the main thread. Logging is the caller's to
    configure.

    Raises:
        OSError: the address cannot be listened on.
        SimulationError: the simulation process does not start.
    """
    with _bound_socket(settings.host, settings.port) as listener:
        asyncio.run(_serve(settings, listener, started))


class _Server(uvicorn.Server):
    """A server that leaves signals to :func:`_serve`: uvicorn's own raises them again when it has stopped."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_start = on_start

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets=sockets)
        if self.started:
            self._on_start()


async def _serve(settings: EmulatorSettings, listener: socket.socket, started: Callable[[], None]) -> None:
    application = create_application(settings)
    server = _Server(
        uvicorn.Config(
            application,
            lifespan="on",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        ),
        started,
    )

    def stop(number: signal.Signals) -> None:
        LOGGER.info("%s: stopping", number.name)
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    host, port = listener.getsockname()[:2]
    LOGGER.info("emulated QPU %s starts on http://%s:%d/api/v1", settings.name, host, port)
    qpu: EmulatedQPU = application.state.qpu
    try:
        # Before uvicorn's start, which would turn a failure into a traceback in the log.
        await qpu.start()
        await server.serve(sockets=[listener])
    finally:
        await qpu.stop()
    LOGGER.info("emulated QPU %s has stopped", settings.name)


def _bound_socket(host: str, port: int) -> socket.socket:
    """Return a socket that is bound but does not listen: connections are refused until all is ready."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except BaseException:
        bound.close()
        raise
    return bound
