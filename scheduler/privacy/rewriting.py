"""Takes out of an SQLite file what its free space still holds of rows that are gone."""

from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy import Engine

from ..errors import UnavailableError

SMALL_BYTES = 64 * 2**20
"""What is rewritten in about a second."""

_ATTEMPTS = 50
_PAUSE_SECONDS = 0.1


def file_of(engine: Engine) -> Path | None:
    """Return the store's SQLite file; None if it is another database."""
    return Path(engine.url.database) if engine.dialect.name == "sqlite" and engine.url.database else None


def rewrite(engine: Engine) -> None:
    """Write an SQLite file anew, without its free space, and empty its write-ahead log.

    Writers wait meanwhile; ``UnavailableError`` if they do not let it begin.
    """
    _pragma(engine, "VACUUM")
    empty_log(engine)


def empty_log(engine: Engine) -> None:
    """Move what is in an SQLite file's write-ahead log to the file, and cut the log to nothing."""
    for _ in range(_ATTEMPTS):
        if _pragma(engine, "PRAGMA wal_checkpoint(TRUNCATE)") == 0:
            return
        # Somebody reads what the log holds.
        time.sleep(_PAUSE_SECONDS)
    raise UnavailableError("the write-ahead log could not be emptied, because somebody reads; run it again")


def _pragma(engine: Engine, statement: str) -> int | None:
    for attempt in range(_ATTEMPTS):
        connection = engine.raw_connection()
        try:
            # Not in a transaction: SQLite refuses both in one.
            row = connection.cursor().execute(statement).fetchone()
            return None if row is None else int(row[0])
        except Exception as error:
            if "locked" not in str(error) and "busy" not in str(error):
                raise
            if attempt == _ATTEMPTS - 1:
                raise UnavailableError("the store is too busy to be rewritten; run it again") from error
            time.sleep(_PAUSE_SECONDS)
        finally:
            connection.close()
    raise AssertionError
