"""Alertmanager accepts its configuration, sends each alert to whom it concerns, and tells it readably."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from qwatch.alerts import generate
from qwatch.alerts.alerting import alerting_rules
from qwatch.alerts.configuration import Configuration

TEMPLATES = generate.ALERTMANAGER.parent / "templates"
RULES = alerting_rules(Configuration())
CONTENT: dict[str, Any] = yaml.safe_load(generate.ALERTMANAGER.read_text(encoding="utf-8"))

Amtool = Callable[..., str]


@pytest.fixture
def amtool(require_program: Callable[..., Path]) -> Amtool:
    program = require_program("amtool", "prometheus-alertmanager")

    def run(*arguments: str) -> str:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_amtool_accepts_the_configuration(amtool: Amtool) -> None:
    assert "SUCCESS" in amtool("check-config", str(generate.ALERTMANAGER))


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"alertname": "Watchdog", "severity": "info", "team": "middleware"}, "dead-man"),
        ({"alertname": "QPUInMaintenance", "severity": "info", "team": "operations"}, "nobody"),
        ({"alertname": "QPUDown", "severity": "critical", "team": "operations"}, "operations-urgent"),
        ({"alertname": "QPUPausedTooLong", "severity": "warning", "team": "operations"}, "operations"),
        ({"alertname": "QwatchAPIFailing", "severity": "critical", "team": "middleware"}, "middleware-urgent"),
        ({"alertname": "QwatchDiskFilling", "severity": "warning", "team": "middleware"}, "middleware"),
        ({"alertname": "QPURabiFrequencyDrift", "severity": "warning", "team": "quality"}, "quality"),
        ({"alertname": "OfTheSite", "severity": "warning"}, "operations"),
    ],
)
def test_an_alert_goes_to_its_team_as_urgently_as_it_is(
    labels: dict[str, str], receiver: str, amtool: Amtool
) -> None:
    given = [f"{name}={value}" for name, value in labels.items()]
    routed = amtool("config", "routes", "test", f"--config.file={generate.ALERTMANAGER}", *given)
    assert routed.split() == [receiver]


def test_every_alert_reaches_a_receiver_of_its_own_team(amtool: Amtool) -> None:
    for rule in {(rule.name, rule.severity, rule.team) for rule in RULES}:
        name, severity, team = rule
        given = (f"alertname={name}", f"severity={severity}", f"team={team}")
        routed = amtool("config", "routes", "test", f"--config.file={generate.ALERTMANAGER}", *given)
        wanted = {"critical": f"{team}-urgent", "warning": team.value, "info": "nobody"}[severity]
        assert routed.strip() == ("dead-man" if name == "Watchdog" else wanted)


def test_alerts_are_grouped_by_device_on_every_route() -> None:
    assert CONTENT["route"]["group_by"] == ["cluster", "qpu_id"]
    assert not [route for route in CONTENT["route"]["routes"] if "group_by" in route]


def test_every_cause_and_everything_that_follows_from_one_is_an_alert() -> None:
    names = {rule.name for rule in RULES}
    for rule in RULES:
        assert set(rule.follows) <= names
        assert rule.name not in rule.follows
    for inhibition in CONTENT["inhibit_rules"]:
        assert set(inhibition["equal"]) >= {"cluster", "qpu_id"}


def test_no_secret_stands_in_the_configuration() -> None:
    text = generate.ALERTMANAGER.read_text(encoding="utf-8")
    assert "password" not in text
    assert "slack_api_url:" not in text
    assert "slack_api_url_file:" in text


DATA = {
    "receiver": "operations-urgent",
    "status": "firing",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "QPUDown", "qpu_id": "FRESNEL", "severity": "critical"},
            "annotations": {
                "summary": "A QPU cannot run jobs.",
                "description": "FRESNEL <has> not answered.",
                "runbook_url": "https://runbooks.example.org/QPUDown.md",
                "dashboard_url": "https://grafana.example.org/d/qwatch-qpu?var-qpu_id=FRESNEL",
            },
            "startsAt": "2026-11-23T12:00:00Z",
            "endsAt": "2026-11-23T12:30:00Z",
            "generatorURL": "https://prometheus.example.org/graph",
        }
    ],
    "commonLabels": {"alertname": "QPUDown", "qpu_id": "FRESNEL", "severity": "critical", "cluster": "jean"},
    "groupLabels": {"qpu_id": "FRESNEL"},
    "commonAnnotations": {},
    "externalURL": "https://alertmanager.example.org",
}


@pytest.fixture
def render(amtool: Amtool, tmp_path: Path) -> Callable[[str, str], str]:
    def rendered(template: str, status: str = "firing") -> str:
        data = json.loads(json.dumps(DATA).replace('"firing"', json.dumps(status)))
        file = tmp_path / "data.json"
        file.write_text(json.dumps(data), encoding="utf-8")
        return amtool(
            "template",
            "render",
            f"--template.glob={TEMPLATES}/*.tmpl",
            f"--template.text={{{{ template {json.dumps(template)} . }}}}",
            f"--template.type={'html' if template.endswith('html') else 'text'}",
            f"--template.data={file}",
        ).strip()

    return rendered


@pytest.mark.parametrize(
    ("status", "subject"),
    [("firing", "[CRITICAL] FRESNEL (jean): QPUDown"), ("resolved", "[RESOLVED] FRESNEL (jean): QPUDown")],
)
def test_a_subject_tells_how_urgent_which_device_and_what(
    status: str, subject: str, render: Callable[..., str]
) -> None:
    assert render("qwatch.subject", status) == subject


@pytest.mark.parametrize("status", ["firing", "resolved"])
def test_chat_and_mail_tell_what_to_do_and_where_to_look(status: str, render: Callable[..., str]) -> None:
    for template in ("qwatch.text", "qwatch.mail.html"):
        text = render(template, status)
        for part in ("A QPU cannot run jobs.", "2026-11-23 12:00:00 UTC", "https://runbooks.example.org"):
            assert part in text, (template, text)
        assert "https://grafana.example.org/d/qwatch-qpu?var-qpu_id=FRESNEL" in text
        assert ("12:30:00" in text) == (status == "resolved")


def test_a_mail_escapes_what_labels_and_descriptions_hold(render: Callable[..., str]) -> None:
    assert "FRESNEL &lt;has&gt; not answered." in render("qwatch.mail.html")


@pytest.mark.parametrize(("status", "color"), [("firing", "danger"), ("resolved", "good")])
def test_the_colour_in_chat_tells_how_it_stands(status: str, color: str, render: Callable[..., str]) -> None:
    assert render("qwatch.chat.color", status) == color
