"""The full-screen view: paints at each interval and key, and always gives the terminal back as it was."""

from __future__ import annotations

import curses
import locale
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ...qrmi.local_auth import TokenFileError
from ..failure import CommandFailedError
from .feed import Feed, Heard
from .frame import Frame, Link, Size, draw
from .glyphs import ASCII, Glyphs
from .keys import RESIZE, Click, read, watch_mouse
from .painter import Painter
from .picture import Hits
from .source import Source
from .view import CancelOrder, Quit, View
from .words import clock_in

_WHILE_ASKING = 0.1


def show_full_screen(source: Source, view: View, interval: float, glyphs: Glyphs, *, colour: bool) -> None:
    """Show the daemon until the viewer leaves.

    Raises:
        CommandFailedError: the terminal cannot show a full screen.
    """
    _require_terminal()
    if not _set_locale():
        glyphs = ASCII
    feed = Feed(source)
    feed.start()
    with _ended_by_signals(), _full_screen() as window:
        _Screen(window, source, feed, view, interval, glyphs, colour).run()


class _Screen:
    def __init__(
        self,
        window: curses.window,
        source: Source,
        feed: Feed,
        view: View,
        interval: float,
        glyphs: Glyphs,
        colour: bool,
    ) -> None:
        self._window = window
        self._source = source
        self._feed = feed
        self._view = view
        self._interval = interval
        self._glyphs = glyphs
        self._clock = clock_in(None)
        self._painter = Painter(window, colour=colour, unicode=glyphs is not ASCII)
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._asking = 0
        self._paused: tuple[Heard, float] | None = None
        self._frame = Frame([], Hits())

    def run(self) -> None:
        """Paint and listen to keys until the viewer leaves."""
        curses.set_escdelay(25)
        with _tolerated():
            curses.curs_set(0)
        watch_mouse()
        due = 0.0
        while True:
            self._take_answers()
            if (now := time.monotonic()) >= due:
                self._paint()
                due = now + self._interval
            wait = due - now
            if self._asking:
                wait = min(wait, _WHILE_ASKING)
            elif self._feed.heard.snapshot is None:
                wait = min(wait, 2 * _WHILE_ASKING)
                due = now + wait
            self._window.timeout(max(int(wait * 1000), 1))
            key = read(self._window)
            if key is None:
                continue
            due = 0.0
            if isinstance(key, Click):
                self._click(key)
            elif key == RESIZE:
                self._painter.forget()
            elif self._press(key):
                return

    def _paint(self) -> None:
        heard, now = self._heard()
        link = Link(
            self._source.where,
            problem=heard.problem,
            since=now if heard.snapshot is not None else None,
            next_try=heard.next_try,
            note=heard.note,
        )
        height, width = self._window.getmaxyx()
        size = Size(width, height)
        self._frame = draw(heard.snapshot, self._view, link, now, size, self._glyphs, self._clock)
        self._painter.paint(self._frame.lines)

    def _heard(self) -> tuple[Heard, float]:
        """What is shown and its moment: the newest, or what was newest when the viewer paused."""
        if not self._view.paused:
            self._paused = None
        elif self._paused is None:
            heard = self._feed.heard
            self._paused = heard, heard.now
        if self._paused is not None:
            return self._paused
        heard = self._feed.heard
        return heard, heard.now

    def _press(self, key: str) -> bool:
        """Take a key; whether the viewer leaves."""
        order = self._view.press(key, self._heard()[0].snapshot)
        if isinstance(order, CancelOrder):
            self._asking += 1
            threading.Thread(target=self._cancel, args=(order,), daemon=True).start()
        return isinstance(order, Quit)

    def _cancel(self, order: CancelOrder) -> None:
        try:
            answer = self._source.cancel(order.job, own=order.own)
        except (CommandFailedError, TokenFileError, OSError) as error:
            answer = str(error)
        self._answers.put(answer)

    def _take_answers(self) -> None:
        while not self._answers.empty():
            self._view.said = self._answers.get()
            self._asking -= 1
            self._paint()

    def _click(self, click: Click) -> None:
        hits = self._frame.hits
        if click.row in hits.devices:
            name = hits.devices[click.row]
            self._view.device = None if self._view.device == name else name
        elif click.row in hits.jobs:
            self._view.selected = hits.jobs[click.row]
        elif click.row == hits.head:
            for begin, end, name in hits.columns:
                if begin <= click.column < end:
                    self._view.sort_by(name)


@contextmanager
def _full_screen() -> Iterator[curses.window]:
    """Take the terminal, and give it back; ``curses.wrapper`` would set colours where none are wanted."""
    window = curses.initscr()
    try:
        curses.noecho()
        curses.cbreak()
        window.keypad(True)
        yield window
    finally:
        window.keypad(False)
        curses.echo()
        curses.nocbreak()
        curses.endwin()


@contextmanager
def _tolerated() -> Iterator[None]:
    """Let a terminal be without what is only nice to have."""
    try:
        yield
    except curses.error:
        return


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Leave in order when told to end, so that the terminal is given back; Ctrl-C is how some leave."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    earlier = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _require_terminal() -> None:
    advice = "use 'qwatch top --once' for one picture as text, or --json"
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CommandFailedError(f"the live view needs a terminal; {advice}")
    name = os.environ.get("TERM", "")
    try:
        curses.setupterm(name or "dumb", sys.stdout.fileno())
        able = curses.tigetstr("cup") is not None
    except curses.error:
        able = False
    if not able:
        raise CommandFailedError(f"the terminal {name or '(TERM is not set)'!r} shows no full screen; {advice}")


def _set_locale() -> bool:
    """Tell curses the terminal's encoding; whether it is one that shows more than ASCII."""
    for name in ("", "C.UTF-8"):
        try:
            locale.setlocale(locale.LC_ALL, name)
        except locale.Error:
            continue
        return locale.nl_langinfo(locale.CODESET).upper().replace("-", "") == "UTF8"
    return False
