"""Settings of an emulated QPU."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator

from .faults import Faults
from .noise import NoiseSettings

__all__ = ["EmulatorSettings", "Faults", "NoiseSettings"]


class EmulatorSettings(BaseModel):
    """What an emulated QPU is, how fast, how noisy, and where it listens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", description="address to listen on; the API has no authentication")
    port: int = Field(default=8005, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    name: str = Field(default="EMU", min_length=1, description="name of the device in its specs")
    shot_rate: float = Field(
        default=100.0, gt=0, allow_inf_nan=False, description="shots executed in a second, in hertz"
    )
    overhead: float = Field(
        default=0.5, ge=0, allow_inf_nan=False, description="seconds that every job takes besides its shots"
    )
    noise: NoiseSettings = Field(default=NoiseSettings(), description="noise of the hardware")
    faults: Faults = Field(default=Faults(), description="faults at the start; to be changed at run time")
    seed: int | None = Field(
        default=None, ge=0, description="makes the results reproducible: the same jobs give the same counts"
    )
    first_uid: int = Field(default=1, ge=1, description="uid of the first job after a start")
    timezone: str | None = Field(
        default=None, description="IANA name of the zone of the API's local times; the host's if not given"
    )
    require_layout: bool = Field(
        default=False, description="refuse registers without a layout, as a real machine does"
    )
    executions_log: Path | None = Field(
        default=None, description="file that gets a JSON line at the start and at the end of each execution"
    )

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError, OSError) as error:
                raise ValueError(f"{name!r} is not a known time zone") from error
        return name

    @property
    def zone(self) -> ZoneInfo | None:
        """The zone of the API's local times; None is the host's."""
        return None if self.timezone is None else ZoneInfo(self.timezone)
