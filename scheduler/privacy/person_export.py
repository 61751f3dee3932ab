"""All that is stored about one person, as rows, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from ..tables import sessions
from .person import Person, mentions, parts

_ROWS = 500
_CHARACTERS = 4 * 2**20

_LEFT_OUT = {sessions.c.token_sha256}
"""A credential's shadow is nobody's data."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a table, and where the next page begins; ``table`` is None after the last one."""

    rows: list[dict[str, Any]]
    table: str | None
    after: Any | None


def page(connection: Connection, person: Person, table: str | None, after: Any | None) -> Page:
    """Return the next rows about a person: at most 500, and about 4 MB of programs and results."""
    found = parts(person)
    names = [part.table.name for part in found]
    position = 0 if table is None else names.index(table)
    part = found[position]
    query = (
        select(*(column for column in part.table.c if column not in _LEFT_OUT), part.key.label("_key"))
        .where(part.about)
        .order_by(part.key)
        .limit(_ROWS)
    )
    if after is not None:
        query = query.where(part.key > after)
    rows: list[dict[str, Any]] = []
    size, last, full = 0, None, False
    with connection.execution_options(yield_per=10).execute(query) as result:
        for row in result:
            values = row._asdict()
            last = values.pop("_key")
            if part.told and not _tells_of(person, values):
                continue
            rows.append({"table": part.table.name, "row": values})
            size += sum(len(value) for value in values.values() if isinstance(value, str))
            full = len(rows) == _ROWS or size > _CHARACTERS
            if full:
                break
    if full:
        return Page(rows, part.table.name, last)
    return Page(rows, names[position + 1] if position + 1 < len(names) else None, None)


def _tells_of(person: Person, values: dict[str, Any]) -> bool:
    return any(value in person.names or mentions(person, str(value)) for value in values.values())
