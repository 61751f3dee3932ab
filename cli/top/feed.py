"""Keeps the newest snapshot at hand: listens to the daemon's events in a thread, and anew when they end."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx

from ..failure import CommandFailedError
from .reading import UnreadableError, read_snapshot
from .snapshot import Snapshot
from .source import Source

_SILENCE = 45.0
"""Seconds without a word after which the daemon is taken for lost; a sign of life comes every 15 s."""

_LONGEST_PAUSE = 30.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known of the daemon: its newest snapshot, and what went wrong since.

    ``told`` and ``heard`` are moments of this process's monotonic clock: of the snapshot, and of the last word.
    """

    snapshot: Snapshot | None = None
    told: float = 0.0
    heard: float = 0.0
    problem: str = ""
    next_try: float | None = None
    note: str = ""

    @property
    def now(self) -> float:
        """The daemon's moment: it goes on while the daemon is heard, and stands at its last word otherwise."""
        if self.snapshot is None:
            return time.time()
        return self.snapshot.at + (self.heard if self.problem else time.monotonic()) - self.told


class Feed:
    """Listens to one daemon for as long as the process lives."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._heard = Heard()
        self._lock = threading.Lock()

    @property
    def heard(self) -> Heard:
        """What is known now."""
        with self._lock:
            return self._heard

    def start(self) -> None:
        """Begin to listen, in a thread that ends with the process."""
        threading.Thread(target=self._listen, name="qwatch-top-feed", daemon=True).start()

    def _listen(self) -> None:
        failures = 0
        while True:
            talked = False
            try:
                for told in self._source.events(_SILENCE):
                    talked, failures = True, 0
                    self._hear(told)
                if talked:
                    # A stream ends by and by, so that its credential is looked at again: that is no failure.
                    time.sleep(random.uniform(0.2, 1.0))
                    continue
                problem = "the daemon ended the connection"
            except (CommandFailedError, UnreadableError) as error:
                problem = str(error)
            except httpx.HTTPError as error:
                problem = f"the daemon does not answer ({error or type(error).__name__})"
            except OSError as error:
                problem = str(error)
            failures += 1
            # At most half a minute, and not all viewers of a restarted daemon at once.
            pause = min(2.0 ** (failures - 1), _LONGEST_PAUSE) * random.uniform(0.5, 1.0)
            self._set(problem=problem, next_try=time.time() + pause)
            time.sleep(pause)

    def _hear(self, told: Any) -> None:
        now = time.monotonic()
        if told is None:
            self._set(heard=now, problem="", next_try=None, note=self._source.note)
            return
        snapshot = read_snapshot(told)
        self._set(snapshot=snapshot, told=now, heard=now, problem="", next_try=None, note=self._source.note)

    def _set(self, **changes: Any) -> None:
        with self._lock:
            self._heard = replace(self._heard, **changes)


def events_in(lines: Iterable[str]) -> Iterator[Any]:
    """Yield the JSON of each server-sent event in ``lines``, and None for each sign of life.

    Raises:
        UnreadableError: an event is no JSON.
    """
    data: list[str] = []
    for line in lines:
        if line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif line.startswith(":"):
            yield None
        elif not line and data:
            text, data = "\n".join(data), []
            try:
                yield json.loads(text)
            except ValueError as error:
                raise UnreadableError("the daemon's events cannot be read; is it another version?") from error
