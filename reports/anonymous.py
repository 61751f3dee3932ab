"""A report without names: users, accounts and sessions become aliases that hold within the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .model import Anomaly, Breakdown, Report, SessionUse, Statement

_PERSONAL = {"user": "user", "account": "account", "session": "session", "slurm-job": "slurm-job"}
_NOBODY = ("unknown", "others")


class _Aliases:
    """Numbers names of a kind in the order in which they are first met."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}

    def of(self, kind: str, name: str) -> str:
        if name in _NOBODY:
            return name
        count = sum(1 for known, _ in self._known if known == kind)
        return self._known.setdefault((kind, name), f"{kind}-{count + 1}")


def anonymous(report: Report) -> Report:
    """Return the report with an alias for each user, account, session and Slurm job.

    The same name has the same alias throughout the report; two reports have nothing in common. What was written
    by hand (messages of windows, reasons of corrections) is left out, since it may hold names.
    """
    aliases = _Aliases()
    top_users = _breakdown(report.top_users, aliases)
    top_accounts = _breakdown(report.top_accounts, aliases)
    return replace(
        report,
        top_users=top_users,
        top_accounts=top_accounts,
        breakdown=_breakdown(report.breakdown, aliases),
        sessions=replace(
            report.sessions, least_efficient=[_session(use, aliases) for use in report.sessions.least_efficient]
        ),
        anomalies=[_anomaly(found, aliases) for found in report.anomalies],
        statements=_statements(report.statements, aliases),
        devices=[
            replace(device, windows=[replace(window, message="") for window in device.windows])
            for device in report.devices
        ],
    )


def _breakdown(found: Breakdown, aliases: _Aliases) -> Breakdown:
    kind = _PERSONAL.get(found.by)
    if kind is None:
        return found
    return replace(found, groups=[replace(group, name=aliases.of(kind, group.name)) for group in found.groups])


def _session(use: SessionUse, aliases: _Aliases) -> SessionUse:
    return replace(
        use,
        session=aliases.of("session", use.session),
        user=aliases.of("user", use.user),
        account=aliases.of("account", use.account),
        slurm_job_id=None if use.slurm_job_id is None else aliases.of("slurm-job", use.slurm_job_id),
    )


def _anomaly(found: Anomaly, aliases: _Aliases) -> Anomaly:
    if found.kind not in ("user", "account"):
        return found
    return replace(found, subject=aliases.of(found.kind, found.subject))


def _statements(found: Sequence[Statement] | None, aliases: _Aliases) -> Sequence[Statement] | None:
    if found is None:
        return None
    return [
        replace(
            statement,
            account=aliases.of("account", statement.account),
            corrections=[replace(correction, reason="", made_by="") for correction in statement.corrections],
        )
        for statement in found
    ]
