"""Reads another program's PostgreSQL database in transactions that the server itself keeps read-only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from ...scheduler.errors import ConfigurationError
from ...telemetry.redaction import REDACTOR
from .source import SourceError

T = TypeVar("T")


class ReadOnlyPostgresql:
    """One connection, kept; every session of it is read-only and bounded in time by the server.

    Raises:
        ConfigurationError: the driver is not installed, or the password file cannot be read.
    """

    def __init__(self, url: str, password_file: Path | None, timeout: float) -> None:
        parsed = make_url(url).set(drivername="postgresql+psycopg")
        if password_file is not None:
            try:
                password = password_file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigurationError(f"observer: password_file {password_file}: {error}") from error
            REDACTOR.keep_secret(password)
            parsed = parsed.set(password=password)
        milliseconds = max(int(timeout * 1000), 1)
        try:
            self._engine = create_engine(
                parsed,
                poolclass=QueuePool,
                pool_size=1,
                max_overflow=0,
                pool_pre_ping=True,
                isolation_level="REPEATABLE READ",
                connect_args={
                    "connect_timeout": max(int(timeout), 1),
                    "application_name": "qwatch observer",
                    "options": f"-c default_transaction_read_only=on -c statement_timeout={milliseconds} "
                    f"-c lock_timeout={milliseconds}",
                },
            )
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                "observer: peer_database: the driver is missing; pip install 'qwatch[postgresql]'"
            ) from error

    def read(self, work: Callable[[Connection], T]) -> T:
        """Return what ``work`` reads, all of it as of one moment; SourceError if the server does not serve."""
        try:
            with self._engine.connect().execution_options(postgresql_readonly=True) as connection:
                return work(connection)
        except DBAPIError as error:
            lines = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
            raise SourceError(f"PostgreSQL: {lines[0]}") from error

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()
