"""Sends what was recorded before SIGTERM ends a program that does not handle the signal itself."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

FLUSH_SECONDS = 2.0


def flush_on_sigterm(flush: Callable[[], object]) -> bool:
    """Run ``flush``, for at most 2 s, when SIGTERM comes, and then die of the signal as without this.

    Nothing is done, and False returned, if the program handles or ignores SIGTERM, or outside its main thread.
    A handler that the program installs later takes over.
    """
    if threading.current_thread() is not threading.main_thread():
        return False
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return False
    ending = threading.Lock()

    def die(number: int) -> None:
        if not ending.acquire(blocking=False):
            return
        # In a thread: the signal may have interrupted code that holds a lock.
        worker = threading.Thread(target=flush, name="qwatch-flush", daemon=True)
        worker.start()
        worker.join(FLUSH_SECONDS)
        # signal.signal works in the main thread only.
        ctypes.CDLL(None).signal(ctypes.c_int(number), ctypes.c_void_p(0))
        os.kill(os.getpid(), number)

    def handle(number: int, frame: FrameType | None) -> None:
        die(number)

    def watch(descriptor: int, process: int) -> None:
        while os.getpid() == process:
            for number in os.read(descriptor, 64):
                if number == signal.SIGTERM and signal.getsignal(number) is handle:
                    die(number)

    signal.signal(signal.SIGTERM, handle)
    # Python runs a handler between byte codes only. While the main thread is inside a long call of compiled
    # code, the wheel's for instance, this descriptor tells another thread of the signal.
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    previous = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    if previous != -1:
        signal.set_wakeup_fd(previous, warn_on_full_buffer=False)
        os.close(reading)
        os.close(writing)
        return True
    threading.Thread(target=watch, args=(reading, os.getpid()), name="qwatch-sigterm", daemon=True).start()
    return True
