"""A site's own measurements (cryostat, laser, room): a script's output or a file in Prometheus' format."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence

from prometheus_client import Metric as Family

from .background import BackgroundReader, Reading
from .command import output_of
from .external_text import families_in
from .settings import ExternalSettings

NAME_PREFIX = "external:"
_OURS = ("QWATCH_", "OTEL_")


class ExternalFileError(Exception):
    """The file cannot be told; the message is one line."""


class ExternalCollector:
    """Reads one source in the background. What it no longer prints is gone at the next reading."""

    def __init__(self, settings: ExternalSettings) -> None:
        self.name = f"{NAME_PREFIX}{settings.name}"
        self._settings = settings
        self._reader = BackgroundReader(self.name, self._read, settings.interval, settings.stale_after)

    def start(self) -> None:
        """Begin to read."""
        self._reader.start()

    def stop(self) -> None:
        """Read no more; a command that runs is killed."""
        self._reader.stop()

    @property
    def last_reading(self) -> Reading[tuple[Family, ...]] | None:
        """What was read last, when, and how long it took."""
        return self._reader.last

    def families(self) -> Sequence[Family]:
        """Return the families that were read last; NotCurrentError if that is too long ago."""
        return self._reader.current()

    def _read(self, stopping: threading.Event) -> tuple[Family, ...]:
        settings = self._settings
        text = self._run(settings.command, stopping) if settings.command is not None else self._file()
        return families_in(text, settings.name, settings.max_series)

    def _run(self, command: Sequence[str], stopping: threading.Event) -> str:
        return output_of(
            command,
            timeout=self._settings.timeout,
            most_bytes=self._settings.max_bytes,
            # Our own variables may hold passwords, which are none of the script's business.
            environment={key: value for key, value in os.environ.items() if not key.startswith(_OURS)},
            stopping=stopping,
        )

    def _file(self) -> str:
        path = self._settings.file
        assert path is not None
        try:
            # Not blocking: a pipe without a writer would hold the thread for good.
            with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                written = os.fstat(file.fileno()).st_mtime
                content = file.read(self._settings.max_bytes + 1) or b""
        except OSError as error:
            raise ExternalFileError(f"{path}: {error.strerror}") from error
        if len(content) > self._settings.max_bytes:
            raise ExternalFileError(f"{path} is larger than {self._settings.max_bytes} bytes (max_bytes)")
        if (age := time.time() - written) > self._settings.stale_after:
            raise ExternalFileError(f"{path} was not written for {age:.0f} s")
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            raise ExternalFileError(f"{path} is not UTF-8") from None
