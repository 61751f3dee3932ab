"""Runs a command of the site's or of Slurm's: for a bounded time, with bounded output, nothing left over."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence

_KEPT_OF_ERRORS = 2000
_CHUNK = 65536
_LOOK_SECONDS = 0.25


class CommandError(Exception):
    """A command did not give its output; the message is one line."""


def output_of(
    command: Sequence[str],
    *,
    timeout: float,
    most_bytes: int,
    environment: Mapping[str, str],
    stopping: threading.Event | None = None,
) -> str:
    """Return what ``command`` writes to standard output, which must be UTF-8.

    It runs in a process group of its own, which is killed when ``timeout`` seconds are over, when it writes
    more than ``most_bytes``, and when ``stopping`` is set.

    Raises:
        CommandError: it cannot be run, takes too long, writes too much, or ends with another code than 0.
    """
    name = os.path.basename(command[0])
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            process_group=0,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CommandError(f"{command[0]} cannot be run: {reason}") from error
    try:
        deadline = time.monotonic() + timeout
        output, errors = _read(process, name, deadline, timeout, most_bytes, stopping)
        try:
            code = process.wait(max(0.0, deadline - time.monotonic()) + _LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            raise CommandError(f"{name} took longer than {timeout:g} s") from None
    finally:
        _end(process)
    if code != 0:
        said = " ".join(errors.decode("utf-8", "replace").split())
        raise CommandError(f"{name} ended with {code}{f': {said}' if said else ''}")
    try:
        return output.decode("utf-8")
    except UnicodeDecodeError:
        raise CommandError(f"{name} wrote something that is not UTF-8") from None


def _read(
    process: subprocess.Popen[bytes],
    name: str,
    deadline: float,
    timeout: float,
    most_bytes: int,
    stopping: threading.Event | None,
) -> tuple[bytes, bytes]:
    """Read both outputs to their end; who holds them open keeps the command running, also a grandchild."""
    assert process.stdout is not None
    assert process.stderr is not None
    output, errors = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, output)
        selector.register(process.stderr, selectors.EVENT_READ, errors)
        while selector.get_map():
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise CommandError(f"{name} took longer than {timeout:g} s")
            if stopping is not None and stopping.is_set():
                raise CommandError(f"{name} was stopped, because the daemon stops")
            for key, _ in selector.select(min(remaining, _LOOK_SECONDS)):
                chunk = os.read(key.fd, _CHUNK)
                if not chunk:
                    selector.unregister(key.fileobj)
                elif key.data is output:
                    output += chunk
                    if len(output) > most_bytes:
                        raise CommandError(f"{name} wrote more than {most_bytes} bytes")
                else:
                    errors += chunk[: _KEPT_OF_ERRORS - len(errors)]
    return bytes(output), bytes(errors)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing: while the first process was not waited for, its number cannot be another group's."""
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
