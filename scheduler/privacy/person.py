"""Who a person is in the store, and which rows are about them."""

from __future__ import annotations

import contextlib
import pwd
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, false, or_, select, union

from ..errors import ConflictError, InvalidRequestError
from ..tables import (
    OPEN_SESSION,
    UNFINISHED,
    audit_log,
    device_windows,
    job_log,
    job_payloads,
    job_results,
    jobs,
    ledger_corrections,
    ledger_jobs,
    ledger_slurm_jobs,
    sessions,
    slices,
)
from .pseudonymisation import OWN_NAME
from .pseudonyms import Pseudonyms, is_pseudonym, known


@dataclass(frozen=True, slots=True)
class Person:
    """The names under which one person is in the store, pseudonyms included; the uid if it is known."""

    names: tuple[str, ...]
    uid: int | None

    @property
    def own_names(self) -> tuple[str, ...]:
        """The names that tell who it is."""
        return tuple(name for name in self.names if not is_pseudonym(name))


def find(connection: Connection, user: str | None, uid: int | None) -> Person:
    """Return the person with a login name, or with a uid.

    Raises:
        InvalidRequestError: neither or both are given, or it is no person.
        ConflictError: the uid belonged to several names.
    """
    if (user is None) == (uid is None):
        raise InvalidRequestError("user, uid: give one of them")
    if user is None:
        assert uid is not None
        names = _names_of(connection, uid)
    else:
        names = {user}
        uid = _uid_of(user)
        if uid is not None:
            # The system may not have known the name when the row was written.
            names.add(str(uid))
    if OWN_NAME in names:
        raise InvalidRequestError(f"{OWN_NAME} is no person: these are the daemon's own jobs")
    pseudonyms = known(connection) or Pseudonyms(b"")
    return Person(tuple(sorted(names | {pseudonyms.of(name) for name in names})), uid)


def unfinished(connection: Connection, person: Person) -> str | None:
    """Return what of a person has not ended, in words; None if nothing."""
    held = connection.execute(
        select(sessions.c.id).where(OPEN_SESSION, sessions.c.user_name.in_(person.names))
    ).scalars()
    waiting = connection.execute(
        select(jobs.c.id).where(UNFINISHED, jobs.c.user_name.in_(person.names))
    ).scalars()
    found = [f"open session {number}" for number in held] + [f"unfinished job {number}" for number in waiting]
    return ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "") if found else None


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one table that are about a person, and the column that orders them.

    Where ``told`` is set, a text may only seem to name the person: :func:`mentions` tells.
    """

    table: Table
    key: Column[Any]
    about: ColumnElement[bool]
    told: bool = False


def parts(person: Person) -> Sequence[Part]:
    """Return where a person is in the store."""
    names = person.names
    own_jobs = select(jobs.c.id).where(jobs.c.user_name.in_(names))
    slurm_jobs = union(
        *(select(table.c.slurm_job_id).where(table.c.user_name.in_(names)) for table in (sessions, ledger_jobs))
    )
    slurm, corrections, windows, acts = ledger_slurm_jobs.c, ledger_corrections.c, device_windows.c, audit_log.c
    return [
        Part(sessions, sessions.c.id, sessions.c.user_name.in_(names)),
        Part(jobs, jobs.c.id, jobs.c.user_name.in_(names)),
        *(
            Part(table, key, table.c.job_id.in_(own_jobs))
            for table, key in (
                (job_payloads, job_payloads.c.job_id),
                (job_results, job_results.c.job_id),
                (job_log, job_log.c.id),
                (slices, slices.c.id),
            )
        ),
        Part(ledger_jobs, ledger_jobs.c.id, ledger_jobs.c.user_name.in_(names)),
        Part(
            ledger_slurm_jobs,
            slurm.slurm_job_id,
            or_(slurm.slurm_job_id.in_(slurm_jobs), slurm.account.in_(names)),
        ),
        Part(
            ledger_corrections,
            corrections.id,
            or_(
                *(c.in_(names) for c in (corrections.user_name, corrections.account, corrections.made_by)),
                may_mention(person, corrections.reason),
            ),
            told=True,
        ),
        Part(
            device_windows,
            windows.id,
            or_(
                windows.opened_by.in_(names),
                windows.closed_by.in_(names),
                may_mention(person, windows.message, windows.note),
            ),
            told=True,
        ),
        Part(
            audit_log,
            acts.id,
            or_(acts.user_name.in_(names), may_mention(person, acts.reason, acts.details)),
            told=True,
        ),
    ]


def may_mention(person: Person, *columns: Column[Any]) -> ColumnElement[bool]:
    """Tell whether texts have the letters of a person's name."""
    return or_(
        false(),
        *(column.contains(name, autoescape=True) for column in columns for name in _spoken(person)),
    )


def mentions(person: Person, text: str) -> bool:
    """Whether a text has a person's name as a word."""
    return _pattern(_spoken(person)).search(text) is not None


def without_name(person: Person, text: str, instead: str) -> str:
    """Return a text with ``instead`` where it has the person's name as a word."""
    return _pattern(_spoken(person)).sub(instead, text)


def _spoken(person: Person) -> tuple[str, ...]:
    """A uid alone is any number."""
    return tuple(name for name in person.names if not name.isdigit())


@lru_cache(maxsize=8)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    if not names:
        return re.compile(r"(?!)")
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, names))})(?![\w-])")


def _uid_of(user: str) -> int | None:
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return None


def _names_of(connection: Connection, uid: int) -> set[str]:
    stored = connection.execute(
        union(*(select(table.c.user_name).where(table.c.uid == uid) for table in (jobs, sessions, ledger_jobs)))
    ).scalars()
    names = {name for name in stored if name != OWN_NAME and name != str(uid)}
    with contextlib.suppress(KeyError):
        names.add(pwd.getpwuid(uid).pw_name)
    if len(names) > 1:
        raise ConflictError(f"uid {uid} was {' and '.join(sorted(names))}; give one of these names")
    return names | {str(uid)}
