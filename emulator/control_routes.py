"""What only an emulated QPU offers: its faults and its drift, below ``/emulator``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from .faults import Faults, FaultsOrder
from .machine import EmulatedQPU

PREFIX = "/emulator"


def control_routes(qpu: EmulatedQPU) -> APIRouter:
    """Return the routes by which tests and demonstrations control ``qpu``."""
    router = APIRouter(prefix=PREFIX, tags=["emulator"])

    @router.get("")
    async def description() -> dict[str, Any]:
        """Tell what is emulated and how it is drifting now."""
        scale = qpu.drift.amplitude_scale()
        return {
            "name": qpu.settings.name,
            "simulator": True,
            "shot_rate": qpu.settings.shot_rate,
            "overhead": qpu.settings.overhead,
            "noise": qpu.settings.noise.model_dump(),
            "drift": {
                "amplitude_scale": scale,
                "rabi_frequency_deviation_ratio": scale - 1,
                "detuning_offset": qpu.faults.detuning_offset,
            },
            "simulation_process": qpu.simulator_pid,
        }

    @router.get("/faults")
    async def faults() -> Faults:
        """Tell the present faults."""
        return qpu.faults

    @router.put("/faults")
    async def change_faults(order: FaultsOrder) -> Faults:
        """Replace the faults; what is not given becomes healthy, ``{}`` clears all."""
        return qpu.change_faults(order)

    return router
