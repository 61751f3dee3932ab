"""What administrators may do; everything is in the audit log, in the transaction of what it tells of."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection

from . import audit, run_time_settings, sessions, windows
from .audit import SITE, Actor, Entry
from .cancellation import Cancellation
from .device import Device
from .errors import ConflictError, UnavailableError
from .jobs import Job
from .run_time_settings import AUTHORIZED_USERS, DEFAULT_JOB_CLASS, RunTimeSettings
from .session_lifecycle import SessionLifecycle
from .sessions import Session
from .store import Store
from .windows import NewWindow, OpenWindows, Window, WindowKind

T = TypeVar("T")
_logger = logging.getLogger(__name__)

_REFRESH_SECONDS = 2.0


class Administration:
    """Windows of devices, settings at run time, anybody's jobs and sessions, and the log of it all."""

    def __init__(
        self,
        store: Store,
        devices: Mapping[str, Device],
        run_time: RunTimeSettings,
        cancellation: Cancellation,
        lifecycle: SessionLifecycle,
        timeout: float,
    ) -> None:
        self._store = store
        self._devices = devices
        self._run_time = run_time
        self._cancellation = cancellation
        self._lifecycle = lifecycle
        self._timeout = timeout
        self._changes = 0

    async def refresh(self) -> None:
        """Take over what the store holds: another process may have changed it."""
        changes = self._changes

        def work(connection: Connection) -> tuple[dict[str, Any], dict[str, OpenWindows]]:
            return run_time_settings.read(connection), windows.open_windows(connection)

        values, found = await self._store.read(work)
        # What was read before a change of our own is older than what is known.
        if changes == self._changes:
            await self._apply(values, found)

    async def refresh_forever(self) -> None:
        """Refresh every two seconds, until cancelled."""
        while True:
            await asyncio.sleep(_REFRESH_SECONDS)
            try:
                await self.refresh()
            except UnavailableError as error:
                _logger.warning("what administrators set was not read: %s", error)

    async def begin(self, actor: Actor, new: NewWindow, reason: str = "") -> Window:
        """Open a window, or change what the open one says.

        Raises:
            ConflictError: a calibration by another procedure is open.
        """
        now = time.time()

        def work(connection: Connection) -> tuple[Window, Entry]:
            window, opened = windows.open_window(connection, new, now, actor.name)
            action = f"{new.kind.value}.{'begin' if opened else 'change'}"
            details = {
                "message": window.message,
                "note": window.note,
                "announced_end_at": window.announced_end_at,
                "procedure": window.procedure,
                "allow_qa": window.allow_qa,
            }
            why = reason or window.message or window.note
            return window, audit.entry(actor, now, action, new.qpu_id, why, _given(details))

        return await self._change(work)

    async def end(
        self, actor: Actor, qpu_id: str, kind: WindowKind, result: str | None = None, reason: str = ""
    ) -> Window:
        """Close the open window of a kind; ConflictError if none is open."""
        closed = await self._close(actor, qpu_id, kind, result, reason)
        if closed is None:
            raise ConflictError(f"no {kind.value} of {qpu_id} is open")
        return closed

    async def resume(self, actor: Actor, qpu_id: str, reason: str = "") -> Window | None:
        """End the drain of a device; None if it was not drained, which is no error."""
        return await self._close(actor, qpu_id, WindowKind.DRAIN, None, reason)

    async def cancel_job(self, actor: Actor, job_id: int, reason: str = "") -> Job:
        """Cancel anybody's job; AlreadyFinishedError if it ended."""
        done: list[Entry] = []

        def also(connection: Connection, job: Job) -> None:
            target = f"{job.qpu_id}/job/{job.id}"
            details = {"user": job.user_name, "state": job.state.value}
            done[:] = [audit.entry(actor, time.time(), "job.cancel", target, reason, details)]
            audit.record(connection, done[0])

        job = await self._cancellation.cancel(job_id, actor.uid, by_admin=True, also=also)
        audit.tell(done[0])
        return job

    async def revoke_session(self, actor: Actor, number: int, reason: str = "") -> Session:
        """Revoke anybody's session; NotFoundError if there is none, or it has ended."""
        also, done = self._revoking(actor, reason)
        session = await self._lifecycle.revoke(number, also)
        audit.tell(done[0])
        return session

    async def end_session(self, actor: Actor, token: str, may_revoke: bool) -> Session:
        """Release one's own session; with ``may_revoke`` anybody's, which is in the audit log."""
        also, done = self._revoking(actor, "")
        session = await self._lifecycle.end(token, actor.uid, may_revoke, also)
        for act in done:
            audit.tell(act)
        return session

    async def held_sessions(self, qpu_id: str | None) -> list[tuple[Session, int]]:
        """Return the sessions that are held, each with the number of its jobs that have not ended."""

        def work(connection: Connection) -> list[tuple[Session, int]]:
            unfinished = sessions.unfinished_jobs(connection)
            return [(item, unfinished.get(item.id, 0)) for item in sessions.held(connection, qpu_id)]

        return await self._store.read(work, timeout=self._timeout)

    async def set_authorized_users(self, actor: Actor, users: Sequence[int] | None, reason: str = "") -> None:
        """Say who may use the devices, whatever the configuration says; None means all users."""
        value = None if users is None else sorted(set(users))
        await self._set(actor, AUTHORIZED_USERS, lambda _: value, "authorized_users.set", reason)

    async def change_authorized_users(
        self, actor: Actor, *, add: Sequence[int] = (), remove: Sequence[int] = (), reason: str = ""
    ) -> None:
        """Add users to those who may use the devices, or remove some; ConflictError while all users may."""

        def value(connection: Connection) -> list[int]:
            stored = run_time_settings.read(connection)
            now = stored.get(AUTHORIZED_USERS, self._run_time.configured_users)
            if now is None:
                raise ConflictError("all users are authorised; set the list of those who are to be first")
            return sorted((set(now) | set(add)) - set(remove))

        action = "authorized_users.add" if add else "authorized_users.remove"
        await self._set(actor, AUTHORIZED_USERS, value, action, reason)

    async def set_default_job_class(self, actor: Actor, job_class: str, reason: str = "") -> None:
        """Say which class a job has that names none."""
        await self._set(actor, DEFAULT_JOB_CLASS, lambda _: job_class, "default_job_class.set", reason)

    async def reset(self, actor: Actor, key: str, reason: str = "") -> None:
        """Let the configuration's setting hold again."""
        now = time.time()

        def work(connection: Connection) -> tuple[None, Entry]:
            run_time_settings.reset(connection, key)
            return None, audit.entry(actor, now, f"{key}.reset", SITE, reason)

        await self._change(work)

    async def audit_entries(
        self, *, limit: int, since: float | None = None, qpu_id: str | None = None, before: int | None = None
    ) -> list[Entry]:
        """Return what administrators did, newest first."""
        return await self._store.read(
            lambda connection: audit.entries(
                connection, limit=limit, since=since, qpu_id=qpu_id, before=before
            ),
            timeout=self._timeout,
        )

    async def windows_of(self, qpu_id: str, limit: int) -> Sequence[Window]:
        """Return the windows of a device, newest first."""
        return await self._store.read(
            lambda connection: windows.history(connection, qpu_id, limit), timeout=self._timeout
        )

    async def _close(
        self, actor: Actor, qpu_id: str, kind: WindowKind, result: str | None, reason: str
    ) -> Window | None:
        now = time.time()

        def work(connection: Connection) -> tuple[Window | None, Entry | None]:
            closed = windows.close_window(connection, qpu_id, kind, now, actor.name, result)
            if closed is None:
                return None, None
            details = {"procedure": closed.procedure, "result": result, "seconds": now - closed.opened_at}
            return closed, audit.entry(actor, now, f"{kind.value}.end", qpu_id, reason, _given(details))

        return await self._change(work)

    async def _set(
        self, actor: Actor, key: str, value: Callable[[Connection], Any], action: str, reason: str
    ) -> None:
        now = time.time()

        def work(connection: Connection) -> tuple[None, Entry]:
            new = value(connection)
            run_time_settings.write(connection, key, new)
            return None, audit.entry(actor, now, action, SITE, reason, {key: new})

        await self._change(work)

    async def _change(self, work: Callable[[Connection], tuple[T, Entry | None]]) -> T:
        """Do ``work`` and write its entry to the audit log; what it changes holds when this returns."""

        def both(
            connection: Connection,
        ) -> tuple[T, Entry | None, dict[str, Any], dict[str, OpenWindows]]:
            value, done = work(connection)
            if done is not None:
                audit.record(connection, done)
            return value, done, run_time_settings.read(connection), windows.open_windows(connection)

        value, done, settings, found = await self._store.write(both, timeout=self._timeout)
        self._changes += 1
        await self._apply(settings, found)
        if done is not None:
            audit.tell(done)
        return value

    async def _apply(self, values: Mapping[str, Any], found: Mapping[str, OpenWindows]) -> None:
        self._run_time.apply(values)
        for name, device in self._devices.items():
            await device.set_windows(found.get(name, OpenWindows()))

    def _revoking(self, actor: Actor, reason: str) -> tuple[Callable[[Connection, Session], None], list[Entry]]:
        done: list[Entry] = []

        def also(connection: Connection, session: Session) -> None:
            target = f"{session.qpu_id}/session/{session.id}"
            details = {"user": session.user_name, "slurm_job_id": session.slurm_job_id}
            done[:] = [audit.entry(actor, time.time(), "session.revoke", target, reason, _given(details))]
            audit.record(connection, done[0])

        return also, done


def _given(details: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in details.items() if value not in (None, "")}
