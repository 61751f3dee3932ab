"""Log records to Loki, without ever holding up or failing the program that logs.

loki-logger-handler gives the form of the lines and of the request. Around it is what a service needs: a
bounded queue, time-outs, retries with back-off, a count of what was dropped and why, flush and close with
a bound, and a sender that survives ``fork``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping

from ..telemetry.bounded_gate import DropCounter, ignore_drop
from .loki_lines import Entry, EntryEncoder, LineFormatter, payload
from .loki_push import Answer, LokiPush, Verdict

logger = logging.getLogger(__name__)

DROP_REASONS = ("queue_full", "refused", "unreachable", "too_old", "invalid", "shutdown")
DEFAULT_SECONDS = 2.0
BATCH_LINES = 1000
BATCH_BYTES = 2**20
MOST_BYTES = 64 * 2**20
FIRST_BACKOFF = 0.5
LONGEST_BACKOFF = 10.0


class LokiHandler(logging.Handler):
    """Sends records to Loki from a thread of its own.

    At most ``capacity`` lines and 64 MiB wait; a record that finds the queue full is dropped and counted.
    A batch that Loki does not take (connection refused, time-out, 5xx, 429) is sent again, with exponential
    back-off and jitter or when ``Retry-After`` says, for ``retry_seconds``; what Loki refuses for good (400
    and other 4xx) is dropped and counted. The records of the sending thread itself are never sent.
    """

    _changed: threading.Condition
    _queue: deque[Entry]
    _accepted: int
    _settled: int
    _bytes: int
    _flush_until: int
    _hurry: int
    _stopped: bool
    _failing: bool
    _thread: threading.Thread | None

    def __init__(
        self,
        url: str,
        service_name: str,
        *,
        identity: Mapping[str, str] | None = None,
        tenant: str | None = None,
        auth: tuple[str, str] | None = None,
        capacity: int = 10_000,
        timeout: float = 5.0,
        interval: float = 1.0,
        retry_seconds: float = 300.0,
        dropped: DropCounter = ignore_drop,
        level: int = logging.NOTSET,
    ) -> None:
        super().__init__(level)
        self._push = LokiPush(url, tenant, auth, timeout)
        self._lines = LineFormatter(service_name)
        self._entries = EntryEncoder(identity)
        self._capacity = capacity
        self._interval = interval
        self._retry_seconds = retry_seconds
        self._dropped = dropped
        self._closed = False
        self._begin()
        reset = weakref.WeakMethod(self._after_fork)
        os.register_at_fork(after_in_child=lambda: (method := reset()) and method())

    @property
    def waiting(self) -> int:
        """The number of lines that were neither delivered nor dropped yet."""
        return self._accepted - self._settled

    def filter(self, record: logging.LogRecord) -> bool:
        """Leave out what the sending thread logs: sending must not cause more to send."""
        if self._thread is not None and threading.get_ident() == self._thread.ident:
            return False
        return not self.filters or bool(super().filter(record))

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record, or drop and count it; never wait and never raise."""
        try:
            entry = self._entries.encode(self._lines.format(record))
        except Exception:
            self._count("invalid", 1)
            return
        with self._changed:
            if self._closed:
                refused = "shutdown"
            elif self.waiting >= self._capacity or self._bytes + len(entry.text) > MOST_BYTES:
                refused = "queue_full"
            elif not self._sender_runs():
                refused = "shutdown"
            else:
                refused = ""
                self._queue.append(entry)
                self._accepted += 1
                self._bytes += len(entry.text)
                if len(self._queue) in (1, BATCH_LINES):
                    self._changed.notify_all()
        if refused:
            self._count(refused, 1)

    def flush(self, seconds: float = DEFAULT_SECONDS) -> bool:  # type: ignore[override]
        """Send what waits now, for at most ``seconds``; return whether all of it was dealt with."""
        with self._changed:
            wanted = self._accepted
            self._flush_until = max(self._flush_until, wanted)
            self._hurry += 1
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._settled >= wanted, seconds)

    def close(self, seconds: float = DEFAULT_SECONDS) -> bool:  # type: ignore[override]
        """Send what waits, for at most ``seconds``, then stop; return whether nothing was left to drop."""
        with self._changed:
            if self._closed:
                return True
            self._closed = True
        self.flush(seconds)
        with self._changed:
            left = self.waiting
            self._settled = self._accepted
            self._queue.clear()
            self._stopped = True
            self._changed.notify_all()
        if left:
            self._count("shutdown", left)
        super().close()
        return not left

    def _begin(self) -> None:
        # Reentrant, because a signal handler may log while its thread is inside emit.
        self._changed = threading.Condition(threading.RLock())
        self._queue = deque()
        self._accepted = self._settled = self._bytes = 0
        self._flush_until = self._hurry = 0
        self._stopped = self._failing = False
        self._thread = None

    def _after_fork(self) -> None:
        """Start afresh in a child: what waits is the parent's to send, and so are the connections."""
        self._begin()
        self._stopped = self._closed
        self._push.reset()

    def _sender_runs(self) -> bool:
        if self._thread is None or not self._thread.is_alive():
            thread = threading.Thread(target=self._send_all, name="qwatch-loki", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the interpreter is on its way out, or out of threads
                return False
            self._thread = thread
        return True

    def _send_all(self) -> None:
        while (batch := self._next_batch()) is not None:
            try:
                self._deliver(batch)
            except Exception as error:
                self._settle(batch, "invalid", len(batch))
                logger.error("a batch of logs could not be sent: %s: %s", type(error).__name__, error)
        self._push.close()

    def _next_batch(self) -> list[Entry] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopped)
            self._changed.wait_for(
                lambda: len(self._queue) >= BATCH_LINES or self._stopped or self._flush_until > self._settled,
                self._interval,
            )
            if self._stopped:
                return None
            batch: list[Entry] = []
            size = 0
            while self._queue and len(batch) < BATCH_LINES and size < BATCH_BYTES:
                batch.append(self._queue.popleft())
                size += len(batch[-1].text)
            return batch

    def _deliver(self, batch: list[Entry]) -> None:
        body = payload(batch)
        give_up = time.monotonic() + self._retry_seconds
        attempt = 0
        while True:
            answer = self._push.send(body)
            self._report(answer)
            if answer.verdict is Verdict.DELIVERED:
                return self._settle(batch)
            if answer.verdict is Verdict.DROPPED:
                return self._settle(batch, answer.reason, _lost(answer, batch))
            pause = _pause(answer, attempt)
            if time.monotonic() + pause > give_up:
                return self._settle(batch, answer.reason, len(batch))
            if self._stopped_within(pause):
                return None
            attempt += 1

    def _stopped_within(self, pause: float) -> bool:
        """Wait for ``pause`` seconds, or until a flush asks for an attempt now."""
        with self._changed:
            hurry = self._hurry
            self._changed.wait_for(lambda: self._stopped or self._hurry > hurry, pause)
            return self._stopped

    def _settle(self, batch: list[Entry], reason: str = "", lost: int = 0) -> None:
        with self._changed:
            if self._stopped:  # close has counted them
                return
            self._settled += len(batch)
            self._bytes -= sum(len(entry.text) for entry in batch)
            self._changed.notify_all()
        if lost:
            self._count(reason, lost)

    def _report(self, answer: Answer) -> None:
        """Log the beginning and the end of trouble; this handler itself leaves these records out."""
        trouble = answer.verdict is not Verdict.DELIVERED
        if trouble and not self._failing:
            logger.warning("Loki at %s does not take logs: %s", self._push.url, answer.detail)
        elif self._failing and not trouble:
            logger.info("Loki at %s takes logs again", self._push.url)
        self._failing = trouble

    def _count(self, reason: str, count: int) -> None:
        # Counting is the caller's code: its errors must not reach the program that logs.
        with contextlib.suppress(Exception):
            self._dropped(reason, count)


def _pause(answer: Answer, attempt: int) -> float:
    if answer.retry_after is not None:
        return answer.retry_after
    longest: float = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** min(attempt, 16))
    return longest * random.uniform(0.5, 1.0)


def _lost(answer: Answer, batch: list[Entry]) -> int:
    if answer.lost is not None:
        return min(answer.lost, len(batch))
    if answer.oldest is not None:
        oldest = answer.oldest
        return max(1, sum(entry.timestamp < oldest for entry in batch))
    return len(batch)
