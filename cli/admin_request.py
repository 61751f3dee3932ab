"""What every verb of ``qwatch admin`` does: ask the daemon, print its answer, read a moment."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import typer

from .moments import MomentError, moment


def call(
    context: typer.Context, method: str, path: str, device: str | None = None, **request: Any
) -> dict[str, Any]:
    """Return the daemon's reply; CommandFailedError with its own words if it refuses."""
    from .admin_client import admin_client

    socket, qpu = context.obj
    return admin_client(socket, qpu or device).call(method, path, **request)


def show(found: dict[str, Any], as_json: bool, show: Callable[[dict[str, Any]], None]) -> None:
    """Print a reply as JSON, or for a reader."""
    if as_json:
        typer.echo(json.dumps(found))
    else:
        show(found)


def moment_of(text: str, option: str, *, past: bool = False) -> str:
    """Return the moment that an option names, in ISO 8601; a usage error if it names none."""
    try:
        return moment(text, datetime.now().astimezone(), past=past).isoformat()
    except MomentError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
