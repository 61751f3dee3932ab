"""Puts styled lines on the terminal through curses, which sends only what changed and knows the terminal."""

from __future__ import annotations

import curses
from collections.abc import Sequence
from functools import lru_cache

from rich.console import Console
from rich.style import Style
from rich.text import Span, Text

_ATTRIBUTES = (
    ("bold", curses.A_BOLD),
    ("dim", curses.A_DIM),
    ("reverse", curses.A_REVERSE),
    ("underline", curses.A_UNDERLINE),
    ("blink", curses.A_BLINK),
)


class Painter:
    """Paints on one curses window; without ``colour`` in bold, dim and reverse alone."""

    def __init__(self, window: curses.window, *, colour: bool, unicode: bool) -> None:
        self._window = window
        self._unicode = unicode
        self._console = Console(color_system="standard", force_terminal=True)
        self._colour = colour and curses.has_colors()
        self._pairs: dict[int, int] = {}
        self._shown: list[tuple[str, list[Span]]] = []
        if self._colour:
            curses.start_color()
            curses.use_default_colors()
        self._attribute = lru_cache(maxsize=256)(self._attribute_of)

    def paint(self, lines: Sequence[Text]) -> None:
        """Show the lines, from the top; those that did not change are left as they are."""
        look = [(line.plain, list(line.spans)) for line in lines]
        for row, line in enumerate(lines):
            if row >= len(self._shown) or self._shown[row] != look[row]:
                self._write(row, line)
        for row in range(len(lines), len(self._shown)):
            self._clear(row)
        self._shown = look
        self._window.refresh()

    def forget(self) -> None:
        """Begin on an empty screen, as after a change of its size."""
        self._shown = []
        self._window.clear()

    def _write(self, row: int, line: Text) -> None:
        self._clear(row)
        try:
            self._window.move(row, 0)
            for segment in line.render(self._console):
                text = segment.text if self._unicode else segment.text.encode("ascii", "replace").decode()
                self._window.addstr(text, self._attribute(segment.style or Style.null()))
        except curses.error:
            # The cursor cannot go past the last cell, and a row may be gone since the size was read.
            return

    def _clear(self, row: int) -> None:
        try:
            self._window.move(row, 0)
            self._window.clrtoeol()
        except curses.error:
            return

    def _attribute_of(self, style: Style) -> int:
        found = curses.A_NORMAL
        for name, attribute in _ATTRIBUTES:
            if getattr(style, name):
                found |= attribute
        if not self._colour or style.color is None or style.color.number is None:
            return found
        number = style.color.number
        if number >= curses.COLORS:
            number -= 8
            # Bright black on eight colours would be black on black.
            found |= curses.A_BOLD if number else curses.A_DIM
        return found | (self._pair(number) if number or curses.COLORS > 8 else 0)

    def _pair(self, number: int) -> int:
        if number not in self._pairs:
            self._pairs[number] = len(self._pairs) + 1
            curses.init_pair(self._pairs[number], number, -1)
        return curses.color_pair(self._pairs[number])
