"""Tells the daemon which trace a job belongs to: QRMI's own HTTP client sends no ``traceparent``.

``POST {base}/jobs/{id}/trace`` is sent from a background thread after the job was submitted. Nothing waits
for it, nothing is retried, and a daemon that does not know the route (another scheduler) is left alone.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from dataclasses import dataclass
from urllib.parse import quote

import httpx
from opentelemetry import context

from .guard import log_fault
from .local_auth import Authentication
from .suppression import suppressed_context

TIMEOUT_SECONDS = 2.0
FLUSH_SECONDS = 1.0
MOST_WAITING = 1000
_IDLE_SECONDS = 30.0

_NOT_SERVED = (404, 405)


@dataclass(frozen=True, slots=True)
class DaemonAddress:
    """Base URL of a device at the daemon, and how a request to it says who sends it."""

    url: str
    authentication: Authentication


@dataclass(frozen=True, slots=True)
class _Message:
    job: str
    session: str
    traceparent: str
    sdk: str | None


class TraceHandover:
    """Sends the trace contexts of one resource's jobs, at most 1,000 of them waiting."""

    def __init__(self, address: DaemonAddress) -> None:
        self._address = address
        self._start()

    def _start(self) -> None:
        self._queue: queue.Queue[_Message] = queue.Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self.given_up = False

    def send(self, job: str, session: str, traceparent: str, sdk: str | None) -> None:
        """Queue the trace context of ``job``; when too many wait, it is dropped."""
        if self._process != os.getpid():
            self._start()
        if self.given_up:
            return
        try:
            self._queue.put_nowait(_Message(job, session, traceparent, sdk))
        except queue.Full:
            return
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="qwatch-trace", daemon=True)
                self._thread.start()

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait for at most ``seconds`` until all is sent; return whether it is."""
        if self._process != os.getpid():
            return True
        deadline = time.monotonic() + seconds
        with self._queue.all_tasks_done:
            while self._queue.unfinished_tasks:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._queue.all_tasks_done.wait(left)
        return True

    def _work(self) -> None:
        context.attach(suppressed_context())
        encrypted = self._address.url.startswith("https:")
        with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False, verify=encrypted) as client:
            while True:
                try:
                    message = self._queue.get(timeout=_IDLE_SECONDS)
                except queue.Empty:
                    with self._lock:
                        if self._queue.empty():
                            self._thread = None
                            return
                    continue
                try:
                    if not self.given_up:
                        self._post(client, message)
                except httpx.HTTPError:
                    self.given_up = True
                except Exception as error:
                    self.given_up = True
                    log_fault("trace hand-over", error)
                finally:
                    self._queue.task_done()

    def _post(self, client: httpx.Client, message: _Message) -> None:
        response = client.post(
            f"{self._address.url.rstrip('/')}/jobs/{quote(message.job, safe='')}/trace",
            json={"traceparent": message.traceparent, "sdk": message.sdk},
            headers={"x-warden-session": message.session, **self._address.authentication()},
        )
        if response.status_code in _NOT_SERVED:
            self.given_up = True
