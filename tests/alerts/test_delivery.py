"""A real Alertmanager tells the right people, inhibits what follows from something else, and resolves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module")
def alerting(run_alerting: Any) -> Iterator[Any]:
    with run_alerting() as running:
        yield running


def labels(name: str, qpu_id: str, severity: str = "warning", team: str = "operations") -> dict[str, str]:
    return {"alertname": name, "qpu_id": qpu_id, "severity": severity, "team": team}


def test_watchdog_of_a_running_prometheus_reaches_the_dead_man_again_and_again(
    alerting: Any, wait_until: Any
) -> None:
    wait_until(
        lambda: len(alerting.told.posts.get("/watchdog", [])) >= 2, "the dead man's switch hears nothing"
    )
    told = alerting.told.posts["/watchdog"][0]
    assert [alert["labels"]["alertname"] for alert in told["alerts"]] == ["Watchdog"]


def test_a_critical_alert_goes_to_chat_and_mail_and_a_warning_to_mail_only(
    alerting: Any, wait_until: Any
) -> None:
    alerting.post(labels("QPUDown", "PAGED", "critical"), labels("QPUPausedTooLong", "TICKET"))

    def titles() -> list[str]:
        return [post["attachments"][0]["title"] for post in alerting.told.posts.get("/chat", [])]

    wait_until(lambda: "[CRITICAL] PAGED: QPUDown" in titles(), "nothing came to the chat")
    wait_until(lambda: any("TICKET" in mail for mail in alerting.told.mails), "no mail about the warning")
    wait_until(lambda: any("PAGED" in mail for mail in alerting.told.mails), "no mail about the critical alert")
    assert any("To: qpu-operations@localhost" in mail for mail in alerting.told.mails)
    assert "TICKET" not in json.dumps(alerting.told.posts["/chat"])


@pytest.mark.parametrize(
    ("cause", "follows"),
    [
        (labels("QPUDown", "D", "critical"), labels("QPUJobFailureRateHigh", "D")),
        (labels("QPUDown", "E", "critical"), labels("QPUJobStuck", "E", "critical")),
        (labels("QPUInMaintenance", "F", "info"), labels("QPUQueueOldestJobTooOld", "F")),
        (
            labels("QPUJobSuccessBudgetBurning", "G", "critical"),
            labels("QPUJobSuccessBudgetBurning", "G", "warning"),
        ),
    ],
    ids=["down", "down-critical", "maintenance", "same-name"],
)
def test_what_follows_from_a_cause_is_inhibited_on_its_device_and_nowhere_else(
    cause: dict[str, str], follows: dict[str, str], alerting: Any, wait_until: Any
) -> None:
    elsewhere = follows | {"qpu_id": f"{follows['qpu_id']}-2"}
    alerting.post(cause, follows, elsewhere)

    def state(alert: dict[str, str]) -> str | None:
        given = {key: value for key, value in alert.items() if key != "alertname"}
        found = alerting.arrived(alert["alertname"], **given)
        return None if found is None else str(found["status"]["state"])

    wait_until(lambda: state(follows) == "suppressed", f"{follows['alertname']} is not inhibited")
    wait_until(lambda: state(elsewhere) == "active", "another device's alert is inhibited too")
    assert state(cause) == "active"
