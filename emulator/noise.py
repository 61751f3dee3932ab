"""What the emulated hardware does wrong by nature: readout, preparation and shot-to-shot fluctuation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from pulser import NoiseModel


class NoiseSettings(BaseModel):
    """Noise of the emulated QPU; all zero is the ideal machine.

    The names of the quantities are those of qwatch's metrics; the physics is Pulser's ``NoiseModel``
    (https://pulser.readthedocs.io, "Noise model").
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    readout_false_positive: float = Field(default=0.0, ge=0, le=1, description="probability to read a 0 as 1")
    readout_false_negative: float = Field(default=0.0, ge=0, le=1, description="probability to read a 1 as 0")
    state_preparation_error: float = Field(default=0.0, ge=0, le=1, description="probability to lose an atom")
    amplitude_sigma: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="relative standard deviation of the amplitude between trajectories",
    )
    detuning_sigma: float = Field(
        default=0.0, ge=0, description="standard deviation of the detuning between trajectories, in rad/µs"
    )
    temperature: float = Field(default=0.0, ge=0, description="temperature of the atoms in µK")
    laser_waist: float | None = Field(default=None, gt=0, description="waist of the global laser in µm")
    trajectories: int = Field(
        default=20,
        ge=1,
        le=1000,
        description="how many times the fluctuating quantities are drawn; the shots are spread over them",
    )

    def to_pulser(self) -> NoiseModel:
        """Return Pulser's noise model for these settings."""
        from pulser import NoiseModel

        return NoiseModel(
            p_false_pos=self.readout_false_positive,
            p_false_neg=self.readout_false_negative,
            state_prep_error=self.state_preparation_error,
            amp_sigma=self.amplitude_sigma,
            detuning_sigma=self.detuning_sigma,
            temperature=self.temperature,
            laser_waist=self.laser_waist,
        )

    @property
    def fluctuates(self) -> bool:
        """Whether one Hamiltonian is not enough, so that several trajectories are simulated."""
        return bool(
            self.state_preparation_error
            or self.amplitude_sigma
            or self.detuning_sigma
            or self.temperature
            or self.laser_waist
        )
