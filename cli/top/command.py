"""``qwatch top``: full screen, one frame as text, or a snapshot as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

import typer
from rich.console import Console
from rich.text import Text

from ...qrmi.location import QPU_VARIABLE, Location, everywhere
from ..daemon_client import DaemonClient
from ..failure import CommandFailedError
from .frame import Link, Size, draw
from .glyphs import ASCII, Glyphs, glyphs_for
from .reading import UnreadableError, read_snapshot
from .source import Source, root_of
from .view import View
from .words import clock_in


def run_top(
    qpu: str | None, url: str | None, *, once: bool, as_json: bool, interval: float, ascii_only: bool
) -> None:
    """Show what the daemon's devices and queue do: until the viewer leaves, or once.

    Raises:
        CommandFailedError: once, and the daemon cannot be asked; or the terminal shows no full screen.
    """
    source = Source(_daemon(qpu, url))
    glyphs = ASCII if ascii_only else glyphs_for(os.environ)
    view = View(device=qpu)
    if as_json:
        typer.echo(json.dumps(source.snapshot()))
    elif once:
        _print_once(source, view, glyphs)
    else:
        from .screen import show_full_screen

        show_full_screen(source, view, interval, glyphs, colour=_wants_colour(os.environ))


def _daemon(qpu: str | None, url: str | None) -> DaemonClient:
    """Return the daemon at a URL, or behind a QPU; without either the only one within reach."""
    if url is not None:
        if not url.startswith(("http://", "https://")):
            raise CommandFailedError(f"--url {url}: give it with http:// or https://")
        return DaemonClient(Location(qpu or "", "", "--url"), url)
    if qpu is None and not os.environ.get(QPU_VARIABLE):
        found = [item for item in everywhere(os.environ)[0] if item.url is not None]
        daemons = {root_of(item.url): item for item in reversed(found) if item.url is not None}
        if len(daemons) == 1:
            ((url, location),) = daemons.items()
            return DaemonClient(location, url)
    return DaemonClient.of(qpu)


def _print_once(source: Source, view: View, glyphs: Glyphs) -> None:
    try:
        snapshot = read_snapshot(source.snapshot())
    except UnreadableError as error:
        raise CommandFailedError(str(error)) from error
    console = Console(highlight=False)
    width = max(console.width, 40)
    link = Link(source.where, note=source.note)
    frame = draw(snapshot, view, link, snapshot.at, Size(width, None), glyphs, clock_in(None))
    for line in frame.lines:
        line.rstrip()
        console.print(_in_ascii(line) if glyphs is ASCII else line, soft_wrap=True)


def _in_ascii(line: Text) -> Text:
    """Return the line for an encoding without the letters that names may hold; each is one cell as before."""
    found = line.copy()
    found.plain = line.plain.encode("ascii", "replace").decode()
    return found


def _wants_colour(environment: Mapping[str, str]) -> bool:
    return not environment.get("NO_COLOR")
