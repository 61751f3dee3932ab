"""``qwatch open``: a link into the status page, logged in as this user."""

from __future__ import annotations

import json
import os
import socket
import webbrowser
from urllib.parse import urlsplit

import typer

from ..qrmi.location import is_this_host
from .daemon_client import DaemonClient


def open_page(qpu: str | None, print_only: bool, as_json: bool) -> None:
    """Trade this user's credential for a one-use link, and show it or open it in a browser."""
    found = DaemonClient.of(qpu)
    daemon = DaemonClient(found.location, found.url.partition("/devices/")[0])
    link = daemon.post("/web/links")
    if as_json:
        typer.echo(json.dumps(link))
        return
    url = str(link["url"])
    if not print_only and _has_display() and webbrowser.open(url):
        typer.echo("the status page opens in your browser")
        return
    typer.echo(url)
    typer.echo("It works once, within a minute.", err=True)
    parts = urlsplit(url)
    if is_this_host(url) and "SSH_CONNECTION" in os.environ:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        typer.echo(
            f"From the machine with your browser, first: ssh -L {port}:{parts.hostname}:{port} "
            f"{os.environ.get('USER', 'you')}@{socket.gethostname()}",
            err=True,
        )


def _has_display() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
