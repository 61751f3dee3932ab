"""Brings annotations to the log of the job that the program started last, by the thread that tells traces.

What is told before the first job waits for it, at most 100 annotations; what belongs to a resource without a
daemon stays in the program's own telemetry.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from contextvars import ContextVar
from dataclasses import dataclass

from ..telemetry.annotations import MOST_IN_REQUEST, Annotation
from . import at_exit
from .handover import Handover


@dataclass(frozen=True, slots=True)
class _Job:
    """A job that was started; without a daemon there is no hand-over to it."""

    handover: Handover | None
    identifier: str
    session: str | None


# A thread's own last job, else the process's: threads of one program may each have a loop of their own.
_of_thread: ContextVar[_Job | None] = ContextVar("qwatch_last_job", default=None)
_of_process: _Job | None = None
_early: deque[Annotation] = deque(maxlen=MOST_IN_REQUEST)
_lock = threading.Lock()
_registered_for: int | None = None


def job_started(handover: Handover | None, identifier: str, session: str | None) -> None:
    """Annotations belong to this job from now on."""
    global _of_process  # noqa: PLW0603
    job = _Job(handover, identifier, session)
    _of_thread.set(job)
    _of_process = job
    if _early:
        with _lock:
            waiting = [_early.popleft() for _ in range(len(_early))]
        for told in waiting:
            _send(job, told)


def deliver(told: Annotation) -> None:
    """Have an annotation written into the log of the last job; at once, without waiting for it."""
    job = _of_thread.get() or _of_process
    if job is None:
        _early.append(told)
    else:
        _send(job, told)


def forget() -> None:
    """Forget the last job, as in a program that has started none."""
    global _of_process  # noqa: PLW0603
    _of_thread.set(None)
    _of_process = None
    _early.clear()


def _send(job: _Job, told: Annotation) -> None:
    global _registered_for  # noqa: PLW0603
    if job.handover is None or not job.session:
        return
    job.handover.annotate(job.identifier, job.session, told)
    if _registered_for != os.getpid():
        # The last of them come just before the program ends.
        _registered_for = os.getpid()
        at_exit.register()
