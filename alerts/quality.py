"""Alerts about calibration, quality and drift, against limits that are metrics too where a device has them."""

from __future__ import annotations

from ..telemetry import calibration_metrics as calibration
from ..telemetry import quality_metrics as quality
from ..telemetry.catalogue import Metric
from ..telemetry.promql import one_of
from .configuration import Configuration
from .rule import DOWN, MAINTENANCE, AlertingRule, Severity, Team, counted, latest

FOLLOWS = (DOWN, MAINTENANCE)


def _doubt(configuration: Configuration, metric: Metric) -> str:
    """Return so many standard deviations of a quality; where none is told, the value itself counts."""
    sigma = latest(configuration, quality.UNCERTAINTY[metric.name])
    return f"{configuration.quality_sigmas:g} * {sigma}"


def qpu_calibration_stale(configuration: Configuration) -> AlertingRule:
    """Return the alert for a calibration that is overdue."""
    age = f"(time() - {latest(configuration, calibration.LAST)})"
    interval = latest(configuration, calibration.INTERVAL)
    return AlertingRule(
        name="QPUCalibrationStale",
        severity=Severity.WARNING,
        team=Team.QUALITY,
        summary="A calibration is overdue.",
        description="The last {{ $labels.procedure }} calibration of {{ $labels.qpu_id }} that succeeded was "
        f"{{{{ $value | humanizeDuration }}}} ago, more than {configuration.calibration_overdue:g} times its "
        "interval.",
        expression=f"{age}\n> {configuration.calibration_overdue:g} * {interval}",
        follows=FOLLOWS,
    )


def qpu_calibration_failing(configuration: Configuration) -> AlertingRule:
    """Return the alert for a calibration that was tried and fails."""
    window = configuration.calibration_window
    failed = counted(configuration, calibration.CALIBRATIONS, window, {"result": "failure"}, ("result",))
    done = counted(configuration, calibration.CALIBRATIONS, window, {"result": "success"}, ("result",))
    return AlertingRule(
        name="QPUCalibrationFailing",
        severity=Severity.WARNING,
        team=Team.QUALITY,
        summary="A calibration fails again and again.",
        description="The {{ $labels.procedure }} calibration of {{ $labels.qpu_id }} failed "
        f"{{{{ $value }}}} times in the last {window} and did not succeed once.",
        expression=f"""round({failed}) >= {configuration.calibration_failures}
unless
  {done} > 0""",
        follows=(DOWN,),
    )


def qpu_rabi_frequency_drift(configuration: Configuration) -> AlertingRule:
    """Return the alert for pulses that turn atoms too far or not far enough."""
    deviation = f"abs({latest(configuration, quality.RABI_DEVIATION)})"
    return AlertingRule(
        name="QPURabiFrequencyDrift",
        severity=Severity.WARNING,
        team=Team.QUALITY,
        summary="The Rabi frequency of a QPU is off.",
        description="The measured Rabi frequency of {{ $labels.channel }} of {{ $labels.qpu_id }} differs from "
        "the nominal one by {{ $value | humanizePercentage }}; the limit is "
        f"{configuration.rabi_deviation:.0%}.",
        expression=f"""{deviation} > {configuration.rabi_deviation:g}
unless
  {deviation} <= {_doubt(configuration, quality.RABI_DEVIATION)}""",
        lasting=configuration.quality_for,
        follows=FOLLOWS,
    )


def qpu_readout_error_high(configuration: Configuration) -> AlertingRule:
    """Return the alert for a readout that is worse than the device is specified for."""
    measured = latest(configuration, quality.READOUT_ERROR)
    allowed = f"{configuration.readout_factor:g} * {latest(configuration, quality.READOUT_ERROR_SPEC)}"
    return AlertingRule(
        name="QPUReadoutErrorHigh",
        severity=Severity.WARNING,
        team=Team.QUALITY,
        summary="A QPU reads results worse than it is specified for.",
        description="The {{ $labels.kind }} error of {{ $labels.qpu_id }} is "
        f"{{{{ $value | humanizePercentage }}}}, more than {configuration.readout_factor:g} times what it is "
        "specified for.",
        expression=f"""{measured} > {allowed}
unless
  {measured} - {_doubt(configuration, quality.READOUT_ERROR)} <= {allowed}""",
        lasting=configuration.quality_for,
        follows=FOLLOWS,
    )


def qpu_benchmark_fidelity_low(configuration: Configuration) -> AlertingRule:
    """Return the alert for a benchmark whose results are not what they should be."""
    measured, limit = latest(configuration, quality.BENCHMARK_FIDELITY), configuration.benchmark_fidelity
    return AlertingRule(
        name="QPUBenchmarkFidelityLow",
        severity=Severity.WARNING,
        team=Team.QUALITY,
        summary="A QPU's results are not what they should be.",
        description="The fidelity of {{ $labels.qpu_id }} in the benchmark {{ $labels.benchmark }} is "
        f"{{{{ $value | printf `%.3f` }}}}; at least {limit:g} is expected.",
        expression=f"""{measured} < {limit:g}
unless
  {measured} + {_doubt(configuration, quality.BENCHMARK_FIDELITY)} >= {limit:g}""",
        lasting=configuration.quality_for,
        follows=FOLLOWS,
    )


def qpu_probe_failing(configuration: Configuration) -> AlertingRule:
    """Return the alert for quality jobs that do not come back well: users' jobs may not either."""
    window = configuration.probe_window
    failed = counted(
        configuration, quality.PROBE_RUNS, window, {"result": one_of("failure", "timeout")}, ("result",)
    )
    done = counted(configuration, quality.PROBE_RUNS, window, {"result": "success"}, ("result",))
    return AlertingRule(
        name="QPUProbeFailing",
        severity=Severity.CRITICAL,
        team=Team.QUALITY,
        summary="Quality jobs fail from end to end.",
        description="{{ $value }} quality jobs on {{ $labels.qpu_id }} failed in the last "
        f"{window}, and none succeeded.",
        expression=f"""round({failed}) >= {configuration.probe_failures}
unless
  {done} > 0""",
        follows=FOLLOWS,
    )


def alerts(configuration: Configuration) -> list[AlertingRule]:
    """Return the alerts about calibration and quality."""
    made = (
        qpu_calibration_stale,
        qpu_calibration_failing,
        qpu_rabi_frequency_drift,
        qpu_readout_error_high,
        qpu_benchmark_fidelity_low,
        qpu_probe_failing,
    )
    return [make(configuration) for make in made]
