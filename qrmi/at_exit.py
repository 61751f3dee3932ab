"""Ends what is still open when the process exits, and in a forked process leaves it to the parent."""

from __future__ import annotations

import atexit
import os
from collections import deque
from typing import Protocol

from .guard import GUARD_EXIT
from .handover import flush_all
from .measurements import MEASUREMENTS


class Ending(Protocol):
    """Something that has open spans."""

    def end(self) -> None:
        """End them."""

    def continue_in_fork(self) -> None:
        """Forget them: they are the parent's."""


_LIVE: set[Ending] = set()
_ORPHANS: deque[Ending] = deque()


def keep_until_exit(ending: Ending) -> None:
    """End ``ending`` when the process exits, unless ``forget`` was called before."""
    _LIVE.add(ending)
    register()


def register() -> None:
    """See to it that what is open, or waits, is not lost when the process exits."""
    # Again each time, and so last: what was registered after the set-up of an SDK runs before its end.
    atexit.unregister(_at_exit)
    atexit.register(_at_exit)


def forget(ending: Ending) -> None:
    """Leave ``ending`` alone at exit: it has ended."""
    _LIVE.discard(ending)


def leave_to_exit(ending: Ending) -> None:
    """End something whose resource is gone, later: this may run inside the garbage collector."""
    if ending in _LIVE:
        _ORPHANS.append(ending)


def end_orphans() -> None:
    """End the spans of resources that are gone."""
    while _ORPHANS:
        with GUARD_EXIT:
            _ORPHANS.popleft().end()


def end_open_spans() -> None:
    """End every open span of this process; it runs by itself when the process exits."""
    end_orphans()
    for ending in list(_LIVE):
        with GUARD_EXIT:
            ending.end()
    MEASUREMENTS.hand_on()


def _at_exit() -> None:
    end_open_spans()
    flush_all()


def _continue_in_fork() -> None:
    for ending in list(_LIVE):
        ending.continue_in_fork()


os.register_at_fork(after_in_child=_continue_in_fork)
