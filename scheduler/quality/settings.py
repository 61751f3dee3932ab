"""What a site configures about a device's quality: its own jobs, a feed, and what its specification says."""

from __future__ import annotations

from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Experiment = Literal["readout", "rabi", "blockade", "antiferromagnet"]
EXPERIMENTS: tuple[Experiment, ...] = get_args(Experiment)
REMOTE = ("http://", "https://")


def _feed_address(value: str) -> str:
    try:
        parts = urlsplit(value)
    except ValueError as error:
        raise ValueError("is not an address") from error
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a credential; put a proxy that has it in between")
    if not value.startswith((*REMOTE, "/")):
        raise ValueError("must be an absolute path, or begin with http:// or https://")
    return value


def _feed_name(value: str) -> str:
    if value == "quality_job":
        raise ValueError("'quality_job' is the source of qwatch's own measurements; choose another name")
    return value


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class QualityFeedSettings(_Section):
    """A file or HTTP address in which the vendor or the site tells what it measured."""

    url: Annotated[str, AfterValidator(_feed_address)] = Field(
        description="absolute path of a file, or an address with http:// or https://",
        examples=["/run/fresnel/quality.json"],
    )
    name: Annotated[str, AfterValidator(_feed_name)] = Field(
        "feed", pattern="^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="source of its samples in the ledger"
    )
    interval: float = Field(60.0, ge=0.1, allow_inf_nan=False, description="seconds between two readings")
    timeout: float = Field(5.0, gt=0, le=600, description="seconds that a reading may take")


class QualityJobSettings(_Section):
    """Jobs with known answers that the scheduler itself runs while nobody else needs the device."""

    enabled: bool = Field(False, description="whether they run")
    interval: float = Field(
        3600.0, ge=1, allow_inf_nan=False, description="seconds from one round of them to the next"
    )
    delay: float = Field(
        60.0, ge=0, allow_inf_nan=False, description="seconds that the device takes work before the first"
    )
    most_delay: float = Field(
        1.0,
        ge=0,
        allow_inf_nan=False,
        description="seconds that others may wait for a quality job; one that takes longer is cancelled",
    )
    shots: int = Field(50, ge=10, le=10_000, description="shots of each of them")
    jobs: tuple[Experiment, ...] = Field(EXPERIMENTS, min_length=1, description="what is measured")


class ReadoutErrorSpec(_Section):
    """The readout errors that a device is specified for; its specs' own noise model is used without it."""

    false_positive: float | None = Field(None, ge=0, le=1, description="probability to read a 0 as 1")
    false_negative: float | None = Field(None, ge=0, le=1, description="probability to read a 1 as 0")


class QualitySettings(_Section):
    """Everything about the quality of one device."""

    feed: QualityFeedSettings | None = None
    jobs: QualityJobSettings = QualityJobSettings()
    readout_error_spec: ReadoutErrorSpec = ReadoutErrorSpec()
    max_age: float = Field(
        86400.0, gt=0, allow_inf_nan=False, description="seconds after which a value is not shown any more"
    )
