"""Reads the quality feed of a device in the background, and appends what is new to the ledger."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import stat
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...telemetry import log_fields
from .. import ledger
from ..device import Device
from ..errors import SchedulerError
from ..ledger import QualitySample
from ..store import Store
from . import latest
from .feed_format import MOST_BYTES, FeedError, read_feed
from .settings import REMOTE, QualityFeedSettings

if TYPE_CHECKING:
    import httpx

_logger = logging.getLogger(__name__)


class QualityFeed:
    """Reads one device's feed until it is cancelled."""

    def __init__(self, device: Device, settings: QualityFeedSettings, store: Store) -> None:
        self._device = device
        self._settings = settings
        self._store = store
        self._newest: dict[tuple[str, str], float] | None = None
        self._reading: asyncio.Future[bytes] | None = None
        self.succeeded: bool | None = None
        """Whether the last reading gave something that was understood; None before the first."""

    @property
    def name(self) -> str:
        """The source of its samples in the ledger."""
        return self._settings.name

    async def run(self) -> None:
        """Read now and then; what goes wrong is logged when it begins and when it ends."""
        import httpx

        async with httpx.AsyncClient(follow_redirects=False, timeout=self._settings.timeout) as client:
            while True:
                try:
                    await self.read(client)
                except (FeedError, SchedulerError) as error:
                    self._note(str(error))
                else:
                    self._note(None)
                await asyncio.sleep(self._settings.interval)

    async def read(self, client: httpx.AsyncClient) -> int:
        """Read the feed once and append what is newer than before; return how many samples that were.

        Raises:
            FeedError: it does not come in time, is too long, or is not the format.
            SchedulerError: the store does not serve.
        """
        try:
            async with asyncio.timeout(self._settings.timeout):
                content = await self._content(client)
        except TimeoutError as error:
            raise FeedError(f"was not read within {self._settings.timeout:g} s") from error
        samples = read_feed(content, self._device.name, self._settings.name)
        fresh = await self._fresh(samples)
        if fresh:
            await self._store.write(lambda connection: ledger.append_quality(connection, fresh))
            assert self._newest is not None
            self._newest |= {_series(sample): sample.at for sample in fresh}
        return len(fresh)

    async def _fresh(self, samples: Sequence[QualitySample]) -> list[QualitySample]:
        if self._newest is None and samples:
            oldest = min(sample.at for sample in samples)
            self._newest = await self._store.read(
                lambda connection: latest.newest_by_series(
                    connection, self._device.name, self._settings.name, oldest
                )
            )
        newest = self._newest or {}
        return [sample for sample in samples if sample.at > newest.get(_series(sample), float("-inf"))]

    async def _content(self, client: httpx.AsyncClient) -> bytes:
        if self._settings.url.startswith(REMOTE):
            return await self._fetched(client)
        if self._reading is not None and not self._reading.done():
            raise FeedError("an earlier reading of the file has not come to its end")
        # A file on a dead network drive holds up one thread, and no second one.
        self._reading = _in_thread_of_its_own(self._settings.url)
        return await asyncio.shield(self._reading)

    async def _fetched(self, client: httpx.AsyncClient) -> bytes:
        import httpx

        content = b""
        try:
            async with client.stream("GET", self._settings.url) as reply:
                if reply.status_code != 200:
                    raise FeedError(f"was answered with {reply.status_code}")
                async for part in reply.aiter_bytes(65536):
                    content += part
                    if len(content) > MOST_BYTES:
                        break
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise FeedError(f"was not fetched: {type(error).__name__} {error}".rstrip()) from error
        return content

    def _note(self, error: str | None) -> None:
        fields = {log_fields.QPU_ID: self._device.name}
        name = f"the quality feed {self._settings.name} of {self._device.name}"
        if error is not None and self.succeeded is not False:
            _logger.warning("%s: %s", name, error, extra=fields)
        elif error is None and self.succeeded is False:
            _logger.info("%s is read again", name, extra=fields)
        self.succeeded = error is None


def _file_content(path: str) -> bytes:
    try:
        # A pipe that nobody writes to must not hold the thread.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FeedError("is no regular file")
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise FeedError(f"was not read: {error.strerror}") from error


def _in_thread_of_its_own(path: str) -> asyncio.Future[bytes]:
    """Read a file; the daemon's end does not wait for a drive that never answers."""
    loop = asyncio.get_running_loop()
    reading: asyncio.Future[bytes] = loop.create_future()

    def settle(content: bytes | None, error: Exception | None) -> None:
        if reading.done():
            return
        if content is not None:
            reading.set_result(content)
        elif error is not None:
            reading.set_exception(error)
            reading.exception()  # nobody may be waiting any more

    def read() -> None:
        content, problem = None, None
        try:
            content = _file_content(path)
        except Exception as error:
            problem = error
        with contextlib.suppress(RuntimeError):  # the daemon has stopped meanwhile
            loop.call_soon_threadsafe(settle, content, problem)

    threading.Thread(target=read, name="qwatch-quality-feed", daemon=True).start()
    return reading


def _series(sample: QualitySample) -> tuple[str, str]:
    return sample.metric.name, json.dumps(dict(sample.labels), sort_keys=True)
