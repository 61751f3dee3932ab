"""The alerts that administrators see, read from a real Alertmanager; told as missing when it is silent."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from qwatch.daemon.live.alerts import FiringAlerts

LABELS = {"alertname": "QPUDown", "severity": "critical", "qpu_id": "FRESNEL"}


def test_what_fires_is_told_with_its_runbook(
    require_program: Callable[..., Path], free_port: Callable[[], int], tmp_path: Path, wait_until: Any
) -> None:
    program = require_program("prometheus-alertmanager", package="prometheus-alertmanager")
    url = f"http://127.0.0.1:{free_port()}"
    (tmp_path / "alertmanager.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    command = [
        program,
        f"--config.file={tmp_path / 'alertmanager.yml'}",
        f"--storage.path={tmp_path / 'data'}",
        f"--web.listen-address={url.removeprefix('http://')}",
        "--cluster.listen-address=",
    ]
    with (tmp_path / "log").open("wb") as log:
        running = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:

        def ready() -> bool:
            try:
                return bool(httpx.get(f"{url}/-/ready").status_code == 200)
            except httpx.HTTPError:
                return False

        wait_until(ready)
        body = [
            {"labels": LABELS, "annotations": {"summary": "it is down", "runbook_url": "https://site/QPUDown"}},
            {"labels": {"alertname": "Odd"}, "annotations": {"runbook_url": "javascript:alert(1)"}},
        ]
        httpx.post(f"{url}/api/v2/alerts", json=body).raise_for_status()
        alerts = FiringAlerts(url)

        def told() -> bool:
            asyncio.run(alerts.ask())
            assert alerts.error is None
            return len(alerts.alerts or []) == 2

        wait_until(told)
        found = {alert.name: alert for alert in alerts.alerts or []}
        assert (found["QPUDown"].severity, found["QPUDown"].device) == ("critical", "FRESNEL")
        assert (found["QPUDown"].summary, found["QPUDown"].runbook_url) == (
            "it is down",
            "https://site/QPUDown",
        )
        # A link that is none of the web is not made one.
        assert (found["Odd"].severity, found["Odd"].runbook_url) == ("none", None)
    finally:
        running.terminate()
        running.wait(30)
    asyncio.run(alerts.ask())
    assert alerts.alerts is None
    assert alerts.error is not None
    assert "Alertmanager" in alerts.error


def test_without_an_alertmanager_nothing_is_told() -> None:
    alerts = FiringAlerts(None)
    alerts.refresh()
    assert alerts.alerts is None
    assert alerts.error is None
