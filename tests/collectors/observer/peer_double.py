"""A double of the peer scheduler: its tables, and the read side of its HTTP API over them.

As the peer, it keeps sessions by UUID and time stamps in UTC, pages its accounting by ``limit`` and ``offset``,
tells no job's end there, and wants an administrator for all but ``GET /accessible`` and ``GET /qpu-slots``.
Whatever else than GET or HEAD arrives is an offence and is remembered.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
    create_engine,
    func,
    insert,
    select,
    update,
)

MOMENT = DateTime(timezone=True)


class PeerTables:
    """The peer's database; ``newer`` has the columns that later versions added."""

    def __init__(self, url: str, *, newer: bool = True) -> None:
        metadata = MetaData()
        self.sessions = Table(
            "sessions",
            metadata,
            Column("id", Uuid, primary_key=True),
            Column("created_at", MOMENT, nullable=False),
            Column("revoked_at", MOMENT),
            Column("user_id", String(255), nullable=False),
            Column("scheduler_job_id" if newer else "slurm_job_id", String(255), nullable=False),
            *([Column("revocation_reason", String(50))] if newer else []),
        )
        self.jobs = Table(
            "jobs",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("created_at", MOMENT, nullable=False),
            Column("started_at", MOMENT),
            Column("ended_at", MOMENT),
            Column("status", String(50), nullable=False),
            Column("shots", Integer, nullable=False),
            Column("sequence", Text, nullable=False),
            Column("backend_id", String(255)),
            Column("results", Text),
            Column("session_id", ForeignKey("sessions.id"), nullable=False),
            *([Column("canceled_at", MOMENT)] if newer else []),
        )
        self.accessibility = Table(
            "accessibility_settings",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("is_accessible", Boolean, nullable=False),
            Column("message", String(255), nullable=False),
            Column("updated_at", MOMENT),
        )
        self.engine: Engine = create_engine(url)
        metadata.create_all(self.engine)
        self._slurm_job = self.sessions.c["scheduler_job_id" if newer else "slurm_job_id"]
        self.newer = newer

    def _write(self, statement: Any) -> Any:
        with self.engine.begin() as connection:
            return connection.execute(statement)

    def open_session(self, user: str = "1000", slurm_job: str = "77", at: float | None = None) -> uuid.UUID:
        session = uuid.uuid4()
        values = {"id": session, "user_id": user, "created_at": moment(at), self._slurm_job.name: slurm_job}
        self._write(insert(self.sessions).values(values))
        return session

    def end_session(self, session: uuid.UUID, reason: str | None = None, at: float | None = None) -> None:
        values: dict[str, Any] = {"revoked_at": moment(at)}
        if self.newer:
            values["revocation_reason"] = reason
        self._write(update(self.sessions).where(self.sessions.c.id == session).values(values))

    def submit(self, session: uuid.UUID, shots: int = 100, at: float | None = None, **more: Any) -> int:
        values = {"session_id": session, "shots": shots, "status": "PENDING", "sequence": "{}" * 1500}
        result = self._write(insert(self.jobs).values({**values, "created_at": moment(at), **more}))
        return int(result.inserted_primary_key[0])

    def begin(self, job: int, uid: str | None = None, at: float | None = None) -> None:
        self.change(job, status="RUNNING", started_at=moment(at), backend_id=uid)

    def end(self, job: int, status: str = "DONE", at: float | None = None) -> None:
        self.change(job, status=status, ended_at=moment(at))

    def change(self, job: int, **values: Any) -> None:
        self._write(update(self.jobs).where(self.jobs.c.id == job).values(values))

    def set_accessible(self, accessible: bool, message: str) -> None:
        self._write(insert(self.accessibility).values(is_accessible=accessible, message=message))

    def ran(self, session: uuid.UUID, created: float, started: float, ended: float, shots: int = 100) -> int:
        """Have a job that is over."""
        return self.submit(
            session,
            shots,
            created,
            status="DONE",
            started_at=moment(started),
            ended_at=moment(ended),
        )

    def rows(self, query: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(query))


class Peer:
    """The peer's HTTP API on loopback. ``accepts`` decides by the headers whether an administrator asks."""

    def __init__(self, tables: PeerTables, port: int, accepts: Callable[[Any], int]) -> None:
        self.tables = tables
        self.url = f"http://127.0.0.1:{port}"
        self.requests: list[tuple[str, str]] = []
        self.missing: set[str] = set()
        """Paths of an older peer, which answers 404 for them."""
        self.silent: threading.Event | None = None
        """If set, nothing is answered until it is."""
        self.garbage: bytes | None = None
        """If set, what is answered instead."""
        self._port = port
        self._accepts = accepts
        self._server: ThreadingHTTPServer | None = None
        self._connections: set[socket.socket] = set()

    @property
    def offences(self) -> list[tuple[str, str]]:
        """The requests that could have changed something."""
        return [request for request in self.requests if request[0] not in ("GET", "HEAD")]

    def asked(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(urlsplit(target).path == path for _, target in self.requests)

    def start(self) -> None:
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                peer.requests.append((self.command, self.path))
                if peer.silent is not None:
                    peer.silent.wait(60)
                status, answer = peer.answer(self.command, self.path, self.headers)
                text = json.dumps(answer).encode() if peer.garbage is None else peer.garbage
                self.send_response(status)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = answer

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def process_request(self, request: Any, client_address: Any) -> None:
                peer._connections.add(request)
                super().process_request(request, client_address)

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Say nothing of clients that were killed."""

        self._server = Server(("127.0.0.1", self._port), Handler)
        threading.Thread(target=partial(self._server.serve_forever, 0.01), daemon=True).start()

    def stop(self) -> None:
        if self.silent is not None:
            self.silent.set()
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._connections.clear()

    def answer(self, method: str, target: str, headers: Any) -> tuple[int, Any]:
        parts = urlsplit(target)
        asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
        public: dict[str, Callable[[], Any]] = {"/accessible": self._accessible, "/qpu-slots": self._slots}
        guarded: dict[str, Callable[[], Any]] = {
            "/status": self._status,
            "/accounting/jobs": partial(self._jobs, asked),
            "/accounting/sessions": partial(self._sessions, asked),
        }
        if method != "GET":
            return 405, {"detail": "Method Not Allowed"}
        route = (public | guarded).get(parts.path)
        if route is None or parts.path in self.missing:
            return 404, {"detail": "Not Found"}
        allowed = 200 if parts.path in public else self._accepts(headers)
        return (200, route()) if allowed == 200 else (allowed, {"detail": "refused"})

    def _slots(self) -> dict[str, Any]:
        used = self._count(self.tables.sessions.c.revoked_at.is_(None), self.tables.sessions.c.id)
        return {"qpu_slots_total": 4, "qpu_slots_used": used, "qpu_slots_available": max(4 - used, 0)}

    def _accessible(self) -> dict[str, Any]:
        table = self.tables.accessibility
        rows = self.tables.rows(select(table).order_by(table.c.id.desc()).limit(1))
        if not rows:
            return {"is_accessible": True, "message": "ok"}
        return {"is_accessible": rows[0].is_accessible, "message": rows[0].message}

    def _status(self) -> dict[str, Any]:
        jobs, sessions = self.tables.jobs, self.tables.sessions
        running = self.tables.rows(select(jobs).where(jobs.c.status == "RUNNING").limit(1))
        held = self.tables.rows(select(sessions).where(sessions.c.revoked_at.is_(None)))
        return {
            "pending_jobs_count": self._count(jobs.c.status == "PENDING", jobs.c.id),
            "current_job": {
                "id": running[0].id,
                "session_id": str(running[0].session_id),
                "user_id": "1000",
                "started_at": iso(running[0].started_at),
                "backend_id": running[0].backend_id,
            }
            if running
            else None,
            "open_sessions": [
                {
                    "id": str(row.id),
                    "user_id": row.user_id,
                    "created_at": iso(row.created_at),
                    "slurm_job_id": "7",
                }
                for row in held
            ],
        }

    def _jobs(self, asked: dict[str, str]) -> dict[str, Any]:
        jobs, sessions = self.tables.jobs, self.tables.sessions
        query = select(jobs, sessions.c.user_id).join(sessions).order_by(jobs.c.created_at)
        found = [row for row in self.tables.rows(query) if _within(_end(row), asked)]
        data = [
            {
                "id": row.id,
                "user_id": row.user_id,
                "session_id": str(row.session_id),
                "slurm_job_id": "77",
                "status": row.status,
                "shots": row.shots,
                "execution_time": _seconds(row.started_at, row.ended_at),
                "wait_time": _seconds(row.created_at, row.started_at),
            }
            for row in found
        ]
        return _page(data, asked)

    def _sessions(self, asked: dict[str, str]) -> dict[str, Any]:
        sessions = self.tables.sessions
        query = select(sessions).where(sessions.c.revoked_at.is_not(None)).order_by(sessions.c.created_at)
        data = [
            {
                "id": str(row.id),
                "user_id": row.user_id,
                "created_at": iso(row.created_at),
                "revoked_at": iso(row.revoked_at),
                "slurm_job_id": "77",
                "total_duration": _seconds(row.created_at, row.revoked_at),
                "jobs_count": 0,
            }
            for row in self.tables.rows(query)
            if _within(row.revoked_at, asked)
        ]
        return _page(data, asked)

    def _count(self, condition: Any, column: Any) -> int:
        return int(self.tables.rows(select(func.count(column)).where(condition))[0][0])


def moment(at: float | None) -> datetime:
    return datetime.now(UTC) if at is None else datetime.fromtimestamp(at, UTC)


def iso(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()


def _end(row: Any) -> datetime | None:
    if row.status not in ("DONE", "CANCELED", "ERROR"):
        return None
    found: datetime | None = row.ended_at or getattr(row, "canceled_at", None)
    return found


def _within(end: datetime | None, asked: dict[str, str]) -> bool:
    if end is None:
        return False
    at = end if end.tzinfo else end.replace(tzinfo=UTC)
    after, before = asked.get("ended_after"), asked.get("ended_before")
    return (after is None or at >= datetime.fromisoformat(after)) and (
        before is None or at < datetime.fromisoformat(before)
    )


def _seconds(start: datetime | None, end: datetime | None) -> int:
    return 0 if start is None or end is None else round((end - start).total_seconds())


def _page(data: list[dict[str, Any]], asked: dict[str, str]) -> dict[str, Any]:
    limit, offset = int(asked.get("limit", 100)), int(asked.get("offset", 0))
    assert 0 < limit <= 100, "the peer refuses such a page"
    part = data[offset : offset + limit]
    start = min(offset, len(data))
    return {"data": part, "pagination": {"total": len(data), "start": start, "end": start + len(part)}}
