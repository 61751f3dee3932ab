"""A double of Pasqal's cloud that executes what it is given, by the published API as the wheel uses it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from qwatch.emulator.execution import execute
from qwatch.emulator.specs import device_specs

DEVICE = "EMU_FREE"
_API = "/core-fast/api"


class PasqalCloudDouble:
    """Batches of one job, each executed when it is posted."""

    def __init__(self) -> None:
        self.url = ""
        self.batches: list[dict[str, int]] = []

    def environment(self) -> dict[str, str]:
        """Return the resource's keys, as in ``qrmi_config.json``."""
        return {
            "QRMI_PASQAL_CLOUD_PROJECT_ID": "project",
            "QRMI_PASQAL_CLOUD_BASE_URL": self.url,
            "QRMI_PASQAL_CLOUD_AUTH_ENDPOINT": f"{self.url}/oauth/token",
            "QRMI_PASQAL_CLOUD_CLIENT_ID": "client",
            "QRMI_PASQAL_CLOUD_CLIENT_SECRET": "secret",
        }

    def answer(self, method: str, path: str, body: str) -> tuple[int, Any]:  # noqa: PLR0911
        match method, path.removeprefix(_API).strip("/").split("/"):
            case "POST", ["oauth", "token"]:
                return 200, {"access_token": "bearer", "expires_in": 3600}
            case "GET", ["v1", "devices"]:
                return 200, {"data": [{"status": "UP", "availability": "ACTIVE"}]}
            case "GET", ["v1", "devices", "public-specs"]:
                return 200, {"data": [{"device_type": DEVICE, "specs": device_specs(DEVICE)}]}
            case "POST", ["v1", "batches"]:
                order = json.loads(body)
                self.batches.append(execute(order["sequence_builder"], order["jobs"][0]["runs"], seed=1))
                return 200, {"data": {"id": str(len(self.batches) - 1)}}
            case "GET", ["v2", "batches", number]:
                return 200, {"data": {"status": "DONE", "job_ids": [number]}}
            case "GET", ["v2", "jobs", number]:
                return 200, {"data": {"status": "DONE", "job_ids": [number]}}
            case "GET", ["v1", "batches", number, "full_results"]:
                return 200, {"data": {number: {"counter": self.batches[int(number)]}}}
        return 404, {"message": f"there is no {method} {path}"}


@contextmanager
def serving() -> Iterator[PasqalCloudDouble]:
    """Serve a double on a free port of this host."""
    double = PasqalCloudDouble()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
            status, found = double.answer(self.command, self.path.partition("?")[0], body)
            text = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = reply

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
