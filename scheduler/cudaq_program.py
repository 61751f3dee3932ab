"""CUDA-Q's analog program as it is sent: what CUDA-Q's Pasqal target writes, in SI units.

The format is that of Amazon Braket's analog Hamiltonian simulation; CUDA-Q writes numbers as strings.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, FiniteFloat, ValidationError, model_validator

from .errors import InvalidRequestError

UNIFORM = "uniform"


class AtomArrangement(BaseModel):
    """Sites in metres, and which of them hold an atom."""

    sites: list[tuple[FiniteFloat, FiniteFloat]]
    filling: list[Annotated[int, Field(ge=0, le=1)]]

    @model_validator(mode="after")
    def _match(self) -> AtomArrangement:
        if len(self.sites) != len(self.filling):
            raise ValueError(
                f"{len(self.sites)} sites and {len(self.filling)} fillings: give one for each site"
            )
        return self


class Setup(BaseModel):
    """The register."""

    ahs_register: AtomArrangement


class TimeSeries(BaseModel):
    """Values at times in seconds; one value holds throughout."""

    values: list[FiniteFloat] = Field(min_length=1)
    times: list[FiniteFloat] = Field(min_length=1)

    @model_validator(mode="after")
    def _match(self) -> TimeSeries:
        if len(self.values) != len(self.times):
            raise ValueError(f"{len(self.values)} values and {len(self.times)} times: give one for each time")
        if self.times[0] != 0.0:
            raise ValueError("the first time is not 0")
        if any(after <= before for before, after in zip(self.times, self.times[1:], strict=False)):
            raise ValueError("the times do not increase")
        return self


class PhysicalField(BaseModel):
    """A field over time, the same for all atoms."""

    time_series: TimeSeries
    pattern: str | list[Any] = UNIFORM

    @model_validator(mode="after")
    def _uniform(self) -> PhysicalField:
        if self.pattern != UNIFORM:
            raise ValueError(f"the pattern is not {UNIFORM!r}: the device's laser reaches all atoms alike")
        return self


class DrivingField(BaseModel):
    """The laser: amplitude and detuning in rad/s, phase in rad."""

    amplitude: PhysicalField
    phase: PhysicalField
    detuning: PhysicalField


class Hamiltonian(BaseModel):
    """What drives the atoms."""

    drivingFields: list[DrivingField] = Field(min_length=1, max_length=1)
    localDetuning: list[Any] = Field(default_factory=list, max_length=0)


class CudaqProgram(BaseModel):
    """An analog program."""

    setup: Setup
    hamiltonian: Hamiltonian


def is_cudaq_program(program: object) -> bool:
    """Tell whether a parsed payload is meant as an analog program; no Pulser sequence has these two parts."""
    return isinstance(program, dict) and "setup" in program and "hamiltonian" in program


def read_cudaq_program(program: dict[str, Any]) -> CudaqProgram:
    """Return the program in a parsed payload.

    Raises:
        InvalidRequestError: with one line that says what is wrong, and where.
    """
    try:
        return CudaqProgram.model_validate(program)
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in ("sequence", *found["loc"]))
        reason = _REASONS.get((str(found["loc"][-1]) if found["loc"] else "", found["type"]), found["msg"])
        raise InvalidRequestError(f"{where}: {reason.removeprefix('Value error, ')}") from error


_REASONS: dict[tuple[str, str], str] = {
    ("drivingFields", "too_short"): "there is none",
    ("drivingFields", "too_long"): "there are several: program all pulses in a single Hamiltonian",
    ("localDetuning", "too_long"): "the device cannot detune single atoms",
}
