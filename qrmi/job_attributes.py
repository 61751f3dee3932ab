"""What the environment tells of the job that a program runs in, as span attributes."""

from __future__ import annotations

import os

from ..telemetry import attributes
from .interface import Resource

JOB_CLASS_VARIABLE = "QWATCH_JOB_CLASS"
"""The class of the program's jobs, set by ``qwatch run``."""


def job_attributes(resource: Resource) -> dict[str, str | bool]:
    """Return the attributes of sessions and tasks that come from the job and from the kind of resource."""
    found: dict[str, str | bool] = {}
    for name, variable in (
        (attributes.SLURM_JOB_ID, "SLURM_JOB_ID"),
        (attributes.SLURM_CLUSTER, "SLURM_CLUSTER_NAME"),
        (attributes.JOB_CLASS, JOB_CLASS_VARIABLE),
    ):
        value = os.environ.get(variable)
        if value:
            found[name] = value
    simulator = getattr(resource, "simulator", None)
    if isinstance(simulator, bool):
        found[attributes.QPU_SIMULATOR] = simulator
    return found
