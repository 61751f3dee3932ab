"""A receiver of OTLP and of Loki's push that keeps nothing but counts: items and bytes of each sender."""

from __future__ import annotations

import copy
import gzip
import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SPANS, METRICS, LINES = "spans", "metrics", "lines"
_GZIP_LEVEL = 6


@dataclass(slots=True)
class Traffic:
    """What one sender sent of one signal.

    ``items`` are spans, data points or lines; ``plain`` bytes of the bodies, ``packed`` bytes of the same with
    gzip, request by request, whether they came so or not; ``most_series`` what the largest request with
    metrics becomes in Prometheus.
    """

    requests: int = 0
    items: int = 0
    plain: int = 0
    packed: int = 0
    most_series: int = 0
    names: Counter[str] = field(default_factory=Counter)

    def since(self, before: Traffic) -> Traffic:
        """Return what came after ``before``."""
        return Traffic(
            self.requests - before.requests,
            self.items - before.items,
            self.plain - before.plain,
            self.packed - before.packed,
            self.most_series,
            self.names - before.names,
        )


Seen = dict[tuple[str, str], Traffic]
"""By signal and service name."""


class CountingReceiver:
    """The counts of every sender; its address is the base for OTLP and for Loki."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._seen: Seen = defaultdict(Traffic)
        self._lock = threading.Lock()
        self._last = time.monotonic()

    def take(self, path: str, body: bytes) -> None:
        """Count one request."""
        if path == "/v1/traces":
            signal, service, items, names, series = SPANS, *_spans(body)
        elif path == "/v1/metrics":
            signal, service, items, names, series = METRICS, *_points(body)
        elif path == "/loki/api/v1/push":
            signal, service, items, names, series = LINES, *_lines(body)
        else:
            return
        packed = len(gzip.compress(body, _GZIP_LEVEL))
        with self._lock:
            traffic = self._seen[signal, service]
            traffic.requests += 1
            traffic.items += items
            traffic.plain += len(body)
            traffic.packed += packed
            traffic.most_series = max(traffic.most_series, series)
            traffic.names += names
            self._last = time.monotonic()

    def seen(self) -> Seen:
        """Return a copy of the counts."""
        with self._lock:
            return copy.deepcopy(dict(self._seen))

    def until_quiet(self, seconds: float, patience: float = 60.0) -> None:
        """Wait until nothing has come for ``seconds``."""
        deadline = time.monotonic() + patience
        while time.monotonic() - self._last < seconds and time.monotonic() < deadline:
            time.sleep(0.1)


@contextmanager
def receiving(port: int) -> Iterator[CountingReceiver]:
    """Receive on ``port`` of loopback."""
    receiver = CountingReceiver(f"http://127.0.0.1:{port}")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            receiver.take(self.path, body)
            self.send_response(204 if self.path.startswith("/loki") else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


def _spans(body: bytes) -> tuple[str, int, Counter[str], int]:
    message = ExportTraceServiceRequest.FromString(body)
    spans = [span for of in message.resource_spans for scope in of.scope_spans for span in scope.spans]
    names = Counter(span.name.split(" ")[0] for span in spans)
    return _service(message.resource_spans), len(spans), names, 0


def _points(body: bytes) -> tuple[str, int, Counter[str], int]:
    message = ExportMetricsServiceRequest.FromString(body)
    points = series = 0
    names: Counter[str] = Counter()
    for metric in (
        metric for of in message.resource_metrics for scope in of.scope_metrics for metric in scope.metrics
    ):
        data = getattr(metric, metric.WhichOneof("data"))
        points += len(data.data_points)
        for point in data.data_points:
            # A histogram is a series a bucket, with that of +Inf, and its sum and count.
            found = len(point.bucket_counts) + 2 if metric.HasField("histogram") else 1
            series += found
            names[metric.name] += found
    return _service(message.resource_metrics), points, names, series


def _lines(body: bytes) -> tuple[str, int, Counter[str], int]:
    streams = json.loads(body)["streams"]
    names: Counter[str] = Counter()
    for stream in streams:
        names[stream["stream"].get("level", "")] += len(stream["values"])
    return streams[0]["stream"]["service_name"], names.total(), names, 0


def _service(resources: Any) -> str:
    for attribute in resources[0].resource.attributes:
        if attribute.key == "service.name":
            return str(attribute.value.string_value)
    return ""
