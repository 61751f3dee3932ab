"""The configuration of what leaves the process: metrics to be scraped, spans and logs to be sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from ..telemetry.otlp import GRPC, OtlpTarget, check_grpc


def _http_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as error:
        # Its own words quote the address, and with it a password.
        raise ValueError("must be an address such as http://backend:3100: host or port is none") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an address such as http://backend:3100")
    if parts.username or parts.password:
        raise ValueError("must not contain a password: use the keys for user and password")
    if parts.query or parts.fragment:
        raise ValueError("must not contain '?' or '#'")
    return value.rstrip("/")


def _otlp_base(value: str) -> str:
    if value.endswith(("/v1/traces", "/v1/metrics", "/v1/logs")):
        raise ValueError("must be the base address: the path of the signal is added")
    return value


HttpUrl = Annotated[str, AfterValidator(_http_url)]
OtlpUrl = Annotated[HttpUrl, AfterValidator(_otlp_base)]


MOST_ACCOUNTS = 100


class MetricsSettings(BaseModel):
    """Where Prometheus scrapes the daemon, and what it does not collect."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="address to listen on for scrapes")
    port: int = Field(8007, ge=0, le=65535, description="port to listen on for scrapes; 0 takes a free one")
    web_config_file: Path | None = Field(
        None,
        description="TLS and basic authentication: a web configuration file as other exporters use",
    )
    disabled_collectors: tuple[str, ...] = Field(
        (), description="collectors to switch off by name, for example 'host' where node_exporter runs"
    )
    most_series: int = Field(
        1000, ge=10, description="most series of a metric, and of a metric of devices for each of them"
    )
    accounts: tuple[str, ...] = Field(
        (), max_length=MOST_ACCOUNTS, description="accounts whose busy time is told; others are 'other'"
    )
    alertmanager_url: HttpUrl | None = Field(
        None, description="Alertmanager whose firing alerts administrators see in the live views"
    )


class TelemetrySettings(BaseModel):
    """Where spans and logs go. Without an address nothing is sent over the network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    otlp_endpoint: OtlpUrl | None = Field(
        None, description="base address of an OTLP receiver for spans, for example http://tempo:4318"
    )
    otlp_protocol: Literal["http/protobuf", "grpc"] | None = Field(
        None, description="how OTLP is spoken; default: OTEL_EXPORTER_OTLP_PROTOCOL, else http/protobuf"
    )
    otlp_headers: dict[str, SecretStr] = Field(
        default_factory=dict, description="headers of OTLP requests, for tenant and authentication"
    )
    otlp_metrics: bool = Field(False, description="send the daemon's metrics by OTLP too")
    otlp_metrics_interval: float = Field(60.0, ge=0.1, le=3600, description="seconds between two sends of them")
    trace_directory: Path | None = Field(
        None, description="folder for spans in files (OTLP JSON Lines), with or without a receiver"
    )
    span_limit: int = Field(4096, ge=1, description="most spans that wait for their receiver")
    logs: Literal["loki", "otlp", "stdout"] | None = Field(
        None, description="where logs go, one place only; default: loki where loki_url is set, else stdout"
    )
    loki_url: HttpUrl | None = Field(None, description="address of Loki, for example http://loki:3100")
    loki_tenant: str | None = Field(None, min_length=1, description="tenant (X-Scope-OrgID) of a shared Loki")
    loki_user: str | None = Field(None, min_length=1, description="user for basic authentication at Loki")
    loki_password: SecretStr | None = Field(None, description="password for basic authentication at Loki")
    loki_timeout: float = Field(5.0, gt=0, le=60, description="seconds to wait for an answer of Loki")
    log_capacity: int = Field(10_000, ge=1, description="most log lines that wait for Loki or OTLP")
    log_level: Literal["debug", "info", "warning", "error", "critical"] = Field(
        "info", description="lowest level that is logged"
    )
    log_format: Literal["json", "text"] = Field("json", description="form of the log on standard output")
    flush_seconds: float = Field(
        3.0, ge=0, le=60, description="longest time that an exit waits for telemetry to be sent"
    )

    @property
    def log_destination(self) -> Literal["loki", "otlp", "stdout"]:
        """The one place that logs go to."""
        return self.logs or ("stdout" if self.loki_url is None else "loki")

    @property
    def otlp(self) -> OtlpTarget:
        """Where OTLP goes, as far as the configuration tells."""
        headers = {name: value.get_secret_value() for name, value in self.otlp_headers.items()}
        return OtlpTarget(self.otlp_endpoint, self.otlp_protocol, headers)

    @model_validator(mode="after")
    def _check_loki_credentials(self) -> TelemetrySettings:
        if (self.loki_user is None) != (self.loki_password is None):
            raise ValueError("loki_user and loki_password are given together or not at all")
        return self

    @model_validator(mode="after")
    def _check_destinations(self) -> TelemetrySettings:
        if self.logs == "loki" and self.loki_url is None:
            raise ValueError("logs: loki needs loki_url")
        if self.logs == "otlp":
            if not self.otlp.names("logs"):
                raise ValueError("logs: otlp needs otlp_endpoint")
            self.otlp.protocol_of("logs")
        if self.otlp_metrics:
            if not self.otlp.names("metrics"):
                raise ValueError("otlp_metrics needs otlp_endpoint")
            self.otlp.protocol_of("metrics")
        if self.otlp_protocol == GRPC:
            check_grpc()
        return self
