"""A peer's ended job as a row of the ledger; what the peer does not know stays unknown."""

from __future__ import annotations

from uuid import UUID

from ...scheduler.accounts import Accounts, user_name
from ...scheduler.ledger import LedgerJob
from ...telemetry.redaction import hashed
from .settings import ObservedDeviceSettings

FINAL = {"DONE": "none", "CANCELED": "other", "ERROR": "other"}
"""The peer's final states, and why: it does not tell who cancelled, nor whose fault an error was."""

_INTEGER = 2**31
_LONGEST = 255


class PeerJobs:
    """Makes rows of one device's jobs."""

    def __init__(self, settings: ObservedDeviceSettings, accounts: Accounts) -> None:
        self._settings = settings
        self._accounts = accounts

    def row(
        self,
        *,
        job: str,
        session: str,
        user: str,
        slurm_job: str | None,
        status: str,
        shots: int | None,
        created_at: float,
        started_at: float | None,
        ended_at: float,
    ) -> LedgerJob:
        """Return the row of a job that ended; times in Unix seconds. What a column cannot hold is cut."""
        shots = shots if isinstance(shots, int) and 0 <= shots < _INTEGER else None
        uid = _uid(user)
        user = _short(user)
        return LedgerJob(
            source=self._settings.ledger_source,
            job=_short(job),
            session=session_hash(session),
            slurm_job_id=_short(slurm_job) if slurm_job else None,
            uid=uid,
            user_name=user if uid is None else user_name(uid),
            account=user if uid is None else self._accounts.of(uid),
            qpu_id=self._settings.name,
            resource_type=self._settings.resource_type,
            job_class=self._settings.job_class,
            shots_requested=shots,
            shots_executed=shots if status == "DONE" else None,
            created_at=min(created_at, ended_at if started_at is None else started_at),
            started_at=started_at,
            ended_at=ended_at,
            busy_seconds=None if started_at is None else max(ended_at - started_at, 0.0),
            state=status,
            reason=FINAL[status],
        )


def _uid(user: str) -> int | None:
    """Return the uid, if it is one: the peer keeps users as text."""
    if not (user.isascii() and user.isdigit()) or len(user) > 10:
        return None
    return uid if (uid := int(user)) < _INTEGER else None


def _short(text: str) -> str:
    return text.replace("\0", "")[:_LONGEST]


def session_hash(session: str) -> str:
    """Return the form in which a peer's session may be kept: its id is what a user acquires, a credential."""
    try:
        # Databases keep it with or without dashes; users' programs know it with them.
        return hashed(str(UUID(session)))
    except ValueError:
        return hashed(session)
