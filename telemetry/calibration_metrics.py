"""Calibrations of devices, as administrators tell them."""

from __future__ import annotations

from . import labels
from .catalogue import OTHER, Kind, Metric

PROCEDURES = (
    "full",
    "rabi_frequency",
    "detuning",
    "register",
    "readout",
    "state_preparation",
    "laser_alignment",
    "magnetic_field",
    OTHER,
)
"""The common procedures; a site adds its own by configuring how often they are due."""

LAST = Metric(
    "qpu.last_calibration.timestamp",
    Kind.GAUGE,
    "s",
    "Unix time at which the last calibration that succeeded ended",
    (labels.QPU_ID, labels.PROCEDURE),
)
INTERVAL = Metric(
    "qpu.calibration.interval",
    Kind.GAUGE,
    "s",
    "Time after which a calibration is due again, as configured",
    (labels.QPU_ID, labels.PROCEDURE),
)
CALIBRATIONS = Metric(
    "qpu.calibrations",
    Kind.COUNTER,
    "{calibration}",
    "Calibrations that ended, by how",
    (labels.QPU_ID, labels.PROCEDURE, labels.CALIBRATION_RESULT),
)
DURATION = Metric(
    "qpu.calibration.duration",
    Kind.GAUGE,
    "s",
    "Duration of the last calibration, whether it succeeded or not",
    (labels.QPU_ID, labels.PROCEDURE),
)

METRICS = (LAST, INTERVAL, CALIBRATIONS, DURATION)
