"""Sockets that the daemon listens on, bound before anything else starts: a taken port is one clear line."""

from __future__ import annotations

import errno
import socket

import psutil

from ..scheduler.errors import ConfigurationError


def listen(host: str, port: int, key: str) -> socket.socket:
    """Return a bound TCP socket; ``key`` is the configuration key that chose the port.

    Raises:
        ConfigurationError: the port is taken (with its owner, where the system tells), or the address is not
            one of this host.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(512)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise ConfigurationError(
                f"{key}: port {port} on {host} is taken by {port_owner(port)}; choose another one"
            ) from error
        raise ConfigurationError(f"{key}: cannot listen on {host}:{port}: {error.strerror or error}") from error
    bound.setblocking(False)
    return bound


def port_owner(port: int) -> str:
    """Return who listens on a port: program, process and user as far as this user may know them."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.AccessDenied, OSError):
        return "another process"
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
            if connection.pid is None:
                return "a process of another user"
            try:
                process = psutil.Process(connection.pid)
                return f"{process.name()} (pid {connection.pid}, user {process.username()})"
            except psutil.Error:
                return f"pid {connection.pid}"
    return "another process"
