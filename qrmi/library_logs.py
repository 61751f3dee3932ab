"""The library's own log records, from its Rust core, with the trace of the call that caused them.

The library calls its log callback on whatever thread a record comes from and makes the call wait meanwhile. So
the callback only takes a note: of the record, and of the present span, which is that of the call if the record
comes from the calling thread. A thread of its own hands the records to Python's ``logging``, below the logger
``qrmi`` (``qrmi::service`` becomes ``qrmi.service``, ``reqwest::connect`` ``qrmi.reqwest.connect``), without
credentials. Records of the library's worker threads carry no ids: whose they are is not known.

Which records there are is for the library's ``RUST_LOG`` to say. A program that sets a callback gets them
instead.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import qrmi
from opentelemetry import context, trace
from opentelemetry.context import Context

from ..telemetry.redaction import redact
from .guard import log_fault

MOST_WAITING = 1000
FLUSH_SECONDS = 1.0
ROOT = "qrmi"

_LEVELS = {
    "ERROR": logging.ERROR,
    "WARN": logging.WARNING,
    "INFO": logging.INFO,
    "DEBUG": logging.DEBUG,
    # As the library's own forwarding does.
    "TRACE": logging.DEBUG,
}
Callback = Callable[[str, str, str], object]

_set_in_library: Callable[..., None] | None = getattr(qrmi, "set_log_callback", None)


class _Record(NamedTuple):
    level: str
    target: str
    message: str
    caller: Context
    at: float
    thread: int
    thread_name: str


class LibraryLogs:
    """Takes the library's records and hands them on, at most 1,000 of them waiting."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        # Put and get of this queue are one step each, also for a thread that Python did not start.
        self._queue: queue.SimpleQueue[_Record | threading.Event] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self.dropped = 0

    def take(self, level: str, target: str, message: str) -> None:
        """Note a record; when too many wait, it is dropped and counted."""
        if self._process != os.getpid():
            self._start()
        if self._queue.qsize() >= MOST_WAITING:
            self.dropped += 1
            return
        thread = threading.current_thread()
        self._queue.put(
            _Record(
                level, target, message, context.get_current(), time.time(), threading.get_ident(), thread.name
            )
        )
        if self._thread is None:
            self._start_thread()

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait for at most ``seconds`` until what was noted is handed on; return whether it is."""
        if self._thread is None or self._process != os.getpid():
            return True
        done = threading.Event()
        self._queue.put(done)
        return done.wait(seconds)

    def _start_thread(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="qwatch-qrmi-logs", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            found = self._queue.get()
            if isinstance(found, threading.Event):
                found.set()
                continue
            try:
                _hand_on(found)
                dropped, self.dropped = self.dropped, 0
                if dropped:
                    logging.getLogger(ROOT).warning("%d log records of the library were dropped", dropped)
            except Exception as error:
                log_fault("logs of the library", error)


def _hand_on(noted: _Record) -> None:
    logger = logging.getLogger(_logger_name(noted.target))
    level = _LEVELS.get(noted.level, logging.INFO)
    if not logger.isEnabledFor(level):
        return
    # Whoever asks for the present span while the record is made or written gets that of the call.
    token = context.attach(noted.caller)
    try:
        record = logger.makeRecord(
            logger.name, level, noted.target, 0, redact(noted.message), (), None, None, _ids(noted.caller)
        )
        record.created, record.msecs = noted.at, (noted.at % 1) * 1000
        record.thread, record.threadName = noted.thread, noted.thread_name
        logger.handle(record)
    finally:
        context.detach(token)


def _logger_name(target: str) -> str:
    name = target.replace("::", ".")
    return name if name == ROOT or name.startswith(f"{ROOT}.") else f"{ROOT}.{name}"


def _ids(caller: Context) -> dict[str, object] | None:
    span_context = trace.get_current_span(caller).get_span_context()
    if not span_context.is_valid:
        return None
    return {
        "trace_id": trace.format_trace_id(span_context.trace_id),
        "span_id": trace.format_span_id(span_context.span_id),
    }


_LOGS = LibraryLogs()
_lock = threading.Lock()
_installed = False
_of_the_program = False


def install() -> None:
    """Take the library's records, until the program sets a callback of its own; a second call does nothing."""
    global _installed, _of_the_program
    with _lock:
        if _installed or _set_in_library is None:
            return
        _installed, _of_the_program = True, False
        _set_in_library(_LOGS.take)
        qrmi.set_log_callback = _set_by_program
        atexit.register(_LOGS.flush)


def uninstall() -> None:
    """Let the library forward its records as it does by itself; a callback of the program stays."""
    global _installed  # noqa: PLW0603
    with _lock:
        if not _installed or _set_in_library is None:
            return
        _installed = False
        if qrmi.set_log_callback is _set_by_program:
            qrmi.set_log_callback = _set_in_library
        if not _of_the_program:
            # The library cannot be told to take its own way again: this is what that does.
            _set_in_library(_forward)
        atexit.unregister(_LOGS.flush)
    _LOGS.flush()


def _set_by_program(callback: Callback | None) -> None:
    global _of_the_program  # noqa: PLW0603
    assert _set_in_library is not None
    _set_in_library(callback)
    _of_the_program = True


def _forward(level: str, target: str, message: str) -> None:
    with contextlib.suppress(Exception):
        logging.getLogger(target).log(_LEVELS.get(level, logging.INFO), "%s", message)
