"""The reports' part of the configuration: the site's targets, shares and rates."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..scheduler.settings import JobClass, Section, Zone

Ratio = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Price = Annotated[float, Field(ge=0)]


class WaitObjective(Section):
    """What share of a class's jobs is to start within a time."""

    within: Positive = Field(3600.0, description="seconds from a job's creation to its start")
    ratio: Ratio = Field(0.95, description="share of the jobs that is to start within them")


def _usual_waits() -> dict[JobClass, WaitObjective]:
    return {"production": WaitObjective()}


class TargetSettings(Section):
    """What the site promised."""

    utilization: Ratio | None = Field(None, description="busy time / wall time")
    availability: Ratio | None = Field(None, description="share of the time that is not fault")
    wait: dict[JobClass, WaitObjective] = Field(default_factory=_usual_waits, description="by job class")


class RateSettings(Section):
    """What an hour of busy time costs: the account's rate, else the class's, else the default."""

    currency: str = Field("EUR", max_length=8, description="printed beside each amount")
    per_busy_hour: Price | None = Field(None, description="the default rate; no costs without any rate")
    by_class: dict[JobClass, Price] = Field(default_factory=dict, description="rate of a job class")
    by_account: dict[str, Price] = Field(default_factory=dict, description="rate of an account")


class ReportSettings(Section):
    """What reports know of the site besides the ledger."""

    site: str = Field("", max_length=200, description="name of the centre, in the title")
    timezone: Zone | None = Field(None, description="IANA zone of days and months; default this host's")
    targets: TargetSettings = Field(default_factory=TargetSettings)
    shares: dict[str, Ratio] = Field(
        default_factory=dict, description="target share of the busy time, by account"
    )
    rates: RateSettings = Field(default_factory=RateSettings)
    top: int = Field(20, ge=1, le=1000, description="how many users and accounts are listed by name")
