"""Who may scrape: the web configuration applied to the metrics port, and read anew when its files change."""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import os
import secrets
import ssl
from collections import OrderedDict
from pathlib import Path

import bcrypt
from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .web_config import WebConfiguration, load_web_configuration, tls_context

logger = logging.getLogger(__name__)

_NOBODY = "$2b$10$aJaZdyHxBTVjyhryWHdcm..CXD7rOTZj2Gs4NLSmNztmT9nM7/7X6"
"""Compared with where a user is not known, so that an answer takes the same time."""
_MOST_REMEMBERED = 100
_LONGEST_PASSWORD = 1024


class WebAccess:
    """The present content of a web configuration file.

    Users and certificates are read anew when their files change, as other exporters do; a change that cannot
    be used is logged and what was before stays. Whether TLS is spoken at all, and what it asks of clients, is
    settled at the start.

    Raises:
        WebConfigurationError: the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamps: dict[Path, int] = {}
        self._failing = False
        self.configuration = load_web_configuration(path)
        self._context = self._made_context(self.configuration)
        self._newest = self._context
        self._note_stamps()
        if self._context is not None:
            self._context.sni_callback = self._give_newest

    @property
    def tls(self) -> ssl.SSLContext | None:
        """The TLS context to listen with, None for plain HTTP."""
        return self._context

    def refresh(self) -> None:
        """Read the files anew if one of them has changed."""
        if all(_stamp(path) == stamp for path, stamp in self._stamps.items()):
            return
        try:
            found = load_web_configuration(self._path)
            context = self._made_context(found)
            if (context is None) != (self._context is None):
                raise ValueError(f"{self._path}: TLS cannot be switched on or off without a restart")
        except ValueError as error:
            if not self._failing:
                logger.error("the web configuration stays as it was: %s", error)
            self._failing = True
            return
        self.configuration, self._newest, self._failing = found, context, False
        self._note_stamps()
        logger.info("the web configuration was read anew: %s", self._path)

    def _give_newest(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        # Runs at each handshake, whether or not the client names a server.
        self.refresh()
        if self._newest is not None and connection.context is not self._newest:
            connection.context = self._newest

    @staticmethod
    def _made_context(found: WebConfiguration) -> ssl.SSLContext | None:
        return None if found.tls_server_config is None else tls_context(found.tls_server_config)

    def _note_stamps(self) -> None:
        tls = self.configuration.tls_server_config
        files = [self._path]
        if tls is not None:
            files += [file for file in (tls.cert_file, tls.key_file, tls.client_ca_file) if file is not None]
        self._stamps = {file: _stamp(file) for file in files}


class BasicAuthentication:
    """Asks for user and password before every answer of an application, where the configuration names users.

    A comparison takes bcrypt's time (0.1 s), so it runs in one thread, and its result is remembered.
    """

    def __init__(self, application: ASGIApp, access: WebAccess) -> None:
        self._application = application
        self._access = access
        self._limiter = CapacityLimiter(1)
        self._salt = secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, bool] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it with 401."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        self._access.refresh()
        configuration = self._access.configuration

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(configuration.http_server_config.headers)
            await send(message)

        users = configuration.basic_auth_users
        answer: ASGIApp = self._application
        if users and not await self._known(Headers(scope=scope).get("authorization", ""), users):
            answer = PlainTextResponse(
                "this port asks for a user and a password\n", 401, {"WWW-Authenticate": 'Basic realm="qwatch"'}
            )
        await answer(scope, receive, send_with_headers)

    async def _known(self, header: str, users: dict[str, str]) -> bool:
        user, password = _user_and_password(header)
        if user is None:
            return False
        wanted = users.get(user, _NOBODY)
        key = hashlib.blake2b(
            b"\0".join((user.encode(), wanted.encode(), password)), key=self._salt, digest_size=32
        ).digest()
        found = self._remembered.get(key)
        if found is None:
            matches = await to_thread.run_sync(_matches, password, wanted, limiter=self._limiter)
            found = matches and user in users
            self._remembered[key] = found
            while len(self._remembered) > _MOST_REMEMBERED:
                self._remembered.popitem(last=False)
        else:
            self._remembered.move_to_end(key)
        return found


def _user_and_password(header: str) -> tuple[str | None, bytes]:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return None, b""
    try:
        user, colon, password = base64.b64decode(value.strip(), validate=True).partition(b":")
        name = user.decode()
    except (binascii.Error, UnicodeDecodeError):
        return None, b""
    if not colon or len(password) > _LONGEST_PASSWORD:
        return None, b""
    return name, password


def _matches(password: bytes, wanted: str) -> bool:
    # bcrypt knows 72 bytes; what is longer is cut off, as the makers of such hashes do.
    try:
        return bcrypt.checkpw(password[:72], wanted.encode())
    except ValueError:
        return False


def _stamp(path: Path) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return -1
