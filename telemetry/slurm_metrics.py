"""What Slurm tells of QPUs: nothing that its own OpenMetrics endpoint (Slurm 25.11 and newer) gives."""

from __future__ import annotations

from . import labels
from .catalogue import Kind, Metric

JOBS = Metric(
    "slurm.qpu.jobs",
    Kind.GAUGE,
    "{job}",
    "Slurm jobs that have not ended and ask for a QPU's licence or GRES; tasks of an array count singly",
    (labels.PARTITION, labels.SLURM_STATE),
)
LICENSE = Metric(
    "slurm.qpu.license",
    Kind.GAUGE,
    "{license}",
    "Licences with which Slurm rations a QPU",
    (labels.LICENSE, labels.LICENSE_KIND),
)
GRES = Metric(
    "slurm.qpu.gres",
    Kind.GAUGE,
    "{resource}",
    "Generic resources (GRES) with which Slurm rations a QPU, summed over the nodes",
    (labels.GRES, labels.GRES_KIND),
)

METRICS = (JOBS, LICENSE, GRES)
