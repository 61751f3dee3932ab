"""The audit log: what administrators did, when, why and from where. Entries are appended and never changed."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, or_, select

from ..telemetry import log_fields
from .accounts import user_name
from .tables import audit_log

_logger = logging.getLogger(__name__)

SITE = "site"
"""Target of what concerns no device."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who administers, and from where: an address, or the name of the local way."""

    uid: int
    address: str

    @property
    def name(self) -> str:
        """The login name."""
        return user_name(self.uid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One act; ``at`` in Unix seconds.

    ``target`` is a device's name, ``{device}/job/{number}``, ``{device}/session/{number}`` or ``site``.
    """

    at: float
    uid: int
    user_name: str
    address: str
    action: str
    target: str
    reason: str
    details: Mapping[str, Any]
    id: int = 0


def entry(
    actor: Actor, at: float, action: str, target: str, reason: str, details: Mapping[str, Any] | None = None
) -> Entry:
    """Return an entry for what ``actor`` does."""
    return Entry(
        at=at,
        uid=actor.uid,
        user_name=actor.name,
        address=actor.address,
        action=action,
        target=target,
        reason=reason,
        details=details or {},
    )


def record(connection: Connection, new: Entry) -> None:
    """Append an entry, in the transaction of what it tells of."""
    connection.execute(
        insert(audit_log).values(
            at=new.at,
            uid=new.uid,
            user_name=new.user_name,
            address=new.address,
            action=new.action,
            target=new.target,
            reason=new.reason,
            details=json.dumps(dict(new.details), sort_keys=True),
        )
    )


def tell(done: Entry) -> None:
    """Log an act after its commit, for the site's log store."""
    device = done.target.partition("/")[0]
    _logger.info(
        "administration: %s %s by %s%s",
        done.action,
        done.target,
        done.user_name,
        f": {done.reason}" if done.reason else "",
        extra={
            log_fields.ACTION: done.action,
            log_fields.TARGET: done.target,
            log_fields.USER: done.user_name,
            log_fields.UID: done.uid,
            log_fields.PEER: done.address,
            log_fields.REASON: done.reason,
        }
        | ({} if device == SITE else {log_fields.QPU_ID: device}),
    )


def entries(
    connection: Connection,
    *,
    limit: int,
    since: float | None = None,
    qpu_id: str | None = None,
    before: int | None = None,
) -> list[Entry]:
    """Return entries, newest first: from ``since`` (Unix seconds), of one device, numbered below ``before``."""
    columns = audit_log.c
    query = select(audit_log).order_by(columns.id.desc()).limit(limit)
    if since is not None:
        query = query.where(columns.at >= since)
    if qpu_id is not None:
        query = query.where(
            or_(columns.target == qpu_id, columns.target.startswith(f"{qpu_id}/", autoescape=True))
        )
    if before is not None:
        query = query.where(columns.id < before)
    return [
        Entry(**(row._asdict() | {"details": json.loads(row.details)})) for row in connection.execute(query)
    ]
