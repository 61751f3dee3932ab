"""Brings the store's schema to the present revision, or back to an earlier one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, column, func, inspect, select, table
from sqlalchemy.exc import DatabaseError

from .errors import ConfigurationError, InvalidRequestError


@dataclass(frozen=True, slots=True)
class Loss:
    """What a downgrade drops: a table with so many rows, or a column with so many values."""

    table: str
    column: str | None
    values: int

    def __str__(self) -> str:
        if self.column is None:
            return f"table {self.table}, with {self.values} rows"
        return f"column {self.table}.{self.column}, with {self.values} values"


def upgrade(engine: Engine, to: str = "head") -> str:
    """Migrate the database to a newer revision, by default the newest, and return the one it has then.

    Raises:
        ConfigurationError: the database cannot be opened, or is newer than this qwatch.
    """
    config = _config()
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, to)
            return revision_of(connection) or ""
    except DatabaseError as error:
        raise ConfigurationError(f"store {engine.url}: cannot be opened: {error.orig}") from error
    except CommandError as error:
        raise ConfigurationError(
            f"store {engine.url}: was written by a newer qwatch ({error}); install that version, "
            "or take the store back with its 'qwatch store downgrade'"
        ) from error


def losses(engine: Engine, to: str) -> list[Loss]:
    """Return what a downgrade to ``to`` would drop; nothing is changed.

    Raises:
        InvalidRequestError: ``to`` is not a revision before the store's.
    """
    with engine.connect() as connection:
        _check_is_earlier(connection, to)
        before = _columns(connection)
        try:
            _downgrade(connection, to)
            after = _columns(connection)
        finally:
            connection.rollback()
        found = [Loss(name, None, _count(connection, name)) for name in before if name not in after]
        for name in before.keys() & after.keys():
            found += [Loss(name, gone, _count(connection, name, gone)) for gone in before[name] - after[name]]
    return sorted(found, key=lambda loss: (loss.table, loss.column or ""))


def downgrade(engine: Engine, to: str) -> None:
    """Take the database back to an earlier revision; what that one does not know is dropped.

    Raises:
        InvalidRequestError: ``to`` is not a revision before the store's.
    """
    with engine.begin() as connection:
        _check_is_earlier(connection, to)
        _downgrade(connection, to)


def head() -> str:
    """Return the newest revision that this qwatch knows."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    assert found is not None
    return found


def revisions() -> dict[str, str]:
    """Return what each revision brought, the oldest first."""
    scripts = list(ScriptDirectory.from_config(_config()).walk_revisions())
    return {script.revision: script.doc for script in reversed(scripts)}


def revision_of(connection: Connection) -> str | None:
    """Return the revision of a store, None of an empty database."""
    return MigrationContext.configure(connection).get_current_revision()


def _check_is_earlier(connection: Connection, to: str) -> None:
    known = list(revisions())
    present = revision_of(connection)
    if present not in known:
        raise InvalidRequestError(
            f"the store's revision is {present or 'none'}, which this qwatch ({head()}) does not know; "
            "use the version that wrote it"
        )
    if to not in known:
        raise InvalidRequestError(f"--to {to}: is not a revision; there are {', '.join(known)}")
    if known.index(to) >= known.index(present):
        raise InvalidRequestError(f"--to {to}: the store's revision is {present}, which is not newer")


def _downgrade(connection: Connection, to: str) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.downgrade(config, to)


def _columns(connection: Connection) -> dict[str, set[str]]:
    inspector = inspect(connection)
    return {
        name: {found["name"] for found in inspector.get_columns(name)} for name in inspector.get_table_names()
    }


def _count(connection: Connection, name: str, of_column: str | None = None) -> int:
    counted = func.count() if of_column is None else func.count(column(of_column))
    return int(connection.execute(select(counted).select_from(table(name))).scalar_one())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
