"""Does what is at an address answer? Each question has a short time-out and a one-line, secret-free answer."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from ..qrmi import munge
from ..telemetry.redaction import redact
from .configuration_file.addresses import shown_address

TIMEOUT = 3.0
"""Seconds that one address has to answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found at an address."""

    good: bool
    line: str


def ask_all(questions: Sequence[Callable[[], Answer]], seconds: float = 3 * TIMEOUT) -> list[Answer]:
    """Ask everything at once, and return the answers in the same order; what takes longer has not answered."""
    answers = [Answer(False, f"did not answer within {seconds:g} s") for _ in questions]

    def ask(index: int, question: Callable[[], Answer]) -> None:
        answers[index] = question()

    # Daemon threads: a name server that hangs must not keep the process.
    threads = [threading.Thread(target=ask, args=pair, daemon=True) for pair in enumerate(questions)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return list(answers)


def http_answers(
    url: str, ask: Callable[[], httpx.Response] | None = None, *, refuse_from: int = 400
) -> Answer:
    """Ask over HTTP, by default for ``url`` itself; a status of ``refuse_from`` or more is no good answer."""
    shown = shown_address(url)
    try:
        response = httpx.get(url, timeout=TIMEOUT) if ask is None else ask()
    except httpx.InvalidURL:
        # Its own words quote the address, and with it a password.
        return Answer(False, f"{shown} is not an address")
    except (httpx.HTTPError, OSError) as error:
        return Answer(False, f"{shown} does not answer: {redact(str(error)) or type(error).__name__}")
    if response.status_code >= refuse_from:
        return Answer(False, f"{shown} answers {response.status_code}")
    return Answer(True, f"{shown} answers")


def api_answers(url: str) -> Answer:
    """Ask whether an HTTP API answers at all: without its credentials it may well say no."""
    return http_answers(url, refuse_from=500)


def otlp_answers(endpoint: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Send an empty request, which is valid OTLP over HTTP, to the address of a signal."""
    sent = {"content-type": "application/x-protobuf", **(headers or {})}
    return http_answers(endpoint, lambda: httpx.post(endpoint, content=b"", headers=sent, timeout=TIMEOUT))


def loki_answers(url: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Ask Loki whether it is ready."""
    address = f"{url.rstrip('/')}/ready"
    return http_answers(url, lambda: httpx.get(address, headers=dict(headers or {}), timeout=TIMEOUT))


def listens(url: str) -> Answer:
    """Connect to host and port of a URL, for protocols that are not spoken here."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 4317)
    except ValueError:
        return Answer(False, f"{shown_address(url)} is not an address")
    where = f"{parts.hostname}:{port}"
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=TIMEOUT):
            return Answer(True, f"{where} listens")
    except OSError as error:
        return Answer(False, f"{where} does not answer: {error.strerror or error}")


def munge_answers(path: str | None = None) -> Answer:
    """Make and read a MUNGE credential."""
    try:
        munge.decode(munge.encode(socket=path), socket=path)
    except (munge.MungeUnavailableError, munge.MungeError) as error:
        return Answer(False, str(error))
    return Answer(True, "munged makes and reads credentials")


def database_answers(url: str, password: str | None = None) -> Answer:
    """Connect to a database, or look whether the file of an SQLite one can be made or read."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    try:
        parsed = make_url(url)
    except ArgumentError:
        return Answer(False, "is not a database URL such as sqlite:///qwatch.db")
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(Path(parsed.database or ""))
    if password is not None:
        parsed = parsed.set(password=password)
    shown = shown_address(parsed.render_as_string(hide_password=True))
    seconds = max(2, int(TIMEOUT))
    try:
        engine = create_engine(parsed, connect_args={"connect_timeout": seconds})
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        engine.dispose()
    except ModuleNotFoundError as error:
        return Answer(False, f"needs {error.name}: pip install 'qwatch[postgresql]'")
    except (SQLAlchemyError, OSError) as error:
        said = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        return Answer(False, f"{shown} does not answer: {_without(said, parsed.password)}")
    return Answer(True, f"{shown} answers")


def _sqlite(file: Path) -> Answer:
    folder = file.resolve().parent
    if file.exists():
        good = os.access(file, os.R_OK | os.W_OK) and os.access(folder, os.W_OK)
        return Answer(good, f"{file} is there" if good else f"{file} cannot be written by this user")
    if not folder.is_dir():
        return Answer(False, f"the folder {folder} does not exist")
    good = os.access(folder, os.W_OK)
    return Answer(good, f"{file} can be made" if good else f"{folder} cannot be written by this user")


def _without(said: str, secret: object) -> str:
    return shown_address(said.replace(str(secret), "[redacted]") if secret else said)
