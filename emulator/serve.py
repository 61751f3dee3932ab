"""Running an emulated QPU as a server of its own."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from .application import create_application
from .settings import EmulatorSettings

LOGGER = logging.getLogger(__name__)

_SHUTDOWN_SECONDS = 1


def serve(settings: EmulatorSettings) -> None:
    """Serve until SIGTERM or SIGINT, then finish within two seconds and return.

    Must be called in the main thread. Logging is the caller's to configure.

    Raises:
        OSError: the address cannot be listened on.
        RuntimeError: the emulated QPU does not start; the reason is in the log.
    """
    with _bound_socket(settings.host, settings.port) as listener:
        asyncio.run(_serve(settings, listener))


class _Server(uvicorn.Server):
    """Ends on a signal without raising it again, so that the caller exits with its own status."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGINT and SIGTERM while the server runs."""
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self._stop, number)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def _stop(self, number: signal.Signals) -> None:
        LOGGER.info("%s: stopping", number.name)
        self.should_exit = True


async def _serve(settings: EmulatorSettings, listener: socket.socket) -> None:
    server = _Server(
        uvicorn.Config(
            create_application(settings),
            lifespan="on",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
    )
    host, port = listener.getsockname()[:2]
    LOGGER.info("emulated QPU %s starts on http://%s:%d/api/v1", settings.name, host, port)
    try:
        await server.serve(sockets=[listener])
    except SystemExit:  # how uvicorn reports that the application's start failed
        raise RuntimeError(f"the emulated QPU {settings.name} did not start; see the log") from None
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
