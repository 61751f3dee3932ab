"""The observer's part of the configuration: devices, and for each the sources that may be read."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, field_validator, model_validator
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from ...qrmi.resource_types import PASQAL_LOCAL, TYPES
from ...scheduler.ledger import OWN_SOURCE
from ...scheduler.settings import DeviceAuthSettings, DeviceName, HttpUrl, JobClass, Section, Zone

PeerRoute = Literal["accessible", "status", "accounting", "qpu_slots"]


class PeerApiSettings(Section):
    """The peer scheduler's HTTP API; only GET requests are sent."""

    url: HttpUrl = Field(description="base URL of the peer", examples=["http://warden:8006"])
    auth: Literal["munge", "token", "none"] = Field(
        "munge",
        description="how the observer proves who it is; the peer must count its user as an administrator",
    )
    token_file: Path | None = Field(None, description="auth: token: the bearer token, in a file")
    munge_socket: str | None = Field(None, description="auth: munge: munged's socket, if not the default one")
    read: tuple[PeerRoute, ...] = Field(get_args(PeerRoute), description="which of its routes are read")
    interval: float = Field(2.0, ge=0.1, le=3600, description="seconds between two polls of one route")
    accounting_interval: float = Field(
        15.0,
        ge=0.1,
        le=3600,
        description="seconds between two polls of /accounting, /qpu-slots, and of all beside a peer_database",
    )
    timeout: float = Field(5.0, gt=0, le=300, description="seconds to wait for an answer")

    @model_validator(mode="after")
    def _has_its_credential(self) -> PeerApiSettings:
        if (self.auth == "token") != (self.token_file is not None):
            raise ValueError("auth: token and token_file are given together or not at all")
        if not self.read:
            raise ValueError("read: name at least one route, or leave peer_api out")
        return self


class JobsTable(Section):
    """Where the peer's database keeps jobs: the table and its columns."""

    table: str = Field("jobs", description="name of the table")
    id: str = Field("id", description="column: id of a row")
    session: str = Field("session_id", description="column: session of a job")
    status: str = Field("status", description="column: state of a job")
    shots: str = Field("shots", description="column: shots of a job")
    created: str = Field("created_at", description="column: when it was created")
    started: str = Field("started_at", description="column: when a job started")
    ended: str = Field("ended_at", description="column: when a job ended")
    canceled: str = Field("canceled_at", description="column: when a job was cancelled")
    device_job: str = Field("backend_id", description="column: the device's own id of a job")


class SessionsTable(Section):
    """Where the peer's database keeps sessions."""

    table: str = Field("sessions", description="name of the table")
    id: str = Field("id", description="column: id of a row")
    user: str = Field("user_id", description="column: user of a session")
    slurm_job: str | None = Field(
        None,
        description="column: Slurm job of a session; default: slurm_job_id or, if absent, scheduler_job_id",
    )
    created: str = Field("created_at", description="column: when it was created")
    revoked: str = Field("revoked_at", description="column: when a session ended")
    reason: str = Field("revocation_reason", description="column: why a session ended")


class AccessibilityTable(Section):
    """Where the peer's database keeps whether it is open to users: the row with the highest id counts."""

    table: str = Field("accessibility_settings", description="name of the table")
    id: str = Field("id", description="column: id of a row")
    accessible: str = Field("is_accessible", description="column: whether users may submit")
    message: str = Field("message", description="column: what users are told")


class PeerDatabaseSettings(Section):
    """The peer scheduler's database, read only."""

    url: str = Field(
        description="sqlite:////path/of/file or postgresql://user@host/database",
        examples=["sqlite:////opt/warden/warden.db"],
    )
    password_file: Path | None = Field(None, description="PostgreSQL: the password, in a file")
    jobs: JobsTable = Field(default_factory=JobsTable)
    sessions: SessionsTable = Field(default_factory=SessionsTable)
    accessibility: AccessibilityTable = Field(default_factory=AccessibilityTable)
    interval: float = Field(2.0, ge=0.1, le=3600, description="seconds between two polls")
    timeout: float = Field(5.0, gt=0, le=300, description="seconds that a poll may take")

    @field_validator("url")
    @classmethod
    def _is_a_database(cls, value: str) -> str:
        try:
            parsed = make_url(value)
        except ArgumentError as error:
            raise ValueError(
                "must be such as sqlite:////path/of/file or postgresql://user@host/name"
            ) from error
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise ValueError(f"{parsed.get_backend_name()} is not read; sqlite and postgresql are")
        if parsed.password is not None:
            raise ValueError("must not contain a password: use password_file")
        if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
            raise ValueError("must name a file, such as sqlite:////var/lib/warden/warden.db")
        return value


class QpuApiSettings(Section):
    """The on-premises QPU's HTTP API; only GET requests are sent."""

    url: HttpUrl = Field(description="base URL, without /api/v1", examples=["http://qpu:8005"])
    auth: DeviceAuthSettings | None = None
    timezone: Zone | None = Field(None, description="IANA zone of its time stamps; default this host's")
    interval: float = Field(2.0, ge=0.1, le=3600, description="seconds between two polls")
    timeout: float = Field(5.0, gt=0, le=300, description="seconds to wait for an answer")


class QrmiSettings(Section):
    """Any QRMI resource; only ``status()`` is called."""

    resource_type: str = Field(PASQAL_LOCAL, description="QRMI's word for the type")
    environment: dict[str, str] = Field(
        default_factory=dict, description="the resource's keys, as in qrmi_config.json"
    )
    secret_files: dict[str, Path] = Field(
        default_factory=dict, description="keys whose values are credentials, each in a file"
    )
    interval: float = Field(10.0, ge=0.1, le=3600, description="seconds between two polls")
    timeout: float = Field(30.0, gt=0, le=300, description="seconds to wait for an answer")

    @field_validator("resource_type")
    @classmethod
    def _is_a_type(cls, value: str) -> str:
        if value not in TYPES:
            raise ValueError(f"{value!r} is not one of {', '.join(TYPES)}")
        return value


class ObservedDeviceSettings(Section):
    """One device that is observed, and what may be read about it."""

    name: DeviceName = Field(description="name of the device, as metrics have it", examples=["FRESNEL"])
    peer_api: PeerApiSettings | None = None
    peer_database: PeerDatabaseSettings | None = None
    qpu_api: QpuApiSettings | None = None
    qrmi: QrmiSettings | None = None
    ledger_source: str = Field(
        "peer",
        min_length=1,
        max_length=64,
        description="name of the peer in the ledger; its job ids are unique in it",
    )
    history: float = Field(
        0.0, ge=0, description="seconds before the very first start from which on ended jobs are read"
    )
    job_class: JobClass = Field("production", description="class that the peer's jobs count as; it knows none")
    simulator: bool = Field(False, description="whether it is an emulator")
    vendor: str = Field("unknown", description="for qpu_info")
    technology: str = Field("unknown", description="for qpu_info, for example neutral-atom")
    shot_rate: float | None = Field(None, gt=0, description="nominal shots a second")

    @model_validator(mode="after")
    def _can_be_observed(self) -> ObservedDeviceSettings:
        if not (self.peer_api or self.peer_database or self.qpu_api or self.qrmi):
            raise ValueError(
                f"device {self.name}: name at least one source: peer_api, peer_database, qpu_api or qrmi"
            )
        if self.ledger_source == OWN_SOURCE:
            raise ValueError(f"device {self.name}: ledger_source {OWN_SOURCE} means jobs of qwatch's own")
        return self

    @property
    def resource_type(self) -> str:
        """The device's type in QRMI's words."""
        return PASQAL_LOCAL if self.qrmi is None else self.qrmi.resource_type


class ObserverSettings(Section):
    """What ``qwatch serve --role observer`` observes."""

    devices: list[ObservedDeviceSettings] = Field(
        default_factory=list, description="devices that are observed, and what may be read about each"
    )

    @field_validator("devices")
    @classmethod
    def _have_names_of_their_own(cls, value: list[ObservedDeviceSettings]) -> list[ObservedDeviceSettings]:
        names = [device.name for device in value]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two are named {name}")
        return value
