"""What the keyboard and the mouse say, by name."""

from __future__ import annotations

import curses
from dataclasses import dataclass

RESIZE = "resize"

_NAMES: dict[int | str, str] = {
    curses.KEY_UP: "up",
    curses.KEY_DOWN: "down",
    curses.KEY_LEFT: "left",
    curses.KEY_RIGHT: "right",
    curses.KEY_PPAGE: "page_up",
    curses.KEY_NPAGE: "page_down",
    curses.KEY_HOME: "home",
    curses.KEY_END: "end",
    curses.KEY_BTAB: "backtab",
    curses.KEY_ENTER: "enter",
    curses.KEY_BACKSPACE: "backspace",
    curses.KEY_DC: "delete",
    curses.KEY_F1: "?",
    curses.KEY_F10: "q",
    curses.KEY_RESIZE: RESIZE,
    "\n": "enter",
    "\r": "enter",
    "\t": "tab",
    "\x1b": "escape",
    "\x7f": "backspace",
    "\b": "backspace",
}

# Older Pythons name no fifth button, which is the wheel downwards.
_WHEEL_DOWN = getattr(curses, "BUTTON5_PRESSED", 0x200000)
_PRESSED = curses.BUTTON1_PRESSED | curses.BUTTON1_CLICKED


@dataclass(frozen=True, slots=True)
class Click:
    """A click on a cell."""

    row: int
    column: int


def watch_mouse() -> None:
    """Ask the terminal for clicks and the wheel."""
    curses.mousemask(_PRESSED | curses.BUTTON4_PRESSED | _WHEEL_DOWN)
    curses.mouseinterval(0)


def read(window: curses.window) -> str | Click | None:
    """Return the next key or click; None if none came in the window's time."""
    try:
        key = window.get_wch()
    except curses.error:
        return None
    if key == curses.KEY_MOUSE:
        return _mouse()
    if isinstance(key, int):
        return _NAMES.get(key)
    return _NAMES.get(key, key if key.isprintable() else None)


def _mouse() -> str | Click | None:
    try:
        _, column, row, _, buttons = curses.getmouse()
    except curses.error:
        return None
    if buttons & curses.BUTTON4_PRESSED:
        return "up"
    if buttons & _WHEEL_DOWN:
        return "down"
    return Click(row, column) if buttons & _PRESSED else None
