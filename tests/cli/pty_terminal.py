"""A terminal for a program under test: a pseudo-terminal, and a screen that understands what is sent to it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence

import pyte

KEYS = {"up": "\x1b[A", "down": "\x1b[B", "enter": "\r", "escape": "\x1b"}


class Terminal:
    """Runs a command in a terminal of ``width`` by ``height`` cells."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], width: int = 120, height: int = 40
    ) -> None:
        self.screen = pyte.Screen(width, height)
        self._stream = pyte.ByteStream(self.screen)
        self._master, self._slave = pty.openpty()
        self._set_size(width, height)
        self.raw = b""
        self.attributes_before = termios.tcgetattr(self._slave)
        self.process = subprocess.Popen(
            # A session of its own whose terminal this is, so that the kernel tells it of a new size.
            ["setsid", "--ctty", *command],
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            env=dict(environment),
        )

    def _set_size(self, width: int, height: int) -> None:
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def resize(self, width: int, height: int) -> None:
        """Change the terminal's size, as a window does; the kernel tells the program."""
        self.screen.resize(height, width)
        self._set_size(width, height)

    def read(self, seconds: float = 0.1) -> None:
        """Take in what the program sent, for a moment at most."""
        while select.select([self._master], [], [], seconds)[0]:
            try:
                data = os.read(self._master, 65536)
            except OSError:
                return
            self.raw += data
            self._stream.feed(data)
            seconds = 0.03

    def send(self, *keys: str) -> None:
        """Press keys, by character or name."""
        for key in keys:
            os.write(self._master, KEYS.get(key, key).encode())

    @property
    def text(self) -> str:
        """What the screen shows."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def until(self, there: Callable[[str], object] | str, seconds: float = 60) -> str:
        """Wait until the screen shows something; return all it shows."""
        deadline = time.monotonic() + seconds
        while True:
            self.read()
            shown = self.text
            if there in shown if isinstance(there, str) else there(shown):
                return shown
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{shown}"
            assert time.monotonic() < deadline, f"the screen never showed {there}:\n{shown}"

    def ended(self, seconds: float = 30) -> int:
        """Wait for the program's end, and return its exit code."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read()
        self.read(0)
        return self.process.wait(0.1)

    @property
    def attributes(self) -> list[object]:
        """How the terminal is set: echo, line by line, and so on."""
        return termios.tcgetattr(self._slave)

    def close(self) -> None:
        """End what still runs in it."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._master)
        os.close(self._slave)
