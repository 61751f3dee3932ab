"""Passes signals on to a program that was started."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from types import FrameType, TracebackType
from typing import Any

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class ForwardedSignals:
    """In its ``with`` block, signals to this process go to the program; outside the main thread nothing does.

    ``first`` is the first signal that came before there was a program.
    """

    def __init__(self) -> None:
        self.first: int | None = None
        self._program: subprocess.Popen[bytes] | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> ForwardedSignals:
        if threading.current_thread() is threading.main_thread():
            for number in FORWARDED:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._forward)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def forward_to(self, program: subprocess.Popen[bytes]) -> None:
        """Send signals to ``program`` from now on, and the one that came while it was started."""
        self._program = program
        if self.first is not None:
            program.send_signal(self.first)

    def _forward(self, number: int, frame: FrameType | None) -> None:
        if self._program is None:
            self.first = self.first or number
        elif number != signal.SIGINT or not _terminal_sends_to_both():
            self._program.send_signal(number)


def _terminal_sends_to_both() -> bool:
    """Tell whether Ctrl-C at the terminal reaches the program by itself, as one of the foreground group."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False
