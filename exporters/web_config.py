"""The web configuration file of Prometheus exporters: TLS and basic authentication of the metrics port.

The format is that of prometheus/exporter-toolkit (`web.yml`), so that one file serves all exporters of a host.
What of it is not supported here is an error, never ignored: a restriction that does not hold misleads.
"""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

_BCRYPT = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")
_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
_HEADERS = (
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
)
_VERIFY = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
TlsVersion = Literal["TLS10", "TLS11", "TLS12", "TLS13"]


class WebConfigurationError(ValueError):
    """The file cannot be used; the message is one line: file, key, and what to do."""


class TlsServer(BaseModel):
    """``tls_server_config``: certificate, key, and what is asked of clients."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None
    client_auth_type: Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"] = (
        "NoClientCert"
    )
    min_version: TlsVersion = "TLS12"
    max_version: TlsVersion = "TLS13"
    prefer_server_cipher_suites: bool = True

    @field_validator("client_auth_type", mode="before")
    @classmethod
    def _check_type(cls, value: object) -> object:
        if value in ("RequestClientCert", "RequireAnyClientCert"):
            raise ValueError(
                f"{value} takes certificates without a check, which is not supported: "
                "use VerifyClientCertIfGiven or RequireAndVerifyClientCert"
            )
        return value

    @model_validator(mode="after")
    def _check_clients(self) -> TlsServer:
        if self.client_ca_file is not None and self.client_auth_type == "NoClientCert":
            raise ValueError("client_ca_file is given and client_auth_type asks for no certificate")
        if self.client_ca_file is None and self.client_auth_type != "NoClientCert":
            raise ValueError(f"client_auth_type {self.client_auth_type} needs client_ca_file")
        return self


class HttpServer(BaseModel):
    """``http_server_config``: headers of every answer. HTTP/2 is not spoken, whatever ``http2`` says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    http2: bool = True
    headers: dict[str, str] = Field(default_factory=dict)

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if name not in _HEADERS:
                raise ValueError(f"header {name!r} is none of {', '.join(_HEADERS)}")
        return value


class WebConfiguration(BaseModel):
    """What a web configuration file says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tls_server_config: TlsServer | None = None
    http_server_config: HttpServer = HttpServer()
    basic_auth_users: dict[str, str] = Field(default_factory=dict, repr=False)

    @field_validator("tls_server_config", "http_server_config", "basic_auth_users", mode="before")
    @classmethod
    def _empty_is_default(cls, value: object, info: Any) -> object:
        if value is None and info.field_name != "tls_server_config":
            return {}
        return value

    @field_validator("basic_auth_users")
    @classmethod
    def _check_hashes(cls, value: dict[str, str]) -> dict[str, str]:
        for user, found in value.items():
            if not _BCRYPT.fullmatch(found):
                raise ValueError(
                    f"the password of {user!r} is not a bcrypt hash: make one with htpasswd -nBC 10"
                )
        return value


def load_web_configuration(path: Path) -> WebConfiguration:
    """Read a web configuration file; paths in it are relative to its folder.

    Raises:
        WebConfigurationError: one line: file, key, and what is wrong.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WebConfigurationError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise WebConfigurationError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    data = {} if data is None else data
    if not isinstance(data, dict):
        raise WebConfigurationError(f"{path}: must be a mapping with keys such as 'tls_server_config'")
    try:
        found = WebConfiguration.model_validate(data)
    except ValidationError as error:
        item = error.errors(include_input=False)[0]
        place = ".".join(str(part) for part in item["loc"]) or "the whole"
        said = "is not known here" if item["type"] == "extra_forbidden" else item["msg"]
        raise WebConfigurationError(f"{path}: {place}: {said.removeprefix('Value error, ')}") from None
    return found.model_copy(update={"tls_server_config": _beside(found.tls_server_config, path.parent)})


def tls_context(settings: TlsServer) -> ssl.SSLContext:
    """Return the server's TLS context.

    Raises:
        WebConfigurationError: a file cannot be read, or is no certificate or key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[settings.min_version]
    context.maximum_version = _VERSIONS[settings.max_version]
    context.verify_mode = _VERIFY[settings.client_auth_type]
    context.set_alpn_protocols(["http/1.1"])
    files = f"{settings.cert_file} and {settings.key_file}"
    try:
        context.load_cert_chain(settings.cert_file, settings.key_file)
        if settings.client_ca_file is not None:
            files = str(settings.client_ca_file)
            context.load_verify_locations(settings.client_ca_file)
    except (OSError, ssl.SSLError) as error:
        said = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise WebConfigurationError(
            f"{files}: {said}; certificate and key are PEM, and belong together"
        ) from error
    return context


def _beside(tls: TlsServer | None, folder: Path) -> TlsServer | None:
    if tls is None:
        return None
    return tls.model_copy(
        update={
            "cert_file": folder / tls.cert_file,
            "key_file": folder / tls.key_file,
            "client_ca_file": None if tls.client_ca_file is None else folder / tls.client_ca_file,
        }
    )
