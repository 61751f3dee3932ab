"""Sends ready-made OTLP requests to a receiver, over HTTP or gRPC, and tells what became of each."""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Callable
from typing import Any, Protocol

import httpx
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.util.re import parse_env_headers

from ..telemetry.otlp import GRPC, OtlpTarget, Signal

Request = ExportTraceServiceRequest | ExportMetricsServiceRequest | ExportLogsServiceRequest
KINDS: dict[str, tuple[Signal, type[Request]]] = {
    "resourceSpans": ("traces", ExportTraceServiceRequest),
    "resourceMetrics": ("metrics", ExportMetricsServiceRequest),
    "resourceLogs": ("logs", ExportLogsServiceRequest),
}
"""Signal and request by the one field that an OTLP JSON line has."""

_TIMEOUT = 30.0
_AGAIN = (408, 429, 500, 502, 503, 504)
_ITS_OWN_FAULT = (400, 413, 422)
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0


class ReceiverError(RuntimeError):
    """The receiver takes nothing; the message is one line: where, and why."""


class _TryAgainError(Exception):
    """The receiver may take it later, after ``pause`` seconds if it told so."""

    def __init__(self, said: str, pause: float | None = None) -> None:
        super().__init__(said)
        self.pause = pause


class _Way(Protocol):
    def post(self, signal: Signal, request: Message) -> str:
        """Send once; return why it was refused for good, empty if it was taken."""

    def close(self) -> None:
        """Close the connection."""


class OtlpPost:
    """A receiver that requests are sent to one by one, each again for ``patience`` seconds if need be.

    Raises:
        OtlpProtocolError: the protocol cannot be spoken here.
    """

    def __init__(self, target: OtlpTarget, patience: float = 30.0) -> None:
        self._patience = patience
        self._where = target.endpoint or "the receiver"
        grpc = target.protocol_of("traces") == GRPC
        self._way: _Way = _Grpc(target) if grpc else _Http(target)

    def send(self, signal: Signal, request: Message, stopped: Callable[[], bool]) -> str:
        """Send a request; return why it alone was refused, empty if it was taken.

        Raises:
            ReceiverError: nothing is taken: the receiver is not there, or refuses the sender.
        """
        give_up = time.monotonic() + self._patience
        pause = _FIRST_PAUSE
        while True:
            try:
                return self._way.post(signal, request)
            except _TryAgainError as error:
                wait = pause if error.pause is None else error.pause
                if stopped() or time.monotonic() + wait > give_up:
                    raise ReceiverError(f"{self._where} takes nothing: {error}") from error
                time.sleep(wait)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def close(self) -> None:
        """Close the connection."""
        self._way.close()


class _Http:
    def __init__(self, target: OtlpTarget) -> None:
        self._target = target
        headers = parse_env_headers(os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", ""), liberal=True)
        self._client = httpx.Client(timeout=_TIMEOUT, headers={**headers, **target.headers})

    def post(self, signal: Signal, request: Message) -> str:
        address = self._target.http_address(signal)
        assert address is not None
        headers = {"content-type": "application/x-protobuf", "content-encoding": "gzip"}
        try:
            answer = self._client.post(
                address, content=gzip.compress(request.SerializeToString()), headers=headers
            )
        except httpx.HTTPError as error:
            raise _TryAgainError(f"{type(error).__name__}: {error}") from error
        if answer.is_success:
            return ""
        said = f"HTTP {answer.status_code} {' '.join(answer.text.split())[:200]}".rstrip()
        if answer.status_code in _AGAIN:
            after = answer.headers.get("retry-after", "")
            raise _TryAgainError(said, float(after) if after.isdecimal() else None)
        if answer.status_code in _ITS_OWN_FAULT:
            return said
        raise ReceiverError(f"{address} refuses: {said}; check the address and the headers")

    def close(self) -> None:
        self._client.close()


class _Grpc:
    def __init__(self, target: OtlpTarget) -> None:
        import grpc
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

        assert target.endpoint is not None
        scheme, _, address = target.endpoint.partition("://")
        self._channel = (
            grpc.secure_channel(address, grpc.ssl_channel_credentials())
            if scheme == "https"
            else grpc.insecure_channel(address)
        )
        self._stubs: dict[Signal, Any] = {
            "traces": TraceServiceStub(self._channel),  # type: ignore[no-untyped-call]
            "metrics": MetricsServiceStub(self._channel),  # type: ignore[no-untyped-call]
            "logs": LogsServiceStub(self._channel),  # type: ignore[no-untyped-call]
        }
        given = parse_env_headers(os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", ""), liberal=True)
        headers = {**given, **target.headers}
        self._metadata = tuple((name.lower(), value) for name, value in headers.items())

    def post(self, signal: Signal, request: Message) -> str:
        import grpc

        codes = grpc.StatusCode
        try:
            self._stubs[signal].Export(request, timeout=_TIMEOUT, metadata=self._metadata)
        except grpc.RpcError as error:
            said = f"{error.code().name} {' '.join((error.details() or '').split())[:200]}"
            if error.code() in (codes.INVALID_ARGUMENT, codes.OUT_OF_RANGE):
                return said
            if error.code() in (codes.UNAUTHENTICATED, codes.PERMISSION_DENIED, codes.UNIMPLEMENTED):
                raise ReceiverError(
                    f"the receiver refuses: {said}; check the address and the headers"
                ) from error
            raise _TryAgainError(said) from error
        return ""

    def close(self) -> None:
        self._channel.close()
