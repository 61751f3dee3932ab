"""Faults that can be put on the emulated QPU, at start and at run time."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

UP = "UP"


class Faults(BaseModel):
    """What is wrong with the emulated QPU now; the defaults are a healthy machine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    operational_status: str = Field(
        default=UP,
        min_length=1,
        max_length=64,
        description="word that /system/operational tells; any but UP also refuses new jobs with 503",
    )
    down: bool = Field(default=False, description="every request under /api/v1 is answered with 503")
    slowdown: float = Field(
        default=1.0, gt=0, allow_inf_nan=False, description="factor on the duration of new jobs"
    )
    error_ratio: float = Field(
        default=0.0, ge=0, le=1, description="fraction of new jobs that run and end in ERROR"
    )
    response_delay: float = Field(
        default=0.0,
        ge=0,
        le=3600,
        description="seconds by which every reply under /api/v1 comes late, after its effect",
    )
    rabi_drift_per_hour: float = Field(
        default=0.0,
        allow_inf_nan=False,
        description="signed change of the Rabi frequency in an hour of emulated time (-0.02 is -2 %)",
    )
    time_factor: float = Field(
        default=1.0,
        gt=0,
        allow_inf_nan=False,
        description="emulated seconds in a real one, for the drift; 3600 makes an hour of a second",
    )
    detuning_offset: float = Field(
        default=0.0, allow_inf_nan=False, description="offset of every detuning in rad/µs"
    )


class FaultsOrder(Faults):
    """A new set of faults, with the actions to take once."""

    forget: bool = Field(default=False, description="drop all jobs now, as a restart of the server would")
    recalibrate: bool = Field(default=False, description="set the Rabi frequency back to nominal now")

    def faults(self) -> Faults:
        """Return the lasting part of the order."""
        return Faults.model_validate(self.model_dump(exclude={"forget", "recalibrate"}))
