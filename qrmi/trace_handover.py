"""Tells the daemon which trace a job belongs to: QRMI's own HTTP client sends no ``traceparent``.

``POST {base}/jobs/{id}/trace`` is sent from a background thread after the job was submitted, and what the
program annotates as ``POST {base}/jobs/{id}/annotations``. Nothing waits for it, nothing is retried, and a
daemon that does not know the routes (another scheduler) is left alone.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

import httpx
from opentelemetry import context

from ..telemetry.annotations import MOST_IN_REQUEST, Annotation
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


@dataclass(frozen=True, slots=True)
class _Annotated:
    job: str
    session: str
    told: Annotation


class TraceHandover:
    """Sends trace contexts and annotations of one resource's jobs, at most 1,000 of them waiting."""

    def __init__(self, address: DaemonAddress) -> None:
        self._address = address
        self._start()

    def _start(self) -> None:
        self._queue: queue.Queue[_Message | _Annotated] = queue.Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self.given_up = False
        self._takes_annotations = True

    def send(self, job: str, session: str, traceparent: str, sdk: str | None) -> None:
        """Queue the trace context of ``job``; when too many wait, it is dropped."""
        self._send(_Message(job, session, traceparent, sdk))

    def annotate(self, job: str, session: str, told: Annotation) -> None:
        """Queue an annotation for the log of ``job``; when too many wait, it is dropped."""
        self._send(_Annotated(job, session, told))

    def _send(self, message: _Message | _Annotated) -> None:
        if self._process != os.getpid():
            self._start()
        if self.given_up:
            return
        try:
            self._queue.put_nowait(message)
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
        ahead: deque[_Message | _Annotated] = deque()
        with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False, verify=encrypted) as client:
            while self._has_more(ahead):
                together = _together(ahead)
                try:
                    if not self.given_up:
                        self._post(client, together)
                except httpx.HTTPError:
                    self.given_up = True
                except Exception as error:
                    self.given_up = True
                    log_fault("trace hand-over", error)
                finally:
                    for _ in together:
                        self._queue.task_done()

    def _has_more(self, ahead: deque[_Message | _Annotated]) -> bool:
        """Take what waits off the queue; False, and no thread any more, if nothing came for a while."""
        while not ahead:
            try:
                ahead.append(self._queue.get(timeout=_IDLE_SECONDS))
            except queue.Empty:
                with self._lock:
                    if self._queue.empty():
                        self._thread = None
                        return False
        while len(ahead) < MOST_IN_REQUEST:
            try:
                ahead.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return True

    def _post(self, client: httpx.Client, together: Sequence[_Message | _Annotated]) -> None:
        first = together[0]
        if isinstance(first, _Message):
            response = self._call(client, first, "trace", {"traceparent": first.traceparent, "sdk": first.sdk})
            if response.status_code in _NOT_SERVED:
                self.given_up = True
        elif self._takes_annotations:
            told = [asdict(item.told) for item in together if isinstance(item, _Annotated)]
            response = self._call(client, first, "annotations", {"annotations": told})
            if response.status_code in _NOT_SERVED:
                self._takes_annotations = False

    def _call(
        self, client: httpx.Client, message: _Message | _Annotated, route: str, body: dict[str, Any]
    ) -> httpx.Response:
        return client.post(
            f"{self._address.url.rstrip('/')}/jobs/{quote(message.job, safe='')}/{route}",
            json=body,
            headers={"x-warden-session": message.session, **self._address.authentication()},
        )


def _together(ahead: deque[_Message | _Annotated]) -> list[_Message | _Annotated]:
    """Take the first message, and if it is an annotation, those that follow it for the same job."""
    taken = [ahead.popleft()]
    while isinstance(taken[0], _Annotated) and ahead:
        following = ahead[0]
        if not isinstance(following, _Annotated) or following.job != taken[0].job:
            break
        taken.append(ahead.popleft())
    return taken
