"""The ledger as CSV and JSON Lines, a row at a time, however long it is; the columns are in docs/ledger.md."""

from __future__ import annotations

import csv
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any, Literal

from sqlalchemy import Column, Connection, Row, Select, select

from ..scheduler.errors import NotFoundError
from ..scheduler.tables import (
    device_activity,
    devices,
    ledger_corrections,
    ledger_jobs,
    ledger_quality,
    ledger_slurm_jobs,
    sessions,
)

Kind = Literal["text", "time", "number", "boolean", "labels"]
Format = Literal["csv", "jsonl"]
FORMATS: tuple[Format, ...] = ("csv", "jsonl")

_AT_ONCE = 1000
_FORMULA = tuple("=+-@\t\r\n'")
"""What a spreadsheet takes for a formula begins with one of these; the quote marks what was marked."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column: its name, what it holds, and what becomes of it in an anonymous export.

    ``hides`` is None for what tells nobody, else the space of its stand-ins: two names in one space have
    the same stand-in if they are the same name. An empty space leaves the column empty.
    """

    name: str
    column: Column[Any]
    kind: Kind = "text"
    hides: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of rows: its columns, the time that a period is about, and the device."""

    fields: tuple[Field, ...]
    at: Column[Any]
    qpu_id: Column[Any]

    def query(self, begin: float | None, end: float | None, device: str | None) -> Select[Any]:
        """Return the rows from ``begin`` to before ``end`` (Unix seconds), in the order of their time."""
        table = self.at.table
        query = select(*(field.column.label(field.name) for field in self.fields)).select_from(table)
        if any(field.column.table is ledger_slurm_jobs for field in self.fields):
            query = query.outerjoin_from(
                ledger_jobs, ledger_slurm_jobs, ledger_slurm_jobs.c.slurm_job_id == ledger_jobs.c.slurm_job_id
            )
        if begin is not None:
            query = query.where(self.at >= begin)
        if end is not None:
            query = query.where(self.at < end)
        if device is not None:
            query = query.where(self.qpu_id == device)
        return query.order_by(self.at, table.c.id)


def _jobs() -> Part:
    c = ledger_jobs.c
    return Part(
        (
            Field("source", c.source),
            Field("job", c.job, hides="job"),
            Field("session", c.session, hides="session"),
            Field("slurm_job_id", c.slurm_job_id, hides=""),
            Field("cluster", c.cluster, hides=""),
            Field("partition", ledger_slurm_jobs.c.partition),
            Field("user", c.user_name, hides="person"),
            Field("uid", c.uid, "number", hides=""),
            Field("account", c.account, hides="person"),
            Field("qpu_id", c.qpu_id),
            Field("resource_type", c.resource_type),
            Field("job_class", c.job_class),
            Field("sdk", c.sdk),
            Field("shots_requested", c.shots_requested, "number"),
            Field("shots_executed", c.shots_executed, "number"),
            Field("created", c.created_at, "time"),
            Field("started", c.started_at, "time"),
            Field("ended", c.ended_at, "time"),
            Field("busy_seconds", c.busy_seconds, "number"),
            Field("state", c.state),
            Field("reason", c.reason),
            Field("possible_double", c.possible_double, "boolean"),
            Field("trace_id", c.trace_id, hides=""),
        ),
        c.ended_at,
        c.qpu_id,
    )


def _activity() -> Part:
    c = device_activity.c
    return Part(
        (
            Field("qpu_id", c.qpu_id),
            Field("since", c.since, "time"),
            Field("activity", c.activity),
            Field("reason", c.reason, hides=""),
        ),
        c.since,
        c.qpu_id,
    )


def _quality() -> Part:
    c = ledger_quality.c
    return Part(
        (
            Field("qpu_id", c.qpu_id),
            Field("at", c.at, "time"),
            Field("source", c.source),
            Field("metric", c.metric),
            Field("labels", c.labels, "labels"),
            Field("value", c.value, "number"),
            Field("uncertainty", c.uncertainty, "number"),
        ),
        c.at,
        c.qpu_id,
    )


def _corrections() -> Part:
    c = ledger_corrections.c
    return Part(
        (
            Field("number", c.id, "number"),
            Field("at", c.at, "time"),
            Field("applies_at", c.applies_at, "time"),
            Field("account", c.account, hides="person"),
            Field("user", c.user_name, hides="person"),
            Field("qpu_id", c.qpu_id),
            Field("job", c.job, hides="job"),
            Field("busy_seconds", c.busy_seconds, "number"),
            Field("cost", c.cost, "number"),
            Field("reason", c.reason, hides=""),
            Field("made_by", c.made_by, hides="person"),
        ),
        c.applies_at,
        c.qpu_id,
    )


def _sessions() -> Part:
    c = sessions.c
    return Part(
        (
            Field("session", c.id, "number", hides="session"),
            Field("qpu_id", c.qpu_id),
            Field("user", c.user_name, hides="person"),
            Field("uid", c.uid, "number", hides=""),
            Field("account", c.account, hides="person"),
            Field("slurm_job_id", c.slurm_job_id, hides=""),
            Field("created", c.created_at, "time"),
            Field("ended", c.ended_at, "time"),
            Field("outcome", c.outcome),
        ),
        c.created_at,
        c.qpu_id,
    )


PARTS: Mapping[str, Part] = {
    "jobs": _jobs(),
    "activity": _activity(),
    "quality": _quality(),
    "corrections": _corrections(),
    "sessions": _sessions(),
}
"""What can be exported, by the word for it."""


def export(
    connection: Connection,
    what: str,
    file: IO[str],
    form: Format,
    *,
    begin: float | None = None,
    end: float | None = None,
    device: str | None = None,
    anonymous: bool = False,
    progress: Callable[[int], None] = lambda rows: None,
) -> int:
    """Write one part of the ledger, from ``begin`` to before ``end`` (Unix seconds), and return how many rows.

    An anonymous export has stand-ins for users, accounts, jobs and sessions that mean nothing outside of it,
    and nothing that leads back to a person.

    Raises:
        NotFoundError: the store has no such device.
    """
    _check_device(connection, device)
    part = PARTS[what]
    hide = _Stand(secrets.token_bytes(32)) if anonymous else None
    write = _csv(file, part) if form == "csv" else _json_lines(file, part)
    count = 0
    with connection.execution_options(yield_per=_AT_ONCE).execute(part.query(begin, end, device)) as result:
        for row in result:
            write(_values(part, row, hide))
            count += 1
            if count % 100_000 == 0:
                progress(count)
    return count


def read_csv(file: IO[str], what: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a CSV export as an export in JSON Lines has them; an empty field is None."""
    fields = {field.name: field for field in PARTS[what].fields}
    for row in csv.DictReader(file):
        yield {name: _of_csv(fields[name], value) for name, value in row.items()}


class _Stand:
    """Stand-ins with a key that is forgotten after the export."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def for_value(self, space: str, value: Any) -> str | None:
        if value is None or not space:
            return None
        digest = hmac.new(self._key, f"{space}:{value}".encode(), hashlib.sha256).hexdigest()
        return f"{space}-{digest[:12]}"


def _check_device(connection: Connection, device: str | None) -> None:
    if device is None:
        return
    known = sorted(connection.execute(select(devices.c.qpu_id)).scalars())
    if device not in known:
        raise NotFoundError(
            f"there is no device {device!r} in the store; there is {', '.join(known) or 'none'}"
        )


def _values(part: Part, row: Row[Any], hide: _Stand | None) -> list[Any]:
    found: list[Any] = []
    for field, value in zip(part.fields, row, strict=True):
        if hide is not None and field.hides is not None:
            found.append(hide.for_value(field.hides, value))
        elif value is None:
            found.append(None)
        elif field.kind == "time":
            found.append(_iso(value))
        elif field.kind == "labels":
            found.append(json.loads(value))
        elif field.kind == "boolean":
            found.append(bool(value))
        else:
            found.append(value)
    return found


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _json_lines(file: IO[str], part: Part) -> Callable[[list[Any]], None]:
    names = [field.name for field in part.fields]

    def write(values: list[Any]) -> None:
        file.write(json.dumps(dict(zip(names, values, strict=True)), ensure_ascii=False) + "\n")

    return write


def _csv(file: IO[str], part: Part) -> Callable[[list[Any]], None]:
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow([field.name for field in part.fields])
    kinds = [field.kind for field in part.fields]

    def write(values: list[Any]) -> None:
        writer.writerow([_to_csv(kind, value) for kind, value in zip(kinds, values, strict=True)])

    return write


def _to_csv(kind: Kind, value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if kind == "labels":
        return json.dumps(value, sort_keys=True)
    if isinstance(value, str) and kind != "time" and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def _of_csv(field: Field, value: str) -> Any:
    if value == "":
        return None
    if field.kind == "labels":
        return json.loads(value)
    if field.kind == "boolean":
        return value == "true"
    if field.kind == "number" and (field.hides is None or not value.startswith(field.hides or " ")):
        return int(value) if value.lstrip("-").isdigit() else float(value)
    return value[1:] if value.startswith("'") else value
