"""A proxy on loopback that passes requests on and remembers what they were."""

from __future__ import annotations

import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

_NOT_PASSED_ON = ("host", "connection", "content-length", "transfer-encoding", "content-encoding")


class RecordingProxy:
    """Stands before the server at ``target``; ``requests`` holds (method, path) of all that came."""

    def __init__(self, port: int, target: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.requests: list[tuple[str, str]] = []
        proxy = self
        client = httpx.Client(base_url=target, timeout=30)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                proxy.requests.append((self.command, self.path))
                headers = {
                    key: value for key, value in self.headers.items() if key.lower() not in _NOT_PASSED_ON
                }
                try:
                    reply = client.request(self.command, self.path, content=body, headers=headers)
                except httpx.HTTPError:
                    self.close_connection = True
                    return
                self.send_response(reply.status_code)
                self.send_header("content-type", reply.headers.get("content-type", "text/plain"))
                self.send_header("content-length", str(len(reply.content)))
                self.end_headers()
                self.wfile.write(reply.content)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = pass_on

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Say nothing of clients that were killed."""

        self._server = Server(("127.0.0.1", port), Handler)

    @property
    def offences(self) -> list[tuple[str, str]]:
        """The requests that could have changed something."""
        return [request for request in self.requests if request[0] not in ("GET", "HEAD")]

    def start(self) -> None:
        threading.Thread(target=partial(self._server.serve_forever, 0.01), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
