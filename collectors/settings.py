"""The collectors' parts of the configuration: Slurm, and sources of the site's own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from ..scheduler.settings import Section

_SOURCE_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


def _source_name(value: str) -> str:
    if not _SOURCE_NAME.fullmatch(value):
        raise ValueError("must be small letters, digits and '_', at most 32 of them, and begin with a letter")
    return value


def _absolute(value: Path) -> Path:
    if not value.is_absolute():
        raise ValueError(f"{value} must be an absolute path")
    return value


SourceName = Annotated[str, AfterValidator(_source_name)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


class SlurmSettings(Section):
    """What is asked of Slurm."""

    enabled: bool = Field(False, description="whether Slurm is asked at all")
    interval: float = Field(30.0, ge=1, description="seconds from one look to the next")
    timeout: float = Field(10.0, gt=0, description="longest time that one of Slurm's commands may take")
    stale_after: float = Field(120.0, gt=0, description="seconds after which what was read is told no more")
    licenses: tuple[str, ...] = Field(
        ("qpu*",), description="patterns of the QPUs' licences, besides those named like a device"
    )
    gres: tuple[str, ...] = Field(("qpu*",), description="patterns of the QPUs' GRES; empty: none is asked for")
    commands: AbsolutePath | None = Field(
        None, description="folder of squeue, scontrol and sinfo; default: PATH"
    )

    @model_validator(mode="after")
    def _check_times(self) -> SlurmSettings:
        if self.stale_after < self.interval:
            raise ValueError("stale_after is shorter than interval: what was read would come and go")
        return self


class ExternalSettings(Section):
    """A script or a file of the site's, in Prometheus' text format."""

    name: SourceName = Field(description="name of the source, in its metrics", examples=["cryostat"])
    command: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="program and arguments, without a shell; the program by absolute path",
        examples=[["/opt/site/cryostat-metrics"]],
    )
    file: AbsolutePath | None = Field(None, description="or a file that something else writes")
    interval: float = Field(30.0, ge=1, description="seconds from one look to the next")
    timeout: float = Field(10.0, gt=0, description="longest time that the command may take")
    stale_after: float = Field(
        300.0,
        gt=0,
        description="seconds after which what was read, or a file that was not written, is told no more",
    )
    max_bytes: int = Field(2**20, ge=1, le=16 * 2**20, description="most that is read")
    max_series: int = Field(1000, ge=1, le=100_000, description="most series that are taken")

    @model_validator(mode="after")
    def _check(self) -> ExternalSettings:
        if (self.command is None) == (self.file is None):
            raise ValueError(f"external source {self.name}: give 'command' or 'file', one of them")
        if self.command is not None and not self.command[0].startswith("/"):
            raise ValueError(f"external source {self.name}: {self.command[0]} must be an absolute path")
        if self.stale_after < self.interval:
            raise ValueError(f"external source {self.name}: stale_after is shorter than interval")
        return self
