"""Blocking calls of a source, one at a time, in a thread that can hang without holding anything up."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

from .source import SourceError

T = TypeVar("T")


class OwnThread:
    """Runs calls beside the event loop; while one hangs, the next is refused instead of queued.

    A daemon thread for each call: a pool's threads would be waited for when the process ends.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._busy = threading.Lock()

    async def call(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns, or raise what it raises; SourceError while the last one still runs."""
        if not self._busy.acquire(blocking=False):
            raise SourceError("its last answer is still awaited")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def finish(result: T | None, error: BaseException | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]

        def run() -> None:
            result: T | None = None
            error: BaseException | None = None
            try:
                result = work()
            except Exception as raised:
                error = raised
            finally:
                self._busy.release()
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(finish, result, error)

        threading.Thread(target=run, name=f"qwatch-observe-{self._name}", daemon=True).start()
        return await future
