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
from qwatch.alerts.alerting import AREAS, Severity
from qwatch.alerts.configuration import Configuration
from qwatch.alerts.durations import Duration
from qwatch.alerts.rule import Team
from qwatch.dashboards.generate import BOARDS
from qwatch.telemetry.promql import one_of

ROOT = Path(__file__).parents[2]
UNIT_TESTS = sorted((ROOT / "alerts" / "tests").glob("*.yaml"))
RUNBOOKS = ROOT / "alerts" / "runbooks"
REFUSED_BY_PROMETHEUS_2_42 = {"labels", "query_offset", "keep_firing_for"}

Rule = dict[str, Any]
GROUPS: list[dict[str, Any]] = yaml.safe_load(generate.FILE.read_text(encoding="utf-8"))["groups"]
RULES: list[Rule] = [rule for group in GROUPS for rule in group["rules"]]
ALERTING: list[Rule] = [rule for rule in RULES if "alert" in rule]
ALERTS: dict[str, Rule] = {rule["alert"]: rule for rule in ALERTING}


def test_committed_files_are_what_the_code_makes(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0, capsys.readouterr().err


def test_check_tells_each_difference_and_what_to_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate.main(["--folder", str(tmp_path)]) == 0
    path = tmp_path / "rules" / "qwatch.yaml"
    edited = yaml.safe_load(path.read_text(encoding="utf-8"))
    edited["groups"][3]["rules"][0]["for"] = "1h"
    path.write_text(yaml.safe_dump(edited), encoding="utf-8")
    (tmp_path / "routing" / "alertmanager.yml").unlink()
    capsys.readouterr()

    assert generate.main(["--check", "--folder", str(tmp_path)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "qwatch.yaml: groups[3].rules[0].for: committed '1h', generated '2m'",
        "alertmanager.yml: missing",
        "run: make alerts",
    ]


@pytest.mark.parametrize(
    ("content", "line"),
    [("groups: [", "qwatch.yaml: is not YAML"), (None, "qwatch.yaml: only its formatting differs")],
)
def test_check_names_a_broken_or_reformatted_file(
    content: str | None, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generate.main(["--folder", str(tmp_path)])
    path = tmp_path / "rules" / "qwatch.yaml"
    path.write_text(content or yaml.safe_dump(generate.rules(Configuration())), encoding="utf-8")
    assert generate.main(["--check", "--folder", str(tmp_path)]) == 1
    assert line in capsys.readouterr().err


def promtool(require_program: Callable[..., Path], *arguments: str) -> None:
    program = require_program("promtool", "prometheus")
    done = subprocess.run([str(program), *arguments], capture_output=True, text=True, check=False, timeout=170)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", [generate.FILE, generate.TEST_PROFILE], ids=lambda file: file.stem)
def test_promtool_accepts_the_rules(file: Path, require_program: Callable[..., Path]) -> None:
    promtool(require_program, "check", "rules", str(file))


@pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda file: file.stem)
def test_promtool_unit_tests_pass(file: Path, require_program: Callable[..., Path]) -> None:
    promtool(require_program, "test", "rules", str(file))


def test_unit_tests_are_a_file_an_area_and_evaluate_the_groups_in_their_order() -> None:
    assert {file.stem for file in UNIT_TESTS} == {*AREAS, "clean_day"}
    for file in UNIT_TESTS:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert content["group_eval_order"] == [group["name"] for group in GROUPS], file.name


def test_promtool_accepts_the_rules_of_a_site_that_configures_them(
    tmp_path: Path, require_program: Callable[..., Path]
) -> None:
    configuration = Configuration(
        selector={"qpu_id": one_of("FRESNEL", "ORION")},
        replaced_labels=("instance", "pod"),
        runbook_base="https://runbooks.example.org/qpu/",
        dashboard_base="https://grafana.example.org/",
        rate_window=Duration.of("10m"),
    )
    path = tmp_path / "rules.yaml"
    path.write_text(generate.rendered(configuration), encoding="utf-8")
    promtool(require_program, "check", "rules", str(path))
    text = path.read_text(encoding="utf-8")
    assert 'qpu_up{qpu_id=~"FRESNEL|ORION"}' in text
    assert "https://runbooks.example.org/qpu/QPUDown.md" in text
    assert "https://grafana.example.org/d/qwatch-qpu" in text


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"job_success": {"test": 0.9}}, "job_success of test: 0.9 is not between 0.931 and 1"),
        ({"queue_wait_within": {"test": Duration.of("20m")}}, "queue_wait_within of test: 1200 s is no bound"),
    ],
)
def test_an_objective_that_cannot_be_alerted_on_is_refused(changed: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        generate.rules(Configuration(**changed))


def test_the_test_profile_scales_every_span_of_time_and_changes_nothing_else() -> None:
    real, quick = generate.rendered(Configuration()), generate.rendered(Configuration().scaled())
    for pattern in (r"\[(\w+)\]", r"offset (\w+)", r"(?m)^ +(?:for|interval): (\w+)$"):
        before, after = re.findall(pattern, real), re.findall(pattern, quick)
        assert before
        for nominal, short in zip(before, after, strict=True):
            assert Duration.of(short).seconds == pytest.approx(Duration.of(nominal).seconds / 60), nominal
    names = re.compile(r"\bqpu_id[\w]*:[\w:]+")
    assert names.findall(real) == names.findall(quick)


@pytest.mark.parametrize(("text", "seconds"), [("1h30m", 5400), ("500ms", 0.5), ("3d", 259200), ("90s", 90)])
def test_durations_are_written_as_prometheus_reads_them(text: str, seconds: float) -> None:
    assert Duration.of(text).seconds == seconds
    assert Duration.of(str(Duration.of(text))).seconds == seconds


@pytest.mark.parametrize("text", ["", "5", "5 m", "m5", "1y2", "-5m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        Duration.of(text)


@pytest.mark.parametrize("name", ALERTS)
def test_unit_tests_let_each_alert_fire_and_be_silent(name: str) -> None:
    tests = [test for file in UNIT_TESTS for test in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]]
    cases = [case for test in tests for case in test.get("alert_rule_test", []) if case["alertname"] == name]
    fired = [alert for case in cases for alert in case["exp_alerts"]]
    severities = {rule["labels"]["severity"] for rule in ALERTING if rule["alert"] == name}
    assert {alert["exp_labels"]["severity"] for alert in fired} == severities
    told = {"summary", "description", "dashboard_url", "runbook_url"}
    assert all(told == set(alert["exp_annotations"]) for alert in fired)
    if name != "Watchdog":
        assert any(not case["exp_alerts"] for case in cases)


@pytest.mark.parametrize("rule", ALERTING, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_alert_is_named_ranked_and_told_as_agreed(rule: Rule) -> None:
    assert re.fullmatch(r"([A-Z]+[a-z]*)+", rule["alert"])
    assert rule["labels"]["severity"] in set(Severity)
    assert rule["labels"]["team"] in set(Team)
    summary, description = rule["annotations"]["summary"], rule["annotations"]["description"]
    assert "{{" not in summary, "a summary is constant; values stand in the description"
    assert rule["alert"] == "Watchdog" or "{{" in description


def test_dashboard_links_lead_to_boards() -> None:
    boards = {make()["uid"] for make in BOARDS.values()}
    for rule in ALERTING:
        found = re.search(r"/d/([\w-]+)", rule["annotations"]["dashboard_url"])
        assert found, rule["alert"]
        assert found[1] in boards, rule["alert"]


def test_nothing_is_used_that_old_servers_refuse() -> None:
    for found in (*GROUPS, *RULES):
        assert not REFUSED_BY_PROMETHEUS_2_42 & (set(found) - ({"labels"} if "alert" in found else set()))
