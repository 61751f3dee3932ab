"""Work that may hang, given a bound: no backend can hold up an exit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence


def finish_within(seconds: float, work: Sequence[Callable[[], object]]) -> bool:
    """Do all of ``work`` at the same time and wait for at most ``seconds``.

    Returns whether everything finished and returned something other than False. What has not finished goes on
    in daemon threads, which end with the process.
    """
    deadline = time.monotonic() + seconds
    succeeded: list[bool] = []

    def run(task: Callable[[], object]) -> None:
        try:
            succeeded.append(task() is not False)
        except Exception:
            succeeded.append(False)

    threads = [
        threading.Thread(target=run, args=(task,), name="qwatch-telemetry-flush", daemon=True) for task in work
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return len(succeeded) == len(work) and all(succeeded)
