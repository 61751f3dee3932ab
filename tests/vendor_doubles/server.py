"""A local HTTP server that answers by a vendor's table and records what it is asked."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .vendor import Text, Vendor

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SIGNATURE = re.compile(r"X-Amz-(Date|Signature)=\w+")
_BOUNDARY = re.compile(r"[0-9a-f]{16}(-[0-9a-f]{16}){3}")


class Double:
    """The double of one vendor's API."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor
        self.url = ""
        self.requests: list[tuple[str, str, str]] = []
        self.authorizations: set[str] = set()
        self.refusal: int | None = None
        """If set, everything but the token's endpoint is refused with this status."""
        self._asked: Counter[int] = Counter()
        self._lock = threading.Lock()

    def reset(self) -> None:
        """Begin anew: no request was seen, no refusal is set."""
        self.requests, self.refusal = [], None
        self._asked.clear()

    def answer(self, method: str, path: str, body: str, authorization: str) -> tuple[int, Any]:
        """Return status and body of the reply."""
        with self._lock:
            self.requests.append((method, *(_without_chance(text) for text in (path, body))))
            self.authorizations.add(authorization)
            plain = path.partition("?")[0]
            if self.refusal is not None and not plain.endswith("/token"):
                return self.refusal, {"detail": "refused", "message": "refused", "errors": []}
            for number, route in enumerate(self.vendor.routes):
                if route.method == method and re.fullmatch(route.path, plain):
                    turn = min(self._asked[number], len(route.replies) - 1)
                    self._asked[number] += 1
                    return route.replies[turn]
        return 404, {"message": f"the double of {self.vendor.name} has no {method} {plain}"}


def _without_chance(text: str) -> str:
    return _SIGNATURE.sub("<signed>", _BOUNDARY.sub("<boundary>", _UUID.sub("<uuid>", text)))


@contextmanager
def serving(vendor: Vendor) -> Iterator[Double]:
    """Serve a double on a free port of this host."""
    double = Double(vendor)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode(errors="replace")
            authorization = self.headers.get("authorization", "")
            status, found = double.answer(self.command, self.path, body, authorization)
            is_text = isinstance(found, Text)
            text = found.text if is_text else "" if found is None else json.dumps(found)
            self.send_response(status)
            self.send_header("content-type", "text/plain" if is_text else "application/json")
            if status != 204:
                self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            if status != 204:
                self.wfile.write(text.encode())

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = reply

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    double.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield double
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
