"""The committed rules are those that the code makes, promtool accepts them, and each alert can be acted on."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from qwatch.alerts import generate
from qwatch.alerts.alerting import Severity
from qwatch.alerts.configuration import Configuration
from qwatch.telemetry.promql import one_of

ROOT = Path(__file__).parents[2]
UNIT_TESTS = ROOT / "alerts" / "tests" / "qwatch_test.yaml"
RUNBOOKS = ROOT / "docs" / "runbooks"
REFUSED_BY_PROMETHEUS_2_42 = {"labels", "query_offset", "keep_firing_for"}

Rule = dict[str, Any]
GROUPS: list[dict[str, Any]] = yaml.safe_load(generate.FILE.read_text(encoding="utf-8"))["groups"]
RULES: list[Rule] = [rule for group in GROUPS for rule in group["rules"]]
ALERTS: dict[str, Rule] = {rule["alert"]: rule for rule in RULES if "alert" in rule}


def test_committed_rules_are_what_the_code_makes(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0, capsys.readouterr().err


def test_check_tells_each_difference_and_what_to_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rules.yaml"
    assert generate.main(["--file", str(path)]) == 0
    edited = yaml.safe_load(path.read_text(encoding="utf-8"))
    edited["groups"][1]["rules"][1]["for"] = "1h"
    path.write_text(yaml.safe_dump(edited), encoding="utf-8")
    capsys.readouterr()

    assert generate.main(["--check", "--file", str(path)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "rules.yaml: groups[1].rules[1].for: committed '1h', generated '2m'",
        "run: make alerts",
    ]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "rules.yaml: missing"),
        ("groups: [", "rules.yaml: is not YAML"),
        ("reformat", "only its formatting differs"),
    ],
)
def test_check_names_a_missing_broken_or_reformatted_file(
    content: str | None, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rules.yaml"
    if content == "reformat":
        path.write_text(yaml.safe_dump(generate.rules(Configuration())), encoding="utf-8")
    elif content is not None:
        path.write_text(content, encoding="utf-8")
    assert generate.main(["--check", "--file", str(path)]) == 1
    assert line in capsys.readouterr().err


def promtool(require_program: Callable[..., Path], *arguments: str) -> None:
    program = require_program("promtool", "prometheus")
    done = subprocess.run([str(program), *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_the_rules(require_program: Callable[..., Path]) -> None:
    promtool(require_program, "check", "rules", str(generate.FILE))


def test_promtool_unit_tests_pass(require_program: Callable[..., Path]) -> None:
    promtool(require_program, "test", "rules", str(UNIT_TESTS))


def test_promtool_accepts_the_rules_of_a_site_that_configures_them(
    tmp_path: Path, require_program: Callable[..., Path]
) -> None:
    configuration = Configuration(
        selector={"qpu_id": one_of("FRESNEL", "ORION")},
        replaced_labels=("instance", "pod"),
        runbook_base="https://runbooks.example.org/qpu/",
        rate_window="10m",
    )
    path = tmp_path / "rules.yaml"
    path.write_text(generate.rendered(configuration), encoding="utf-8")
    promtool(require_program, "check", "rules", str(path))
    text = path.read_text(encoding="utf-8")
    assert 'qpu_up{qpu_id=~"FRESNEL|ORION"}' in text
    assert "https://runbooks.example.org/qpu/QPUDown.md" in text


@pytest.mark.parametrize("name", ALERTS)
def test_unit_tests_let_each_alert_fire_and_be_silent(name: str) -> None:
    tests = yaml.safe_load(UNIT_TESTS.read_text(encoding="utf-8"))["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"] if case["alertname"] == name]
    fired = [alert for case in cases for alert in case["exp_alerts"]]
    assert fired
    assert all({"summary", "description", "runbook_url"} == set(alert["exp_annotations"]) for alert in fired)
    if name != "Watchdog":
        assert any(not case["exp_alerts"] for case in cases)


@pytest.mark.parametrize("name", ALERTS)
def test_alert_is_named_ranked_and_told_as_agreed(name: str) -> None:
    rule = ALERTS[name]
    assert re.fullmatch(r"([A-Z]+[a-z]*)+", name)
    assert rule["labels"]["severity"] in set(Severity)
    summary, description = rule["annotations"]["summary"], rule["annotations"]["description"]
    assert "{{" not in summary, "a summary is constant; values stand in the description"
    assert name == "Watchdog" or "{{" in description


@pytest.mark.parametrize("name", ALERTS)
def test_alert_has_a_runbook_that_helps(name: str) -> None:
    assert ALERTS[name]["annotations"]["runbook_url"] == f"docs/runbooks/{name}.md"
    page = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {name}\n")
    assert f"Severity: {ALERTS[name]['labels']['severity']}." in page
    headings = " ".join(re.findall(r"^## (.+)$", page, flags=re.MULTILINE))
    for wanted in ("What it means", "What the user feels", "ow to check", "What to do", "When to escalate"):
        assert wanted in headings
    assert "```sh" in page


def test_every_runbook_is_of_an_alert() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == set(ALERTS)


def test_links_between_runbooks_resolve() -> None:
    for page in RUNBOOKS.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+\.md)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_nothing_is_used_that_old_servers_refuse() -> None:
    for found in (*GROUPS, *RULES):
        assert not REFUSED_BY_PROMETHEUS_2_42 & (set(found) - ({"labels"} if "alert" in found else set()))
