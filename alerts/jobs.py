"""Alerts about jobs, and about the client library in users' processes."""

from __future__ import annotations

from ..telemetry import client_metrics as client
from ..telemetry import job_metrics as job
from ..telemetry.promql import Match, none_of, one_of
from .configuration import Configuration
from .rule import DOWN, AlertingRule, Severity, Team, counted, latest

BLAMELESS_REASONS = ("device_error", "timeout", "middleware_error", "other")
"""Reasons for which a job fails without its user, an administrator or a policy having meant it."""
USERS_MISTAKES = (
    "",
    "ConfigError",
    "EnvVarNotSetError",
    "InvalidInputError",
    "TaskNotReadyError",
    "UnsupportedFunctionError",
    "UnsupportedPayloadError",
    "UnsupportedResourceTypeError",
)
"""Outcomes of a call that the program decides: success, and what another environment or payload would mend."""


def qpu_job_stuck(configuration: Configuration) -> AlertingRule:
    """Return the alert for a slice that does not end."""
    return AlertingRule(
        name="QPUJobStuck",
        severity=Severity.CRITICAL,
        team=Team.OPERATIONS,
        summary="A job does not end, and keeps the QPU from all others.",
        description="The job on {{ $labels.qpu_id }} has been running for {{ $value | humanizeDuration }}; "
        f"expected is at most {configuration.job_run}.",
        expression=f"time() - {latest(configuration, job.RUNNING_START)} > {configuration.job_run.seconds:g}",
        follows=(DOWN,),
    )


def qpu_job_failure_rate_high(configuration: Configuration) -> AlertingRule:
    """Return the alert for jobs that fail without their users' doing."""
    window = configuration.failure_window
    dropped = ("job_class", "state", "reason")

    def ended(of: dict[str, str | Match]) -> str:
        return counted(configuration, job.FINISHED, window, of, dropped)

    failed = ended({"reason": one_of(*BLAMELESS_REASONS)})
    counting = ended({"reason": one_of("none", *BLAMELESS_REASONS)})
    return AlertingRule(
        name="QPUJobFailureRateHigh",
        severity=Severity.WARNING,
        team=Team.OPERATIONS,
        summary="Many jobs fail, and not by their users' doing.",
        description=f"{{{{ $value | humanizePercentage }}}} of the jobs on {{{{ $labels.qpu_id }}}} failed in "
        f"the last {window}, not counting what users, administrators and policies ended.",
        expression=f"""{failed}
/
{counting}
> {configuration.failure_share:g}
and
  {failed} >= {configuration.failure_jobs}""",
        follows=(DOWN,),
    )


def qrmi_error_rate_high(configuration: Configuration) -> AlertingRule:
    """Return the alert for calls of the client library that fail in users' processes."""
    window = configuration.client_window
    dropped = ("operation", "error_type")
    errors = counted(configuration, client.CALLS, window, {"error_type": none_of(*USERS_MISTAKES)}, dropped)
    calls = counted(configuration, client.CALLS, window, {}, dropped)
    return AlertingRule(
        name="QRMIErrorRateHigh",
        severity=Severity.WARNING,
        team=Team.MIDDLEWARE,
        summary="Many calls of the QRMI library fail in users' programs.",
        description="{{ $value | humanizePercentage }} of the calls to resources of type "
        f"{{{{ $labels.resource_type }}}} failed in the last {window}, users' mistakes not counted.",
        expression=f"""{errors}
/
{calls}
> {configuration.client_error_share:g}
and
  {errors} >= {configuration.client_errors}""",
    )


def alerts(configuration: Configuration) -> list[AlertingRule]:
    """Return the alerts about jobs and clients."""
    made = (qpu_job_stuck, qpu_job_failure_rate_high, qrmi_error_rate_high)
    return [make(configuration) for make in made]
