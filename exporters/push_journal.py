"""What of a folder's telemetry files was sent: a journal beside them, on disk before the next is sent."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from pathlib import Path
from types import TracebackType

NAME = "qwatch-pushed.journal"


class JournalError(RuntimeError):
    """What was sent cannot be remembered; the message is one line."""


class PushJournal:
    """Remembers for each file how many bytes of it were sent.

    A file is known by its first line, which holds ids that no other has, and not by its name: a full file is
    renamed while its program runs. Only one process at a time holds the journal of a folder.

    Raises:
        JournalError: another process holds it, or the folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / NAME
        try:
            self._file = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise JournalError(f"{path}: {error.strerror}; what was sent must be remembered there") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise JournalError(f"{folder}: another 'qwatch push' is at work here") from error
        self._sent: dict[str, int] = {}
        self._file.seek(0)
        for line in self._file:
            # The last line may be torn, if the machine went down: then its request is sent again.
            with contextlib.suppress(ValueError, TypeError, KeyError):
                entry = json.loads(line)
                self._sent[str(entry["file"])] = int(entry["bytes"])
        if not self._ends_whole(path):
            self._file.write("\n")

    def __enter__(self) -> PushJournal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def sent(self, identity: str) -> int:
        """Return how many bytes of a file were sent."""
        return self._sent.get(identity, 0)

    def note(self, identity: str, name: str, position: int) -> None:
        """Remember that a file was sent up to ``position``; on disk when this returns."""
        self._sent[identity] = position
        self._file.write(json.dumps({"file": identity, "name": name, "bytes": position}) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    @staticmethod
    def _ends_whole(path: Path) -> bool:
        content = path.read_bytes()
        return not content or content.endswith(b"\n")


def identity_of(first_line: bytes) -> str:
    """Return what a file is known by."""
    return hashlib.sha256(first_line).hexdigest()
