"""Tells the daemon what QRMI's own HTTP client does not: the traces of jobs, and the summary of a session.

``POST {base}/jobs/{id}/trace`` is sent after a job was submitted, ``POST {base}/jobs/{id}/annotations`` with
what the program annotates, ``POST {base}/sessions/summary`` after a session. All go out from a background
thread; nothing waits for them, nothing is retried, and a daemon that does not know a route (another scheduler)
is left alone with it.
"""

from __future__ import annotations

import os
import queue
import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from opentelemetry import context

from ..telemetry.annotations import MOST_IN_REQUEST, Annotation
from .guard import log_fault
from .suppression import suppressed_context

if TYPE_CHECKING:
    import httpx

    from .local_auth import Authentication

TIMEOUT_SECONDS = 2.0
FLUSH_SECONDS = 1.0
MOST_WAITING = 1000
_IDLE_SECONDS = 30.0

_NOT_SERVED = (404, 405)
_TRACE = "trace"
_SUMMARY = "summary"
_ANNOTATIONS = "annotations"


@dataclass(frozen=True, slots=True)
class DaemonAddress:
    """Base URL of a device at the daemon, and how a request to it says who sends it."""

    url: str
    authentication: Authentication


@dataclass(frozen=True, slots=True)
class _Message:
    kind: str
    path: str
    session: str
    body: Mapping[str, object]
    told: Annotation | None = None


_ALL: weakref.WeakSet[Handover] = weakref.WeakSet()


class Handover:
    """Sends what one resource has to tell, at most 1,000 messages waiting."""

    def __init__(self, address: DaemonAddress) -> None:
        self.address = address
        self._start()
        _ALL.add(self)

    def _start(self) -> None:
        self._queue: queue.Queue[_Message] = queue.Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self.unserved: set[str] = set()

    def send_trace(self, job: str, session: str, traceparent: str, sdk: str | None) -> None:
        """Queue the trace context of ``job``; when too many wait, it is dropped."""
        path = f"/jobs/{quote(job, safe='')}/trace"
        self._send(_Message(_TRACE, path, session, {"traceparent": traceparent, "sdk": sdk}))

    def send_summary(self, session: str, summary: Mapping[str, object]) -> None:
        """Queue the summary of ``session``. Its token is a header's value: paths are written to logs."""
        self._send(_Message(_SUMMARY, "/sessions/summary", session, summary))

    def annotate(self, job: str, session: str, told: Annotation) -> None:
        """Queue an annotation for the log of ``job``; when too many wait, it is dropped."""
        self._send(_Message(_ANNOTATIONS, f"/jobs/{quote(job, safe='')}/annotations", session, {}, told))

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait for at most ``seconds`` until all is sent; return whether it is."""
        return self.flush_by(time.monotonic() + seconds)

    def flush_by(self, deadline: float) -> bool:
        """Wait until all is sent or the monotonic time ``deadline``; return whether all is sent."""
        if self._process != os.getpid():
            return True
        with self._queue.all_tasks_done:
            while self._queue.unfinished_tasks:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._queue.all_tasks_done.wait(left)
        return True

    def _send(self, message: _Message) -> None:
        if self._process != os.getpid():
            self._start()
        if message.kind in self.unserved:
            return
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            return
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="qwatch-handover", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        # Imported here: it takes longer than all the rest, and most programs send nothing for a while.
        import httpx

        context.attach(suppressed_context())
        encrypted = self.address.url.startswith("https:")
        ahead: deque[_Message] = deque()
        with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False, verify=encrypted) as client:
            while self._has_more(ahead):
                count, message = _next(ahead)
                try:
                    if message.kind not in self.unserved:
                        self._post(client, message)
                except httpx.HTTPError:
                    # What is told of a job is not worth another wait for a daemon that hangs or is gone.
                    self.unserved.update((_TRACE, _ANNOTATIONS))
                except Exception as error:
                    self.unserved.add(message.kind)
                    log_fault("hand-over to the daemon", error)
                finally:
                    for _ in range(count):
                        self._queue.task_done()

    def _has_more(self, ahead: deque[_Message]) -> bool:
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

    def _post(self, client: httpx.Client, message: _Message) -> None:
        response = client.post(
            f"{self.address.url.rstrip('/')}{message.path}",
            json=message.body,
            headers={"x-warden-session": message.session, **self.address.authentication()},
        )
        if response.status_code in _NOT_SERVED:
            self.unserved.add(message.kind)


def _next(ahead: deque[_Message]) -> tuple[int, _Message]:
    """Take the first message, an annotation with those that follow it for the same job; return how many too."""
    first = ahead.popleft()
    if first.told is None:
        return 1, first
    told = [asdict(first.told)]
    while ahead and ahead[0].path == first.path and (following := ahead[0].told) is not None:
        ahead.popleft()
        told.append(asdict(following))
    return len(told), _Message(first.kind, first.path, first.session, {"annotations": told})


def flush_all(seconds: float = FLUSH_SECONDS) -> bool:
    """Wait for at most ``seconds`` until everything of this process is sent; return whether it is."""
    deadline = time.monotonic() + seconds
    return all(handover.flush_by(deadline) for handover in list(_ALL))
