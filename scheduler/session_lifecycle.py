"""Sessions from acquire to release: opened for users, ended by them, by administrators, or by the watchdog."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Connection

from ..telemetry.instruments import Instruments
from ..telemetry.redaction import hashed
from . import job_telemetry, sessions
from .accounts import Accounts, user_name
from .device import Device
from .errors import NotFoundError
from .sessions import NewSession, Session
from .store import Store

Also = Callable[[Connection, Session], None]
"""What is done in the transaction that revokes a session."""


class SessionLifecycle:
    """Creates and ends sessions, and tells of it."""

    def __init__(self, store: Store, accounts: Accounts, instruments: Instruments, timeout: float) -> None:
        self._store = store
        self._accounts = accounts
        self._instruments = instruments
        self._timeout = timeout

    async def create(
        self, device: Device, uid: int, slurm_job_id: str | None, created_by: int, name: str | None = None
    ) -> str:
        """Create a session and return its token; ``name`` is user and account of one that is qwatch's own."""
        token = sessions.new_token()
        new = NewSession(
            uid=uid,
            user_name=name or user_name(uid),
            account=name or self._accounts.of(uid),
            slurm_job_id=slurm_job_id,
            qpu_id=device.name,
            created_by=created_by,
            created_at=time.time(),
        )
        await self._store.write(
            lambda connection: sessions.create(connection, new, token), timeout=self._timeout
        )
        job_telemetry.session_begun(new, hashed(token))
        return token

    async def end(self, token: str, uid: int, may_revoke: bool, also: Also | None = None) -> Session:
        """Release a session of one's own, or revoke any with ``may_revoke``; NotFoundError for others."""

        def work(connection: Connection) -> tuple[Session, str | None]:
            session = sessions.find(connection, token)
            if session is None or (session.uid != uid and not may_revoke):
                raise NotFoundError("there is no such session")
            outcome = "released" if uid in (session.uid, session.created_by) else "revoked"
            ended = sessions.end(connection, session.id, time.time(), outcome)
            if ended and outcome == "revoked" and also is not None:
                also(connection, session)
            return session, outcome if ended else None

        session, outcome = await self._store.write(work, timeout=self._timeout)
        self._ended(session, outcome)
        return session

    async def revoke(self, number: int, also: Also) -> Session:
        """Revoke the session with this number; NotFoundError if there is none, or it has ended."""

        def work(connection: Connection) -> Session:
            if not sessions.end(connection, number, time.time(), "revoked"):
                raise NotFoundError(f"there is no open session {number}")
            found = sessions.by_id(connection, number)
            also(connection, found)
            return found

        session = await self._store.write(work, timeout=self._timeout)
        self._ended(session, "revoked")
        return session

    async def expire(self, choose: Callable[[Connection], list[Session]]) -> list[Session]:
        """End the sessions that ``choose`` returns as expired, in one transaction; return those it ended."""

        def work(connection: Connection) -> list[Session]:
            now = time.time()
            return [
                session
                for session in choose(connection)
                if sessions.end(connection, session.id, now, "expired")
            ]

        ended = await self._store.write(work)
        for session in ended:
            self._ended(session, "expired")
        return ended

    def _ended(self, session: Session, outcome: str | None) -> None:
        if outcome is not None:
            job_telemetry.session_ended(self._instruments, session, outcome, session.hash, time.time())
