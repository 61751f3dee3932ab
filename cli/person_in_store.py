"""One person's data in a store that no daemon administers: an observer's, or one whose daemon is stopped."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry

from ..daemon.configuration import load_configuration
from ..reports.read_only_store import open_store
from ..scheduler.audit import Actor
from ..scheduler.privacy.persons import Persons
from ..scheduler.store import Store
from ..telemetry.instruments import Instruments

T = TypeVar("T")

_FROM = "command line"
"""What the audit log has in the place of an address."""


def export_page(config: Path, body: dict[str, Any]) -> dict[str, Any]:
    """Return a page as ``POST /admin/person/export`` does."""

    async def work(persons: Persons, actor: Actor) -> dict[str, Any]:
        found = await persons.export(
            actor, body.get("user"), body.get("uid"), body.get("table"), body.get("after")
        )
        return {"rows": found.rows, "table": found.table, "after": found.after}

    return _in_store(config, work)


def erase(config: Path, body: dict[str, Any]) -> dict[str, Any]:
    """Erase as ``POST /admin/person/erase`` does."""

    async def work(persons: Persons, actor: Actor) -> dict[str, Any]:
        done = await persons.erase(
            actor, body.get("user"), body.get("uid"), body["reason"], body.get("rewrite")
        )
        return {"pseudonym": done.pseudonym, "rows": done.rows, "remains": done.remains}

    return _in_store(config, work)


def _in_store(config: Path, work: Callable[[Persons, Actor], Awaitable[T]]) -> T:
    """Run ``work`` on the store of a configuration; ConfigurationError if it is not one of this version's."""
    url = load_configuration(config).store.url
    with open_store(url):
        pass  # that it is a store of this version was checked

    async def run() -> T:
        store = Store(url, Instruments(CollectorRegistry()))
        store.start()
        try:
            return await work(Persons(store), Actor(os.getuid(), _FROM))
        finally:
            await store.stop()

    return asyncio.run(run())
