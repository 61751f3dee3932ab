"""One person's data, for an administrator: all of it told, or given up."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection

from .. import audit, run_time_settings
from ..audit import SITE, Actor, Entry
from ..errors import ConflictError, InvalidRequestError, NotFoundError
from ..run_time_settings import AUTHORIZED_USERS
from ..store import Store
from . import person as persons
from . import rewriting
from .erasure import Change, changes
from .person import Person
from .person_export import Page, page
from .pseudonyms import for_erasure

_PAUSE_SECONDS = 0.02
_STORE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure did: under which pseudonym, rows by table, and what remains, one sentence each."""

    pseudonym: str | None
    rows: dict[str, int]
    remains: list[str]


class Persons:
    """Exports and erases; both are in the audit log."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def export(
        self, actor: Actor, user: str | None, uid: int | None, table: str | None, after: Any | None
    ) -> Page:
        """Return a page of what is stored about a person; the first one without ``table``.

        Raises:
            NotFoundError: nothing is stored about them, or there is no such table.
        """

        def work(connection: Connection) -> Page:
            found = persons.find(connection, user, uid)
            known = [part.table.name for part in persons.parts(found)]
            if table is not None and table not in known:
                raise NotFoundError(f"there is no table {table!r} of persons")
            one = page(connection, found, table, after)
            # Pages without rows say nothing, and the last one says that it is the last.
            while not one.rows and one.table is not None:
                one = page(connection, found, one.table, one.after)
            return one

        one = await self._store.read(work, timeout=_STORE_SECONDS)
        if table is None:
            if not one.rows:
                raise NotFoundError(f"nothing is stored about {user or f'uid {uid}'}")
            who = {"user": user} if user is not None else {"uid": uid}
            await self._record(audit.entry(actor, time.time(), "person.export", SITE, "", who))
        return one

    async def erase(
        self, actor: Actor, user: str | None, uid: int | None, reason: str, rewrite: bool | None = None
    ) -> Erased:
        """Give up a person's name, and delete their programs, results and logs.

        ``rewrite`` says whether an SQLite file is written anew, while which writers wait; by default it is if
        it is small. Again, it does what is left to do; if nothing is, that is no error.

        Raises:
            ConflictError: the person has an open session or an unfinished job.
            InvalidRequestError: no reason, or one that names the person.
        """
        if not reason.strip():
            raise InvalidRequestError("reason: an erasure needs one, for the audit log")
        pseudonym = for_erasure()

        def look(connection: Connection) -> tuple[Person, str | None, bool, bool]:
            found = persons.find(connection, user, uid)
            anything = any(self._any(connection, change) for change in changes(found, pseudonym))
            allowed = run_time_settings.read(connection).get(AUTHORIZED_USERS) or []
            return found, persons.unfinished(connection, found), anything, found.uid in allowed

        found, unfinished, anything, authorised = await self._store.read(look, timeout=_STORE_SECONDS)
        if persons.mentions(found, reason):
            raise InvalidRequestError("reason: names the person, and the audit log keeps it; say it otherwise")
        if unfinished is not None:
            raise ConflictError(
                f"{user or f'uid {uid}'} has {unfinished}; revoke or cancel what is open, then run it again"
            )
        rows: Counter[str] = Counter()
        if anything:
            done = audit.entry(actor, time.time(), "person.erase", SITE, reason, {"pseudonym": pseudonym})
            await self._record(done)
            for change in changes(found, pseudonym):
                rows[change.key.table.name] += await self._change(change)
        remains = await self._clean(rewrite, bool(anything))
        if authorised:
            remains.append(f"uid {found.uid} may still use the devices: qwatch admin users remove {found.uid}")
        return Erased(pseudonym if anything else None, {name: n for name, n in rows.items() if n}, remains)

    @staticmethod
    def _any(connection: Connection, change: Change) -> bool:
        after = None
        while True:
            found, after = change.find(connection, after)
            if found or after is None:
                return bool(found)

    async def _change(self, change: Change) -> int:
        count, after = 0, None
        while True:
            found, after = await self._store.read(partial(change.find, after=after), timeout=_STORE_SECONDS)
            if found:
                count += await self._store.write(partial(change.write, found=found))
                await asyncio.sleep(_PAUSE_SECONDS)
            if after is None:
                return count

    async def _clean(self, rewrite: bool | None, changed: bool) -> list[str]:
        file = rewriting.file_of(self._store.engine)
        if file is None:
            return ["PostgreSQL keeps what was there in its files until VACUUM and in its archived log"]
        if rewrite or (rewrite is None and changed and file.stat().st_size <= rewriting.SMALL_BYTES):
            await asyncio.to_thread(rewriting.rewrite, self._store.engine)
            return []
        if not changed:
            return []
        await asyncio.to_thread(rewriting.empty_log, self._store.engine)
        return [
            "the free space of the database file may hold what was there before: run it again with --rewrite "
            "at a quiet time, for submissions wait while the file is written anew"
        ]

    async def _record(self, entry: Entry) -> None:
        await self._store.write(partial(audit.record, new=entry))
        audit.tell(entry)
