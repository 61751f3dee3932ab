"""The official OTLP exporters of the three signals, over HTTP or gRPC, by setting or environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from opentelemetry.sdk._logs.export import LogRecordExporter
    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.trace.export import SpanExporter

HTTP = "http/protobuf"
GRPC = "grpc"
PROTOCOLS = (HTTP, GRPC)

Signal = Literal["traces", "metrics", "logs"]


class OtlpProtocolError(ValueError):
    """The protocol cannot be spoken here; the message is one line: what, and what to do."""


@dataclass(frozen=True, slots=True)
class OtlpTarget:
    """Where OTLP goes: base address, protocol and headers; what is not given is left to ``OTEL_`` variables."""

    endpoint: str | None = None
    protocol: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def names(self, signal: Signal) -> bool:
        """Tell whether there is an address for ``signal``, here or in the environment."""
        return bool(self.endpoint) or endpoint_in_environment(signal)

    def protocol_of(self, signal: Signal) -> str:
        """Return the protocol for ``signal``: HTTP unless told otherwise.

        Raises:
            OtlpProtocolError: it is neither ``http/protobuf`` nor ``grpc``, or gRPC is not installed.
        """
        found = self.protocol or _variable(signal, "PROTOCOL") or HTTP
        if found not in PROTOCOLS:
            raise OtlpProtocolError(f"OTLP protocol {found!r} is neither {HTTP!r} nor {GRPC!r}")
        if found == GRPC:
            check_grpc()
        return found

    def http_address(self, signal: Signal) -> str | None:
        """Return the full address of ``signal``, None where the environment tells it."""
        return f"{self.endpoint.rstrip('/')}/v1/{signal}" if self.endpoint else None


def check_grpc() -> None:
    """Raise :class:`OtlpProtocolError` unless OTLP over gRPC is installed."""
    from importlib.util import find_spec

    try:
        found = find_spec("opentelemetry.exporter.otlp.proto.grpc") and find_spec("grpc")
    except ModuleNotFoundError:
        found = None
    if not found:
        raise OtlpProtocolError(
            "OTLP over gRPC needs opentelemetry-exporter-otlp-proto-grpc: run pip install 'qwatch[grpc]'"
        )


def endpoint_in_environment(signal: Signal) -> bool:
    """Tell whether ``OTEL_`` variables give an OTLP address for ``signal``."""
    return bool(_variable(signal, "ENDPOINT"))


def span_exporter(target: OtlpTarget) -> SpanExporter:
    """Return an exporter of spans; raises :class:`OtlpProtocolError`."""
    if target.protocol_of("traces") == GRPC:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as OverGrpc

        return OverGrpc(endpoint=target.endpoint, headers=_metadata(target))
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=target.http_address("traces"), headers=dict(target.headers))


def metric_exporter(target: OtlpTarget) -> MetricExporter:
    """Return an exporter of metrics; raises :class:`OtlpProtocolError`."""
    if target.protocol_of("metrics") == GRPC:
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as OverGrpc

        return OverGrpc(endpoint=target.endpoint, headers=_metadata(target))
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    return OTLPMetricExporter(endpoint=target.http_address("metrics"), headers=dict(target.headers))


def log_exporter(target: OtlpTarget) -> LogRecordExporter:
    """Return an exporter of log records; raises :class:`OtlpProtocolError`."""
    if target.protocol_of("logs") == GRPC:
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as OverGrpc

        return OverGrpc(endpoint=target.endpoint, headers=_metadata(target))
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

    return OTLPLogExporter(endpoint=target.http_address("logs"), headers=dict(target.headers))


def _metadata(target: OtlpTarget) -> dict[str, str] | None:
    # gRPC's metadata keys are lower case; None leaves them to the environment.
    return {key.lower(): value for key, value in target.headers.items()} or None


def _variable(signal: Signal, name: str) -> str:
    specific = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}", "").strip()
    return specific or os.environ.get(f"OTEL_EXPORTER_OTLP_{name}", "").strip()
