"""Stands beside another scheduler or a cloud resource and reads what they tell: it changes nothing."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from ...scheduler import schema
from ...scheduler.accounts import Accounts
from ...scheduler.errors import ConfigurationError, UnavailableError
from ...scheduler.settings import StoreSettings
from ...scheduler.store import Store
from ...scheduler.stored_time import store_time
from ...telemetry.instruments import Instruments
from .observed_device import ObservedDevice
from .settings import ObserverSettings

_REVIEW_SECONDS = 1.0
_SAVE_SECONDS = 15.0


class Observer:
    """All observed devices, and the store with their ledger and their time.

    Raises:
        ConfigurationError: there is nothing to observe, or the store is a database that is observed.
    """

    def __init__(
        self,
        settings: ObserverSettings,
        store: StoreSettings,
        accounts_file: Path | None,
        instruments: Instruments,
    ) -> None:
        if not settings.devices:
            raise ConfigurationError("observer.devices: name at least one; see docs/observer.md")
        for device in settings.devices:
            if device.peer_database is not None and device.peer_database.url == store.url:
                raise ConfigurationError(
                    f"store.url: is the database that is observed for {device.name}; name another one"
                )
        self.store = Store(store.url, instruments)
        self.schema_revision = schema.upgrade(self.store.engine)
        accounts = Accounts(accounts_file)
        self.devices = {
            item.name: ObservedDevice(item, self.store, instruments, accounts) for item in settings.devices
        }
        self.last_review_at = time.time()
        self._tasks: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        """Read what the store remembers, and begin to observe; ConfigurationError as for a device's sources."""
        self.store.start()
        self._loop = asyncio.get_running_loop()
        for device in self.devices.values():
            await device.load()
        self._tasks = [
            asyncio.create_task(watched.run()) for device in self.devices.values() for watched in device.sources
        ]
        self._tasks += [asyncio.create_task(self._review_forever()), asyncio.create_task(self._save_forever())]

    async def stop(self) -> None:
        """Stop observing, and store the time until now."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for device in self.devices.values():
            await device.end()
        await self.store.stop()

    def save_time(self, seconds: float) -> None:
        """Look at every device and store its time, from another thread than the event loop's."""
        store_time(self._loop, self.devices.values(), seconds)

    async def _review_forever(self) -> None:
        """Sources that fall silent call nobody: what they told is forgotten here."""
        while True:
            for device in self.devices.values():
                await device.review()
            self.last_review_at = time.time()
            await asyncio.sleep(_REVIEW_SECONDS)

    async def _save_forever(self) -> None:
        while True:
            await asyncio.sleep(_SAVE_SECONDS)
            for device in self.devices.values():
                try:
                    await device.save_time(timeout=_SAVE_SECONDS)
                except UnavailableError:
                    continue
