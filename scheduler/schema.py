"""Brings the store's schema to the present revision."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError

from .errors import ConfigurationError


def upgrade(engine: Engine) -> str:
    """Migrate the database to the newest revision and return it.

    Raises:
        ConfigurationError: the database cannot be opened, or is newer than this qwatch.
    """
    config = _config()
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DatabaseError as error:
        raise ConfigurationError(f"store {engine.url}: cannot be opened: {error.orig}") from error
    except CommandError as error:
        raise ConfigurationError(
            f"store {engine.url}: was written by a newer qwatch ({error}); install that version"
        ) from error
    return head()


def head() -> str:
    """Return the newest revision that this qwatch knows."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    assert found is not None
    return found


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
