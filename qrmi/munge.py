"""MUNGE credentials through ``libmunge.so.2``: who is calling, vouched for by the host's munged.

The library is loaded at the first use, and both calls release the GIL while munged works. Every call has a
context of its own, so that any number of threads may encode and decode at once.
"""

from __future__ import annotations

import base64
import binascii
import ctypes
import functools
import re
import socket as sockets
import threading
from dataclasses import dataclass
from enum import IntEnum

LIBRARY = "libmunge.so.2"

_OPT_TTL = 4
_OPT_ADDR4 = 5
_OPT_ENCODE_TIME = 6
_OPT_DECODE_TIME = 7
_OPT_SOCKET = 8


class MungeCode(IntEnum):
    """The error codes of libmunge (``munge_err_t``), without their prefixes."""

    SUCCESS = 0
    SNAFU = 1
    BAD_ARG = 2
    BAD_LENGTH = 3
    OVERFLOW = 4
    NO_MEMORY = 5
    SOCKET = 6
    TIMEOUT = 7
    BAD_CRED = 8
    BAD_VERSION = 9
    BAD_CIPHER = 10
    BAD_MAC = 11
    BAD_ZIP = 12
    BAD_REALM = 13
    INVALID = 14
    EXPIRED = 15
    REWOUND = 16
    REPLAYED = 17
    UNAUTHORIZED = 18


_NAMES = {code.value: code.name for code in MungeCode}
_NO_DAEMON = (MungeCode.SOCKET, MungeCode.TIMEOUT)
_FORM = re.compile(r"MUNGE:([A-Za-z0-9+/]+={0,2}):")


class MungeUnavailableError(RuntimeError):
    """MUNGE cannot be asked: libmunge is not installed, or munged does not answer on its socket."""


class MungeError(RuntimeError):
    """MUNGE refused to encode or to decode.

    ``code`` is libmunge's number (``EMUNGE_CRED_REPLAYED`` is 17), ``name`` its name without prefix
    (``REPLAYED``, ``EXPIRED``, ``INVALID``).
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"munge: {message}")
        self.code = code
        self.name = _NAMES.get(code, f"CODE_{code}")


@dataclass(frozen=True, slots=True)
class Credential:
    """What a valid credential says.

    Attributes:
        uid: user that encoded it.
        gid: group that encoded it.
        payload: what was encoded with it.
        encode_address: IPv4 address of the host where it was encoded, dotted.
        encode_time: when it was encoded, in seconds since the epoch by the encoding host's clock.
        decode_time: when it was decoded, in seconds since the epoch.
        ttl: for how many seconds after ``encode_time`` it is valid.
    """

    uid: int
    gid: int
    payload: bytes
    encode_address: str
    encode_time: int
    decode_time: int
    ttl: int


class _Library:
    """The functions of libmunge, with their types.

    Only those of ``waiting`` release the GIL: to get it back costs far more than the others do.
    """

    def __init__(self, waiting: ctypes.CDLL, library: ctypes.PyDLL, process: ctypes.PyDLL) -> None:
        pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
        self.ctx_create = library.munge_ctx_create
        self.ctx_create.restype = pointer
        self.ctx_create.argtypes = []
        self.ctx_destroy = library.munge_ctx_destroy
        self.ctx_destroy.restype = None
        self.ctx_destroy.argtypes = [pointer]
        # The rest of their arguments is variadic.
        self.ctx_get = library.munge_ctx_get
        self.ctx_get.argtypes = [pointer, number]
        self.ctx_set = library.munge_ctx_set
        self.ctx_set.argtypes = [pointer, number]
        self.ctx_strerror = library.munge_ctx_strerror
        self.ctx_strerror.restype = text
        self.ctx_strerror.argtypes = [pointer]
        self.strerror = library.munge_strerror
        self.strerror.restype = text
        self.strerror.argtypes = [number]
        self.encode = waiting.munge_encode
        self.encode.argtypes = [ctypes.POINTER(pointer), pointer, text, number]
        self.decode = waiting.munge_decode
        self.decode.argtypes = [
            text,
            pointer,
            ctypes.POINTER(pointer),
            ctypes.POINTER(number),
            ctypes.POINTER(ctypes.c_uint32),
            ctypes.POINTER(ctypes.c_uint32),
        ]
        self.free = process.free
        self.free.restype = None
        self.free.argtypes = [pointer]


_load_lock = threading.Lock()


@functools.cache
def _load() -> _Library:
    try:
        return _Library(ctypes.CDLL(LIBRARY), ctypes.PyDLL(LIBRARY), ctypes.PyDLL(None))
    except OSError as error:
        raise MungeUnavailableError(
            f"{LIBRARY} cannot be loaded ({error}): install the package munge on this host"
        ) from error


def _library() -> _Library:
    with _load_lock:
        return _load()


class _Context:
    """One munge context, destroyed at the end of the ``with`` block."""

    def __init__(self, library: _Library, socket: str | None) -> None:
        self._library = library
        self._socket = socket
        self.pointer: int | None = None

    def __enter__(self) -> _Context:
        self.pointer = self._library.ctx_create()
        if not self.pointer:
            raise MungeError(MungeCode.NO_MEMORY, "no memory for a context")
        if self._socket is not None:
            self._library.ctx_set(self.pointer, _OPT_SOCKET, ctypes.c_char_p(self._socket.encode()))
        return self

    def __exit__(self, *_: object) -> None:
        self._library.ctx_destroy(self.pointer)

    def number(self, option: int) -> int:
        """Return an option that is an int."""
        value = ctypes.c_int()
        self._library.ctx_get(self.pointer, option, ctypes.byref(value))
        return value.value

    def seconds(self, option: int) -> int:
        """Return an option that is a time_t."""
        value = ctypes.c_long()
        self._library.ctx_get(self.pointer, option, ctypes.byref(value))
        return value.value

    def address(self) -> str:
        """Return the IPv4 address of the encoding host."""
        value = (ctypes.c_ubyte * 4)()
        self._library.ctx_get(self.pointer, _OPT_ADDR4, ctypes.byref(value))
        return sockets.inet_ntoa(bytes(value))

    def error(self, code: int) -> RuntimeError:
        """Return the exception for ``code``, in libmunge's words."""
        detail = self._library.ctx_strerror(self.pointer) or self._library.strerror(code) or b"unknown error"
        message = str(detail.decode(errors="replace"))
        if code in _NO_DAEMON:
            return MungeUnavailableError(f"munged does not answer ({message}): start it with the key in place")
        return MungeError(code, message)


def _is_canonical(credential: str) -> bool:
    """Tell whether the credential is spelled as munge spells it.

    libmunge itself ignores white space, what follows a NUL, and the spare bits of base64: one credential
    would have many spellings, and a list of those already seen could be evaded.
    """
    match = _FORM.fullmatch(credential)
    if match is None:
        return False
    try:
        return base64.b64encode(base64.b64decode(match[1])).decode() == match[1]
    except binascii.Error:
        return False


def encode(payload: bytes = b"", socket: str | None = None) -> str:
    """Return a fresh credential of this process's user that carries ``payload``.

    ``socket`` is the path of munged's socket, by default the compiled-in one.

    Raises:
        MungeUnavailableError: libmunge is absent or munged does not answer.
        MungeError: munged refused.
    """
    library = _library()
    with _Context(library, socket) as context:
        made = ctypes.c_void_p()
        code = library.encode(ctypes.byref(made), context.pointer, payload, len(payload))
        try:
            if code != MungeCode.SUCCESS:
                raise context.error(code)
            return ctypes.string_at(made.value or 0).decode("ascii")
        finally:
            library.free(made)


def decode(credential: str, socket: str | None = None) -> Credential:
    """Return what ``credential`` says, if munged vouches for it and it was not decoded here before.

    Raises:
        MungeUnavailableError: libmunge is absent or munged does not answer.
        MungeError: the credential is malformed, forged, expired, rewound, replayed, or for another user.
    """
    library = _library()
    if not _is_canonical(credential):
        raise MungeError(MungeCode.BAD_CRED, "Invalid credential format")
    with _Context(library, socket) as context:
        payload, length = ctypes.c_void_p(), ctypes.c_int()
        uid, gid = ctypes.c_uint32(), ctypes.c_uint32()
        code = library.decode(
            credential.encode("ascii"),
            context.pointer,
            ctypes.byref(payload),
            ctypes.byref(length),
            ctypes.byref(uid),
            ctypes.byref(gid),
        )
        try:
            if code != MungeCode.SUCCESS:
                raise context.error(code)
            return Credential(
                uid=uid.value,
                gid=gid.value,
                payload=ctypes.string_at(payload.value, length.value) if payload.value else b"",
                encode_address=context.address(),
                encode_time=context.seconds(_OPT_ENCODE_TIME),
                decode_time=context.seconds(_OPT_DECODE_TIME),
                ttl=context.number(_OPT_TTL),
            )
        finally:
            # libmunge also fills the buffer for expired, rewound and replayed credentials.
            library.free(payload)
