"""``qwatch run --list``: every place a program can run in, and why one cannot be reached."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qwatch.cli.environments import duration


@pytest.fixture(scope="module")
def daemon(run_daemon: Any, run_device: Any, device_at: Any) -> Iterator[Any]:
    with run_device(shot_rate=20) as qpu:
        devices = [device_at(qpu.url, shot_rate=20), device_at(qpu.url, "CLOSED")]
        with run_daemon(devices=devices) as running:
            running.ok(
                "POST", "/devices/CLOSED/accessible", json={"is_accessible": False, "message": "service"}
            )
            yield running


@pytest.fixture
def listed(run_qwatch: Any, environment_in: Any, tmp_path: Path) -> Any:
    """Return a function (resources of qrmi_config.json, variables) that lists, as a dictionary by name."""

    def run(resources: list[dict[str, Any]], **variables: str) -> dict[str, dict[str, Any]]:
        config = tmp_path / "qrmi_config.json"
        config.write_text(json.dumps({"resources": resources}))
        environment = environment_in(tmp_path, QWATCH_QRMI_CONFIG=str(config), **variables)
        found = run_qwatch(environment, "run", "--list", "--json")
        assert found.returncode == 0, found.stderr
        run.text = run_qwatch(environment, "run", "--list").stdout  # type: ignore[attr-defined]
        return {item["name"]: item for item in reversed(json.loads(found.stdout))}

    return run


def behind(url: str, name: str) -> dict[str, Any]:
    return {"name": name, "type": "pasqal-local", "environment": {"QRMI_WARDEN_URL": url}}


def test_each_resource_tells_its_state_queue_and_expected_wait(
    listed: Any, daemon: Any, sequence_text: str, wait_until: Any
) -> None:
    token = daemon.acquire()
    numbers = [daemon.submit(token, sequence_text, shots) for shots in (2000, 1000)]
    daemon.until(numbers[0], "RUNNING")
    wait_until(lambda: daemon.ok("GET", "/accessible", auth=None)["expected_wait_seconds"])
    url = f"{daemon.url}/devices"
    found = listed([behind(f"{url}/EMU", "EMU"), behind(f"{url}/CLOSED", "CLOSED")])
    assert found["EMU"]["state"] == "online"
    assert found["EMU"]["place"] == "emulated"
    assert found["EMU"]["pending"] == 1
    assert 50 <= found["EMU"]["expected_wait_seconds"] <= 150
    assert (found["CLOSED"]["state"], found["CLOSED"]["reason"]) == ("paused", "service")
    assert found["CLOSED"]["expected_wait_seconds"] is None
    assert (found["emulator"]["state"], found["emulator"]["place"]) == ("online", "in-process")
    assert "service" in listed.text
    for number in reversed(numbers):
        daemon.client.post(f"/jobs/{number}/cancel")


def test_what_cannot_be_reached_is_shown_with_the_reason(listed: Any, daemon: Any, free_port: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        iqm = {"QRMI_IQM_ISA_ENDPOINT": address, "QRMI_IQM_ISA_TOKEN": "secret-of-iqm"}
        found = listed(
            [
                behind(f"http://127.0.0.1:{free_port()}", "GONE"),
                behind(address, "SILENT"),
                behind(f"{daemon.url}/devices/NOWHERE", "NOWHERE"),
                behind(f"{daemon.metrics_url}", "OTHER"),
                {"name": "NOURL", "type": "pasqal-local", "environment": {}},
                {"name": "IQM", "type": "iqm-server", "environment": iqm},
                {"name": "NAMELESS", "type": "pasqal-cloud", "environment": {}},
            ]
        )
    for name in ("GONE", "SILENT", "NOWHERE", "OTHER", "NOURL", "IQM", "NAMELESS"):
        assert found[name]["state"] == "unreachable", found[name]
        assert found[name]["reason"]
        assert found[name]["pending"] is None
    assert "refused" in found["GONE"]["reason"]
    assert "NOWHERE" in found["NOWHERE"]["reason"]
    assert found["IQM"]["reason"] == "no answer within 3 s"
    assert found["NAMELESS"]["place"] == "cloud"
    assert found["emulator"]["state"] == "online"
    assert "secret-of-iqm" not in json.dumps(found) + listed.text


def test_the_one_that_a_program_gets_is_marked(listed: Any, daemon: Any) -> None:
    url = f"{daemon.url}/devices/EMU"
    assert listed([behind(url, "EMU")])["EMU"]["default"]
    assert not any(item["default"] for item in listed([behind(url, "EMU"), behind(url, "B")]).values())
    assert "none is taken by itself" in listed.text
    assert listed([behind(url, "EMU")], QWATCH_QPU="emulator")["emulator"]["default"]


def test_the_jobs_environment_comes_first_and_hides_the_same_name(
    run_qwatch: Any, environment_in: Any, daemon: Any, tmp_path: Path
) -> None:
    url = f"{daemon.url}/devices/EMU"
    config = tmp_path / "qrmi_config.json"
    config.write_text(json.dumps({"resources": [behind("http://127.0.0.1:9", "EMU")]}))
    environment = environment_in(
        tmp_path,
        QWATCH_QRMI_CONFIG=str(config),
        QRMI_JOB_QPU_RESOURCES="EMU",
        QRMI_JOB_QPU_TYPES="pasqal-local",
        QRMI_JOB_UID=str(os.getuid()),
        QRMI_JOB_ID="1",
        EMU_QRMI_WARDEN_URL=url,
    )
    found = json.loads(run_qwatch(environment, "run", "--list", "--json").stdout)
    assert [(item["name"], item["state"]) for item in found] == [
        ("EMU", "online"),
        ("EMU", "hidden"),
        ("emulator", "online"),
    ]
    assert [item["default"] for item in found] == [True, False, False]


def test_a_configuration_that_cannot_be_read_hides_nothing_else(
    run_qwatch: Any, environment_in: Any, tmp_path: Path
) -> None:
    config = tmp_path / "qrmi_config.json"
    config.write_text("no JSON")
    environment = environment_in(tmp_path, QWATCH_QRMI_CONFIG=str(config))
    found = json.loads(run_qwatch(environment, "run", "--list", "--json").stdout)
    assert [item["name"] for item in found] == ["emulator", ""]
    assert str(config) in found[1]["reason"]


def test_the_announced_daemon_is_found(
    run_qwatch: Any, environment_in: Any, daemon: Any, tmp_path: Path
) -> None:
    environment = environment_in(tmp_path)
    folder = Path(environment["XDG_STATE_HOME"]) / "qwatch"
    folder.mkdir(parents=True)
    announced = {
        "url": daemon.url,
        "auth": "local",
        "token_file": str(daemon.token_file),
        "devices": ["EMU", "CLOSED"],
        "pid": daemon.pid,
    }
    (folder / "local.json").write_text(json.dumps(announced))
    found = json.loads(run_qwatch(environment, "run", "--list", "--json").stdout)
    assert [(item["name"], item["state"]) for item in found] == [
        ("EMU", "online"),
        ("CLOSED", "paused"),
        ("emulator", "online"),
    ]


def test_json_without_list_is_a_mistake(run_qwatch: Any, environment_in: Any, tmp_path: Path) -> None:
    found = run_qwatch(environment_in(tmp_path), "run", "--json", "--", "true")
    assert found.returncode == 2
    assert "--list" in found.stderr


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.0, "none"), (12.4, "12 s"), (300, "5 min"), (10_800, "3.0 h")],
)
def test_waits_are_short(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text
