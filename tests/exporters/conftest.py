"""Receivers that speak the backends' protocols and fail in the ways in which backends fail."""

from __future__ import annotations

import gzip
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import pytest
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass
class Reply:
    """What a receiver answers instead of taking a request."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)


HANG = Reply(0)


class Receiver:
    """An HTTP server on a loopback port; ``replies`` are given first, then ``always``, then it works."""

    def __init__(
        self, handle: Callable[[str, dict[str, str], bytes], tuple[int, bytes]], port: int = 0
    ) -> None:
        self.replies: list[Reply] = []
        self.always: Reply | None = None
        self.request_times: list[float] = []
        self.let_go = threading.Event()
        self.closed = False
        self._handle = handle
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                if receiver.closed:
                    self.close_connection = True
                    return
                body = self.rfile.read(int(self.headers["Content-Length"]))
                reply = receiver._next_reply()
                if reply is HANG:
                    receiver.let_go.wait(600)
                    self.close_connection = True
                    return
                if reply is not None:
                    self._answer(reply.status, reply.body.encode(), reply.headers)
                    return
                headers = {key.lower(): value for key, value in self.headers.items()}
                if headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                self._answer(*receiver._handle(self.path, headers, body), {})

            def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def _next_reply(self) -> Reply | None:
        with self._lock:
            self.request_times.append(time.monotonic())
            return self.replies.pop(0) if self.replies else self.always

    def close(self) -> None:
        self.closed = True
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


@dataclass
class LokiLine:
    """One line as Loki would store it."""

    labels: dict[str, str]
    nanoseconds: int
    text: str
    metadata: dict[str, str]

    @property
    def message(self) -> str:
        return str(json.loads(self.text)["message"])


class LokiReceiver(Receiver):
    """Takes Loki's JSON push format as Loki does, and refuses what Loki refuses."""

    def __init__(self, port: int = 0) -> None:
        self.lines: list[LokiLine] = []
        self.headers: list[dict[str, str]] = []
        self.oldest: float = 0.0
        super().__init__(self._push, port)

    @property
    def messages(self) -> list[str]:
        return [line.message for line in self.lines]

    def _push(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        self.headers.append(headers)
        if path != "/loki/api/v1/push":
            return 404, b"404 page not found\n"
        try:
            assert headers.get("content-type") == "application/json", "unsupported content type"
            pushed = [line for stream in json.loads(body)["streams"] for line in _lines(stream)]
        except (AssertionError, ValueError) as error:
            return 400, str(error).encode()
        refused = [line for line in pushed if line.nanoseconds < self.oldest * 1e9]
        self.lines += [line for line in pushed if line not in refused]
        if not refused:
            return 204, b""
        texts = [_too_old(line.labels, line.nanoseconds, self.oldest) for line in refused]
        if len(texts) == 1:
            return 400, texts[0].encode()
        groups = {text: texts.count(text) for text in texts}
        return 400, "; ".join(f"{count} errors like: {text}" for text, count in groups.items()).encode()


def _lines(stream: dict[str, Any]) -> Iterator[LokiLine]:
    labels = stream["stream"]
    assert labels, "error at least one label pair is required per stream"
    for name, value in labels.items():
        assert LABEL_NAME.fullmatch(name), f"couldn't parse labels: {name}"
        assert isinstance(value, str), f"couldn't parse labels: {name}={value!r}"
    for nanoseconds, text, *rest in stream["values"]:
        metadata = rest[0] if rest else {}
        for item in (nanoseconds, text, *metadata.values()):
            assert isinstance(item, str), "loghttp.PushRequest.Streams: ReadString: expects string"
        yield LokiLine(labels, int(nanoseconds), text, metadata)


def _too_old(labels: dict[str, str], nanoseconds: int, oldest: float) -> str:
    def moment(seconds: float) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))

    pairs = ", ".join(f'{name}="{value}"' for name, value in labels.items())
    return (
        f"entry for stream '{{{pairs}}}' has timestamp too old: {moment(nanoseconds / 1e9)}, "
        f"oldest acceptable timestamp is: {moment(oldest)}"
    )


class OtlpReceiver(Receiver):
    """Takes OTLP over HTTP, all three signals, by the official protocol definition."""

    def __init__(self, port: int = 0) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.metric_requests: list[ExportMetricsServiceRequest] = []
        self.log_requests: list[ExportLogsServiceRequest] = []
        self.headers: list[dict[str, str]] = []
        super().__init__(self._take, port)

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def resource(self) -> dict[str, str]:
        (first, *_) = self.requests[0].resource_spans
        return {item.key: item.value.string_value for item in first.resource.attributes}

    def _take(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        self.headers.append(headers)
        if headers.get("content-type") != "application/x-protobuf":
            return 415, b""
        try:
            match path:
                case "/v1/traces":
                    self.requests.append(ExportTraceServiceRequest.FromString(body))
                    return 200, ExportTraceServiceResponse().SerializeToString()
                case "/v1/metrics":
                    self.metric_requests.append(ExportMetricsServiceRequest.FromString(body))
                    return 200, ExportMetricsServiceResponse().SerializeToString()
                case "/v1/logs":
                    self.log_requests.append(ExportLogsServiceRequest.FromString(body))
                    return 200, ExportLogsServiceResponse().SerializeToString()
        except DecodeError:
            return 400, b""
        return 404, b""


class OtlpGrpcReceiver:
    """Takes OTLP over gRPC, all three signals, by the official service definition."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.metadata: list[dict[str, str]] = []
        self.failures: list[grpc.StatusCode] = []
        self._server = grpc.server(ThreadPoolExecutor(4))
        for add, reply in (
            (trace_service_pb2_grpc.add_TraceServiceServicer_to_server, ExportTraceServiceResponse),
            (metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server, ExportMetricsServiceResponse),
            (logs_service_pb2_grpc.add_LogsServiceServicer_to_server, ExportLogsServiceResponse),
        ):
            add(self._servicer(reply), self._server)
        self.url = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def _servicer(self, reply: Callable[[], Any]) -> Any:
        receiver = self

        class Servicer:
            def Export(self, request: Any, context: grpc.ServicerContext) -> Any:
                receiver.metadata.append({key: str(value) for key, value in context.invocation_metadata()})
                if receiver.failures:
                    context.abort(receiver.failures.pop(0), "not now")
                receiver.requests.append(request)
                return reply()

        return Servicer()

    def of(self, kind: type) -> list[Any]:
        return [request for request in self.requests if isinstance(request, kind)]

    def close(self) -> None:
        self._server.stop(None).wait(10)


@pytest.fixture
def otlp_grpc() -> Iterator[OtlpGrpcReceiver]:
    receiver = OtlpGrpcReceiver()
    yield receiver
    receiver.close()


@pytest.fixture
def loki() -> Iterator[LokiReceiver]:
    receiver = LokiReceiver()
    yield receiver
    receiver.close()


@pytest.fixture
def loki_at() -> Iterator[Callable[[int], LokiReceiver]]:
    """Return a function that starts a Loki on a given port, as one that was down comes back."""
    started: list[LokiReceiver] = []

    def start(port: int) -> LokiReceiver:
        started.append(LokiReceiver(port))
        return started[-1]

    yield start
    for receiver in started:
        receiver.close()


@pytest.fixture
def otlp_at() -> Iterator[Callable[[int], OtlpReceiver]]:
    """Return a function that starts an OTLP receiver on a given port, as one that was down comes back."""
    started: list[OtlpReceiver] = []

    def start(port: int) -> OtlpReceiver:
        started.append(OtlpReceiver(port))
        return started[-1]

    yield start
    for receiver in started:
        receiver.close()


@pytest.fixture
def otlp() -> Iterator[OtlpReceiver]:
    receiver = OtlpReceiver()
    yield receiver
    receiver.close()


@pytest.fixture
def reply() -> Callable[..., Reply]:
    """Return the constructor of replies: tests cannot import this module."""
    return Reply


@pytest.fixture
def hang() -> Reply:
    return HANG


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Return a function that waits until a condition holds, and fails after a generous bound."""

    def wait(condition: Callable[[], object], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it never came true"
            time.sleep(0.01)

    return wait
