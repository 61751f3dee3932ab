"""The scheduler's part of the configuration. The keys are relied on from outside and keep their names."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ..telemetry.labels import JOB_CLASSES
from .quality.settings import QualitySettings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def _http_url(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return value.rstrip("/")


def _device_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("must be letters, digits, '_', '.' or '-', at most 64 of them")
    return value


def _networks(value: list[str]) -> list[str]:
    for item in value:
        try:
            ip_network(item, strict=False)
        except ValueError as error:
            raise ValueError(f"{item!r} is neither an address nor a network such as 10.0.0.0/8") from error
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{value!r} is not a time zone such as Europe/Paris") from error
    return value


HttpUrl = Annotated[str, AfterValidator(_http_url)]
Zone = Annotated[str, AfterValidator(_zone)]
DeviceName = Annotated[str, AfterValidator(_device_name)]
Procedure = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Networks = Annotated[list[str], AfterValidator(_networks)]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")]
FrameAncestors = Annotated[
    list[Annotated[str, Field(pattern=r"^(https?://[A-Za-z0-9.*-]+(:[0-9]+)?|'self')$")]], Field(max_length=20)
]
JobClass = Literal["production", "test", "development", "qa"]
assert get_args(JobClass) == JOB_CLASSES


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, since they are usually misspelled ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ApiSettings(Section):
    """The job API."""

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8006, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    auth: Literal["munge", "local"] = Field("munge", description="how a request proves who sends it")
    token_file: Path | None = Field(None, description="auth: local: the token, in a file of mode 0600")
    local_token_hosts: Networks = Field(
        default_factory=list,
        description="auth: local: networks besides loopback that the token is accepted from, for example the "
        "gateway of a container's network",
    )
    allow_local_auth_for_real_devices: bool = Field(
        False, description="auth: local refuses devices that are not emulators unless this is set"
    )
    authorized_users: list[int] | None = Field(
        None, description="uids that may use the devices; all users if not given"
    )
    admin_users: list[int] = Field(
        default_factory=lambda: [0],
        description="uids that may create sessions for others and administer; must contain SPANK's uid",
    )
    admin_hosts: Networks = Field(
        default_factory=list, description="networks that administration may come from, besides this host"
    )
    session_hosts: Networks = Field(
        default_factory=list,
        description="networks (compute nodes) that may create sessions for others, besides this host",
    )
    admin_socket: Path | None = Field(
        None,
        description="Unix socket for administration; default /run/qwatch/admin.sock, or beside the store",
    )
    session_idle_timeout: float | None = Field(
        604_800.0, gt=0, description="seconds after which a session without work is ended; null: never"
    )
    session_max_age: float | None = Field(
        None, gt=0, description="seconds after which a session is ended whatever it does; null: never"
    )
    user_sessions: bool = Field(False, description="users may create sessions for themselves")
    accounts_file: Path | None = Field(None, description="lines of 'uid account'; default: the user's name")
    default_job_class: JobClass = Field("production", description="class of a job that names none")
    max_body_bytes: int = Field(4 * 2**20, ge=1024, description="largest request body")
    max_shots: int = Field(100_000, ge=1, description="most shots of a job, if the device tells no limit")
    munge_socket: str | None = Field(None, description="socket of munged, if not the default one")
    store_timeout: float = Field(5.0, gt=0, description="seconds to wait for the store before answering 503")
    accessible_per_second: float = Field(
        50.0, gt=0, description="requests a second and address to the public GET /accessible and live views"
    )
    status_page: Literal["public", "login", "off"] = Field(
        "public", description="who sees devices and queues at / in a browser and at /live: all, users, nobody"
    )
    status_page_frame_ancestors: FrameAncestors = Field(
        default_factory=list, description="origins whose pages may show the status page in a frame"
    )
    public_url: HttpUrl | None = Field(
        None, description="where browsers find the job API, if a reverse proxy is before it"
    )
    web_session_seconds: float = Field(
        28_800.0, gt=0, le=604_800, description="how long a browser stays logged in after 'qwatch open'"
    )
    live_streams: int = Field(200, ge=1, le=10_000, description="most streams of live views at once")
    live_streams_per_address: int = Field(20, ge=1, description="most of them from one address")
    proxy_hosts: Networks = Field(
        default_factory=list, description="networks of reverse proxies that are trusted to name the user"
    )
    proxy_user_header: HeaderName | None = Field(
        None, description="header in which a trusted reverse proxy names the user; none is believed without it"
    )

    @model_validator(mode="after")
    def _proxies_are_named(self) -> ApiSettings:
        if self.proxy_user_header is not None and not self.proxy_hosts:
            raise ValueError("proxy_user_header: name the proxies in proxy_hosts")
        return self


class StoreSettings(Section):
    """The durable queue and ledger."""

    url: str = Field("sqlite:///qwatch.db", description="SQLAlchemy URL of the database")


class DeviceAuthSettings(Section):
    """OAuth2 client credentials for an on-premises QPU's API."""

    url: HttpUrl = Field(description="base URL of the Keycloak", examples=["https://keycloak.example"])
    realm: str = Field(description="its realm", examples=["qpu"])
    id: str = Field(description="id of the client", examples=["qwatch"])
    secret_file: Path = Field(
        description="secret of the client, in a file", examples=["/etc/qwatch/qpu-secret"]
    )


class DeviceSettings(Section):
    """One QPU or emulator."""

    name: DeviceName = Field(
        description="name of the device, as users and metrics have it", examples=["FRESNEL"]
    )
    adapter: Literal["qpu-http", "qrmi"] = Field(
        "qpu-http", description="qpu-http: the on-premises QPU's HTTP API; qrmi: any QRMI resource"
    )
    url: HttpUrl | None = Field(
        None,
        description="qpu-http: base URL of the QPU's API, without /api/v1",
        examples=["http://qpu:8005"],
    )
    resource_type: str = Field("pasqal-local", description="qrmi: type word of the QRMI resource")
    environment: dict[str, str] = Field(
        default_factory=dict, description="qrmi: the resource's keys, as in qrmi_config.json"
    )
    default: bool = Field(False, description="whether the root paths of the API mean this device")
    auth: DeviceAuthSettings | None = None
    timezone: Zone | None = Field(None, description="IANA zone of its time stamps; default this host's")
    min_poll_interval: float = Field(0.002, gt=0, description="seconds between two polls at the tightest")
    max_poll_interval: float = Field(1.0, gt=0, description="seconds between two polls at the loosest")
    status_interval: float = Field(5.0, gt=0, description="seconds between two looks at an idle device")
    shot_rate: float | None = Field(None, gt=0, description="nominal shots a second, for predictions")
    calibration_intervals: dict[Procedure, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="seconds between two calibrations, by procedure"
    )
    simulator: bool = Field(False, description="whether it is an emulator")
    vendor: str = Field("unknown", description="for qpu_info")
    technology: str = Field("unknown", description="for qpu_info, for example neutral-atom")
    quality: QualitySettings = Field(
        default_factory=QualitySettings, description="how the device's quality is measured"
    )

    @model_validator(mode="after")
    def _has_an_address(self) -> DeviceSettings:
        if self.adapter == "qpu-http" and self.url is None:
            raise ValueError(f"device {self.name}: adapter qpu-http needs 'url'")
        if self.min_poll_interval > self.max_poll_interval:
            raise ValueError(f"device {self.name}: min_poll_interval is longer than max_poll_interval")
        return self


class SchedulerSettings(Section):
    """The second-level scheduler."""

    policy: Literal["fifo"] = Field("fifo", description="how the next job is chosen")
    trace_grace: float = Field(
        2.0, ge=0, description="seconds to wait for a program to tell its trace before spans are sent"
    )
