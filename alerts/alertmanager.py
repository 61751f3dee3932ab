"""Alertmanager's configuration: who is told, how alerts are grouped, and which are inhibited by which."""

from __future__ import annotations

from collections.abc import Iterable

from .alerting import alerting_rules
from .configuration import Configuration
from .rule import AlertingRule, Severity, Team

DEAD_MAN = "dead-man"
NOBODY = "nobody"
SAME_DEVICE = ["cluster", "qpu_id"]


def urgent(team: Team) -> str:
    """Return the receiver of a team's critical alerts."""
    return f"{team.value}-urgent"


def alertmanager(configuration: Configuration) -> dict[str, object]:
    """Return the content of ``alertmanager.yml``."""
    return {
        "global": {
            "smtp_smarthost": configuration.smtp_host,
            "smtp_from": configuration.smtp_from,
            "smtp_require_tls": configuration.smtp_tls,
            "slack_api_url_file": configuration.chat_url_file,
        },
        "templates": [configuration.templates],
        "route": _route(configuration),
        "inhibit_rules": inhibitions(alerting_rules(configuration)),
        "receivers": _receivers(configuration),
    }


def unaddressed(configuration: Configuration) -> dict[str, object]:
    """Return the same without addresses: alerts are shown and nobody is told; what a stack starts with."""
    content = alertmanager(configuration)
    names = [{"name": receiver["name"]} for receiver in _receivers(configuration)]
    return {**{key: content[key] for key in ("templates", "route", "inhibit_rules")}, "receivers": names}


def _route(configuration: Configuration) -> dict[str, object]:
    """Return the tree: the first route that matches takes an alert; the operators get the rest."""
    teams: list[object] = []
    for team in Team:
        matched = [f'team="{team.value}"']
        teams.append(
            {
                "matchers": [*matched, f'severity="{Severity.CRITICAL.value}"'],
                "receiver": urgent(team),
                "repeat_interval": str(configuration.repeat_urgent),
            }
        )
        teams.append({"matchers": matched, "receiver": team.value})
    return {
        "receiver": Team.OPERATIONS.value,
        "group_by": SAME_DEVICE,
        "group_wait": str(configuration.group_wait),
        "group_interval": str(configuration.group_interval),
        "repeat_interval": str(configuration.repeat),
        "routes": [
            {
                "matchers": ['alertname="Watchdog"'],
                "receiver": DEAD_MAN,
                "group_wait": "0s",
                "group_interval": str(configuration.dead_man_interval),
                "repeat_interval": str(configuration.dead_man_interval),
            },
            {"matchers": [f'severity="{Severity.INFO.value}"'], "receiver": NOBODY},
            *teams,
        ],
    }


def inhibitions(rules: Iterable[AlertingRule]) -> list[dict[str, object]]:
    """Return the inhibition rules: a cause silences what follows from it, critical what is less so."""
    targets: dict[str, list[str]] = {}
    for rule in rules:
        for cause in rule.follows:
            targets.setdefault(cause, [])
            if rule.name not in targets[cause]:
                targets[cause].append(rule.name)
    by_cause: list[dict[str, object]] = [
        {
            "source_matchers": [f'alertname="{cause}"'],
            "target_matchers": [f'alertname=~"{"|".join(sorted(names))}"'],
            "equal": SAME_DEVICE,
        }
        for cause, names in targets.items()
    ]
    less = "|".join(severity.value for severity in Severity if severity is not Severity.CRITICAL)
    return [
        *by_cause,
        {
            "source_matchers": [f'severity="{Severity.CRITICAL.value}"'],
            "target_matchers": [f'severity=~"{less}"'],
            "equal": ["alertname", *SAME_DEVICE, "job_class"],
        },
    ]


def _receivers(configuration: Configuration) -> list[dict[str, object]]:
    receivers: list[dict[str, object]] = [
        {
            "name": DEAD_MAN,
            "webhook_configs": [{"url": configuration.dead_man_url, "send_resolved": False}],
        },
        {"name": NOBODY},
    ]
    for team in Team:
        mail = {
            "to": configuration.mail[team.value],
            "send_resolved": True,
            "headers": {"Subject": '{{ template "qwatch.subject" . }}'},
            "html": '{{ template "qwatch.mail.html" . }}',
            "text": '{{ template "qwatch.text" . }}',
        }
        chat = {
            "send_resolved": True,
            "color": '{{ template "qwatch.chat.color" . }}',
            "title": '{{ template "qwatch.subject" . }}',
            "title_link": '{{ template "qwatch.link" . }}',
            "fallback": '{{ template "qwatch.subject" . }}',
            "text": '{{ template "qwatch.text" . }}',
        }
        # Whoever is paged is told in both ways; a ticket is a mail.
        receivers.append({"name": urgent(team), "email_configs": [mail], "slack_configs": [chat]})
        receivers.append({"name": team.value, "email_configs": [mail]})
    return receivers
