"""Calibration, quality and drift of devices, and the quality jobs that measure them.

Every quality has an entry of its own for its uncertainty, with the same labels, so that a query compares the
two without matching:
``abs(qpu_rabi_frequency_deviation_ratio) > 4 * qpu_rabi_frequency_deviation_uncertainty_ratio``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from . import labels
from .catalogue import OTHER, Kind, Label, Metric

BENCHMARKS = ("blockade", "antiferromagnet", OTHER)
CHANNELS = ("rydberg_global", "rydberg_local", "raman_global", "raman_local", "microwave_global", OTHER)
PROBE_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
PROBE_RESULTS = ("success", "failure", "preempted", "timeout")

CHANNEL = Label("channel", CHANNELS, "basis and addressing of the laser or microwave channel")
READOUT_ERROR_KIND = Label(
    "kind", ("false_positive", "false_negative"), "a 0 that is read as 1, or a 1 that is read as 0"
)
COHERENCE_KIND = Label("kind", ("t1", "t2"), "relaxation or dephasing")
BENCHMARK = Label("benchmark", BENCHMARKS, "program whose exact distribution is known")
SOURCE = Label("source", None, "quality_job, or the name of a feed in the site's configuration")
PROBE_RESULT = Label("result", PROBE_RESULTS, "how a quality job ended")

RABI_FREQUENCY = Metric(
    "qpu.rabi_frequency",
    Kind.GAUGE,
    "Hz",
    "Rabi frequency that was measured at the nominal amplitude of a scan",
    (labels.QPU_ID, CHANNEL),
)
RABI_DEVIATION = Metric(
    "qpu.rabi_frequency.deviation",
    Kind.GAUGE,
    "1",
    "Measured Rabi frequency / nominal - 1, signed",
    (labels.QPU_ID, CHANNEL),
)
DETUNING_OFFSET = Metric(
    "qpu.detuning.offset",
    Kind.GAUGE,
    "Hz",
    "Measured detuning minus the one that was asked for, signed",
    (labels.QPU_ID, CHANNEL),
)
REGISTER_FILL = Metric(
    "qpu.register.fill", Kind.GAUGE, "1", "Share of the traps of registers that hold an atom", (labels.QPU_ID,)
)
READOUT_ERROR = Metric(
    "qpu.readout.error",
    Kind.GAUGE,
    "1",
    "Measured probability that a state is prepared or read wrongly",
    (labels.QPU_ID, READOUT_ERROR_KIND),
)
READOUT_ERROR_SPEC = Metric(
    "qpu.readout.error.spec",
    Kind.GAUGE,
    "1",
    "Readout error that the device is specified for",
    (labels.QPU_ID, READOUT_ERROR_KIND),
)
STATE_PREPARATION_ERROR = Metric(
    "qpu.state_preparation.error",
    Kind.GAUGE,
    "1",
    "Probability that an atom is not in the state that a program begins with",
    (labels.QPU_ID,),
)
COHERENCE_TIME = Metric(
    "qpu.coherence.time",
    Kind.GAUGE,
    "s",
    "Measured coherence time",
    (labels.QPU_ID, COHERENCE_KIND),
)
BENCHMARK_FIDELITY = Metric(
    "qpu.benchmark.fidelity",
    Kind.GAUGE,
    "1",
    "Classical fidelity of the measured distribution with the exact one",
    (labels.QPU_ID, BENCHMARK),
)

MEASURED = (
    RABI_FREQUENCY,
    RABI_DEVIATION,
    DETUNING_OFFSET,
    REGISTER_FILL,
    READOUT_ERROR,
    STATE_PREPARATION_ERROR,
    COHERENCE_TIME,
    BENCHMARK_FIDELITY,
)
"""What a quality job or a feed can tell, each with its uncertainty."""

SIGNED = (RABI_DEVIATION, DETUNING_OFFSET)
"""What may be below 0."""


def _uncertainty(metric: Metric) -> Metric:
    return dataclasses.replace(
        metric, name=f"{metric.name}.uncertainty", help=f"One standard deviation of {metric.prometheus_name}"
    )


UNCERTAINTY: Mapping[str, Metric] = {metric.name: _uncertainty(metric) for metric in MEASURED}
"""The entry of a quality's uncertainty, by the quality's dotted name."""

BENCHMARK_LAST_RUN = Metric(
    "qpu.benchmark.last_run.timestamp",
    Kind.GAUGE,
    "s",
    "Unix time at which a benchmark ran last",
    (labels.QPU_ID, BENCHMARK),
)
SAMPLE_TIMESTAMP = Metric(
    "qpu.quality.sample.timestamp",
    Kind.GAUGE,
    "s",
    "Unix time of the newest quality sample of a source",
    (labels.QPU_ID, SOURCE),
)
FEED_SUCCESS = Metric(
    "qwatch.quality_feed.success",
    Kind.GAUGE,
    "",
    "1 if the device's quality feed was read and understood the last time",
    (labels.QPU_ID,),
)
PROBE_RUNS = Metric(
    "qpu.probe.runs",
    Kind.COUNTER,
    "{run}",
    "Quality jobs that were sent through the queue, by how they ended",
    (labels.QPU_ID, PROBE_RESULT),
)
PROBE_LAST_SUCCESS = Metric(
    "qpu.probe.last_success.timestamp",
    Kind.GAUGE,
    "s",
    "Unix time at which a quality job succeeded last",
    (labels.QPU_ID,),
)
PROBE_DURATION = Metric(
    "qpu.probe.duration",
    Kind.HISTOGRAM,
    "s",
    "From the submission of a quality job to its results, where it succeeded",
    (labels.QPU_ID,),
    PROBE_BUCKETS,
)

COLLECTED = (
    *MEASURED,
    *UNCERTAINTY.values(),
    READOUT_ERROR_SPEC,
    BENCHMARK_LAST_RUN,
    SAMPLE_TIMESTAMP,
    FEED_SUCCESS,
    PROBE_LAST_SUCCESS,
)
"""What the quality collector emits."""

METRICS = (*COLLECTED, PROBE_RUNS, PROBE_DURATION)
