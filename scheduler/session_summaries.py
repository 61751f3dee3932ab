"""What users' processes tell of their sessions: calls and errors, so that errors there can be alerted on.

The sender is the user, and what a user sends is not trusted: it comes with a session that is, or lately was,
the user's own, within closed enumerations and bounds, and only so often for one session.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from ..telemetry import client_metrics, log_fields
from ..telemetry.instruments import Instruments
from ..telemetry.redaction import hashed
from . import sessions
from .errors import PermissionDeniedError
from .sessions import Session
from .store import Store

_logger = logging.getLogger(__name__)

GRACE_SECONDS = 300.0
"""So long after its end a session may still be told of: the release itself is part of the summary."""

MOST_SUMMARIES = 256
"""Of one session: each process of a job tells its own."""

MOST_CALLS = 10_000_000
"""What a count in one summary is cut to."""

MOST_BYTES = 2**40
_MOST_SESSIONS = 4096
_THIS_API = "pasqal-local"


@dataclass(frozen=True, slots=True)
class Summary:
    """What one process did in a session."""

    resource_type: str
    sdk: str | None
    calls: Mapping[tuple[str, str], int]
    """By operation and error type, which is empty for success."""
    polls: int
    bytes_sent: int
    bytes_received: int


class SessionSummaries:
    """Counts what sessions tell."""

    def __init__(self, store: Store, instruments: Instruments, store_timeout: float) -> None:
        self._store = store
        self._instruments = instruments
        self._store_timeout = store_timeout
        self._told: OrderedDict[int, int] = OrderedDict()
        _initialise(instruments)

    async def add(self, token: str, uid: int, summary: Summary) -> None:
        """Count the summary of the session that ``token`` opens.

        Raises:
            PermissionDeniedError: the session is unknown, another user's, ended too long ago, or told enough.
        """

        def work(connection: Connection) -> Session | None:
            return sessions.find(connection, token)

        session = await self._store.read(work, timeout=self._store_timeout)
        if session is None or session.uid != uid:
            raise PermissionDeniedError("there is no such session of yours")
        if session.ended_at is not None and time.time() > session.ended_at + GRACE_SECONDS:
            raise PermissionDeniedError(f"the session ended more than {GRACE_SECONDS:.0f} s ago")
        told = self._told.get(session.id, 0)
        if told >= MOST_SUMMARIES:
            raise PermissionDeniedError(f"the session has told {MOST_SUMMARIES} summaries already")
        self._told[session.id] = told + 1
        self._told.move_to_end(session.id)
        if len(self._told) > _MOST_SESSIONS:
            self._told.popitem(last=False)
        self._count(summary)
        _logger.info("session summary", extra=_fields(session, hashed(token), summary))

    def _count(self, summary: Summary) -> None:
        for (operation, error_type), count in summary.calls.items():
            self._instruments.add(
                client_metrics.CALLS,
                min(count, MOST_CALLS),
                operation=operation,
                resource_type=summary.resource_type,
                error_type=error_type,
            )


def _initialise(instruments: Instruments) -> None:
    """Create the series at 0 for what this daemon's users call, and the error that its refusals become."""
    (operations, _, _) = client_metrics.CALLS.labels
    for operation in operations.values or ():
        for error_type in ("", "QrmiError"):
            instruments.add(
                client_metrics.CALLS,
                0,
                operation=operation,
                resource_type=_THIS_API,
                error_type=error_type,
            )


def _fields(session: Session, session_hash: str, summary: Summary) -> dict[str, object]:
    return {
        log_fields.QPU_ID: session.qpu_id,
        log_fields.SESSION: session_hash,
        log_fields.USER: session.user_name,
        log_fields.SLURM_JOB_ID: session.slurm_job_id,
        log_fields.SDK: summary.sdk,
        log_fields.RESOURCE_TYPE: summary.resource_type,
        log_fields.CALLS: min(sum(summary.calls.values()), MOST_CALLS),
        log_fields.ERRORS: min(sum(count for (_, error), count in summary.calls.items() if error), MOST_CALLS),
        log_fields.POLLS: min(summary.polls, MOST_CALLS),
        log_fields.BYTES_SENT: min(summary.bytes_sent, MOST_BYTES),
        log_fields.BYTES_RECEIVED: min(summary.bytes_received, MOST_BYTES),
    }
