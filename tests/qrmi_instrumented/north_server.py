"""A server that speaks the daemon's HTTP protocol and records what it is sent."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from qwatch.qrmi import munge

TOKEN = "qwt_local-token-of-the-tests"
SPECS = json.dumps({"name": "EMU", "dimensions": 2})


@dataclass
class Request:
    """One request as it came over the wire."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Job:
    """A job that advances one step with each poll."""

    identifier: int
    shots: int
    steps: list[str]
    results: str | None
    polls: int = 0

    def reply(self, advance: bool) -> dict[str, Any]:
        status = self.steps[min(self.polls, len(self.steps) - 1)]
        self.polls += advance
        results = self.results if status == "DONE" else None
        return {
            "id": self.identifier,
            "user_id": "0",
            "status": status,
            "results": results,
            "shots": self.shots,
        }


@dataclass
class NorthServer:
    """What the daemon answers; tests change the fields."""

    url: str = ""
    auth: str = "any"
    steps: list[str] = field(default_factory=lambda: ["PENDING", "RUNNING", "RUNNING", "DONE"])
    specs: str = SPECS
    serves_trace: bool = True
    serves_summary: bool = True
    serves_annotations: bool = True
    refusals: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    jobs: dict[int, Job] = field(default_factory=dict)
    sessions: dict[str, str] = field(default_factory=dict)
    accessible: dict[str, Any] = field(default_factory=lambda: {"is_accessible": True, "message": "ok"})
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, method: str, ending: str = "") -> list[Request]:
        """Return the requests with this method whose path ends so."""
        return [item for item in self.requests if item.method == method and item.path.endswith(ending)]

    def answer(self, request: Request) -> tuple[int, str]:
        with self.lock:
            self.requests.append(request)
            route = request.path
            if route.startswith("/devices/"):
                route = "/" + route.split("/", 3)[3]
            if route.startswith("/classes/"):
                route = "/" + route.split("/", 3)[3]
            for (method, beginning), refusal in self.refusals.items():
                if request.method == method and route.startswith(beginning):
                    return refusal
            if route != "/accessible" and not self._authenticated(request):
                return 401, json.dumps({"detail": "no valid credential"})
            return self._routed(request, route)

    def _authenticated(self, request: Request) -> bool:
        credential = request.headers.get("x-munge-cred")
        if credential and self.auth in ("any", "munge"):
            return munge.decode(credential).uid == os.getuid()
        return self.auth != "munge" and request.headers.get("authorization") == f"Bearer {TOKEN}"

    def _routed(self, request: Request, route: str) -> tuple[int, str]:  # noqa: PLR0911
        parts = route.strip("/").split("/")
        match request.method, parts:
            case "GET", ["accessible"]:
                return 200, json.dumps(self.accessible)
            case "POST", ["sessions"]:
                session = f"session-token-{len(self.sessions)}"
                self.sessions[session] = "open"
                return 201, json.dumps({"id": session})
            case "POST", ["sessions", "summary"]:
                return (204, "") if self.serves_summary else (405, json.dumps({"detail": "Not Allowed"}))
            case "DELETE", ["sessions", session] if session in self.sessions:
                self.sessions[session] = "released"
                return 200, json.dumps({"id": session})
            case "GET", ["qpu", "specs"]:
                return 200, json.dumps({"specs": self.specs})
            case "POST", ["jobs"]:
                return self._submitted(request)
            case "POST", ["jobs", _, "trace"]:
                return (204, "") if self.serves_trace else (404, json.dumps({"detail": "Not Found"}))
            case "POST", ["jobs", _, "annotations"]:
                return (202, "{}") if self.serves_annotations else (404, json.dumps({"detail": "Not Found"}))
            case _, ["jobs", identifier, *rest] if identifier.isdigit() and int(identifier) in self.jobs:
                job = self.jobs[int(identifier)]
                if rest == ["logs"]:
                    return 200, json.dumps({"logs": f"log of {identifier}"})
                if rest == ["cancel"]:
                    job.steps, job.polls = ["CANCELED"], 0
                return 200, json.dumps(job.reply(advance=not rest))
        return 404, json.dumps({"detail": f"{route} is not known"})

    def _submitted(self, request: Request) -> tuple[int, str]:
        if self.sessions.get(request.headers.get("x-warden-session", "")) != "open":
            return 403, json.dumps({"detail": "the session is not open"})
        identifier, shots = len(self.jobs) + 1, request.body["shots"]
        results = json.dumps({"counter": {"01": shots}})
        self.jobs[identifier] = Job(identifier, shots, list(self.steps), results)
        return 201, json.dumps({"id": identifier, "user_id": "0", "status": "PENDING"})


def _handler(server: NorthServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            text = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = json.loads(text) if text else None
            code, reply = server.answer(Request(self.command, self.path, headers, body))
            self.send_response(code)
            if code != 204:
                self.send_header("content-length", str(len(reply.encode())))
            self.end_headers()
            self.wfile.write(reply.encode())

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def serving() -> Iterator[NorthServer]:
    """Serve on a free port of this host."""
    server = NorthServer()
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
