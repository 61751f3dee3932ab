"""What the daemon and the process that computes for it tell each other about experiments."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from .settings import Experiment


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Program(_Message):
    """One sequence of an experiment, in Pulser's abstract representation.

    ``area`` is that of its pulse in rad and ``duration`` that of its pulse in µs, where the atoms do not
    interact; ``exact`` the probability of each bitstring on an ideal device, where they do.
    """

    name: str
    experiment: Experiment
    sequence: str
    atoms: int
    area: float = 0.0
    duration: float = 0.0
    exact: dict[str, float] = {}


class Plan(_Message):
    """The programs of a round on one device; ``rabi_frequency`` is the nominal one of the scan in rad/µs."""

    channel: str
    rabi_frequency: float
    programs: tuple[Program, ...]


class Measured(_Message):
    """A program that ran, and how often each bitstring was read."""

    program: Program
    counts: dict[str, int]


class Finding(_Message):
    """One quality: dotted name of its metric, labels besides the device's, value, one standard deviation."""

    metric: str
    labels: dict[str, str]
    value: float
    uncertainty: float


class PlanOrder(_Message):
    """Make the programs of ``experiments`` for the device with ``specs``.

    ``modulated``: the device's channels are as slow as its specs say, as those of real lasers are.
    """

    order: Literal["plan"] = "plan"
    specs: str
    experiments: tuple[Experiment, ...]
    modulated: bool


class AnalysisOrder(_Message):
    """Find the qualities in what was measured of ``plan``."""

    order: Literal["analyse"] = "analyse"
    plan: Plan
    measured: tuple[Measured, ...]


Order = Annotated[PlanOrder | AnalysisOrder, Field(discriminator="order")]


class Reply(_Message):
    """The answer to an order: a plan, findings, or one line that says why there are none."""

    plan: Plan | None = None
    findings: tuple[Finding, ...] | None = None
    error: str | None = None
