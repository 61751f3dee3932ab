"""The configuration of what leaves the process: metrics to be scraped, spans and logs to be sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an address such as http://backend:3100")
    if parts.username or parts.password:
        raise ValueError("must not contain a password: use the keys for user and password")
    if parts.query or parts.fragment:
        raise ValueError("must not contain '?' or '#'")
    _ = parts.port  # raises ValueError for a port that is none
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
    disabled_collectors: tuple[str, ...] = Field(
        (), description="collectors to switch off by name, for example 'host' where node_exporter runs"
    )
    most_series: int = Field(
        1000, ge=10, description="most series of a metric, and of a metric of devices for each of them"
    )
    accounts: tuple[str, ...] = Field(
        (), max_length=MOST_ACCOUNTS, description="accounts whose busy time is told; others are 'other'"
    )


class TelemetrySettings(BaseModel):
    """Where spans and logs go. Without an address nothing is sent over the network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    otlp_endpoint: OtlpUrl | None = Field(
        None, description="base address of an OTLP/HTTP receiver for spans, for example http://tempo:4318"
    )
    trace_directory: Path | None = Field(
        None, description="folder for spans in files (OTLP JSON Lines), with or without a receiver"
    )
    span_limit: int = Field(4096, ge=1, description="most spans that wait for their receiver")
    loki_url: HttpUrl | None = Field(None, description="address of Loki, for example http://loki:3100")
    loki_tenant: str | None = Field(None, min_length=1, description="tenant (X-Scope-OrgID) of a shared Loki")
    loki_user: str | None = Field(None, min_length=1, description="user for basic authentication at Loki")
    loki_password: SecretStr | None = Field(None, description="password for basic authentication at Loki")
    loki_timeout: float = Field(5.0, gt=0, le=60, description="seconds to wait for an answer of Loki")
    log_capacity: int = Field(10_000, ge=1, description="most log lines that wait for Loki")
    log_level: Literal["debug", "info", "warning", "error", "critical"] = Field(
        "info", description="lowest level that is logged"
    )
    log_format: Literal["json", "text"] = Field("json", description="form of the log on standard output")
    flush_seconds: float = Field(
        3.0, ge=0, le=60, description="longest time that an exit waits for telemetry to be sent"
    )

    @model_validator(mode="after")
    def _check_loki_credentials(self) -> TelemetrySettings:
        if (self.loki_user is None) != (self.loki_password is None):
            raise ValueError("loki_user and loki_password are given together or not at all")
        return self
