"""The stack in containers: what every service of the compose file keeps to, and that each file is valid."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from qwatch.daemon.configuration import load_configuration

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose"
ONE_SHOT = {"secrets"}
WITHOUT_A_CHECK = {"collector", "workload"}
"""The Collector's image has nothing to ask it with (`collector-health` does); the workload serves nothing."""


@pytest.fixture(scope="module")
def compose_config(require_program: Callable[..., Path]) -> Callable[..., Any]:
    """Return a function that gives the file as docker compose reads it."""
    # Version 1, which Debian has as docker-compose, knows an older form of the file.
    docker = shutil.which("docker")
    if (
        docker
        and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0
    ):
        command = [docker, "compose"]
    else:
        how = "make engines (with Go), or docker's compose plugin"
        command = [str(require_program("build/engines/docker-compose", package=how))]

    def config(**variables: str) -> Any:
        words = [*command, "-f", "compose.yaml", "--profile", "demo", "config", "--format", "json"]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("QWATCH_")}
        found = subprocess.run(
            words, cwd=COMPOSE, env=environment | variables, capture_output=True, text=True, check=False
        )
        assert found.returncode == 0, found.stderr
        assert not found.stderr, found.stderr
        return json.loads(found.stdout)

    return config


@pytest.fixture(scope="module")
def services(compose_config: Callable[..., Any]) -> dict[str, Any]:
    found: dict[str, Any] = compose_config()["services"]
    return found


def test_the_whole_stack_is_there(services: dict[str, Any]) -> None:
    assert {"qpu", "qwatch", "collector", "prometheus", "alertmanager", "loki", "tempo", "grafana"} <= set(
        services
    )


def test_every_image_is_pinned_to_a_version_or_built_here(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if "build" not in service:
            assert re.fullmatch(r"docker\.io/[a-z/-]+:v?\d+\.\d+\.\d+", service["image"]), name


def test_every_service_runs_with_little(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert int(service["mem_limit"]) > 0, name
        assert "privileged" not in service, name
        user = service.get("user")
        if user is None:
            # The images of the project and of the Collector name a user of their own.
            assert "build" in service or name == "collector", name
        else:
            assert not user.startswith("0"), name


def test_every_service_tells_whether_it_is_well(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert ("healthcheck" in service) is (name not in ONE_SHOT | WITHOUT_A_CHECK), name


def test_only_grafana_and_the_job_api_are_published_and_on_loopback(services: dict[str, Any]) -> None:
    published = {
        (name, port["host_ip"], port["target"])
        for name, service in services.items()
        for port in service.get("ports", [])
    }
    assert published == {("qwatch", "127.0.0.1", 8006), ("grafana", "127.0.0.1", 3000)}


def test_another_address_is_published_only_when_told(compose_config: Callable[..., Any]) -> None:
    ports = compose_config(QWATCH_BIND="192.0.2.7")["services"]["grafana"]["ports"]
    assert [port["host_ip"] for port in ports] == ["192.0.2.7"]


def test_nobody_sees_grafana_without_a_login_unless_told(services: dict[str, Any]) -> None:
    environment = services["grafana"]["environment"]
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert environment["GF_SECURITY_ADMIN_PASSWORD__FILE"].startswith("/run/secrets/")
    assert not [
        value for value in map(str, environment.values()) if "password" in value.lower() and "/" not in value
    ]


def test_every_file_that_is_mounted_exists_and_is_read_only(services: dict[str, Any]) -> None:
    mounts = [
        volume
        for service in services.values()
        for volume in service.get("volumes", [])
        if volume["type"] == "bind"
    ]
    assert mounts
    for volume in mounts:
        assert Path(volume["source"]).exists(), volume
        assert volume["read_only"] is True, volume


def test_state_is_in_named_volumes(compose_config: Callable[..., Any]) -> None:
    found = compose_config()
    used = {
        volume["source"]
        for service in found["services"].values()
        for volume in service.get("volumes", [])
        if volume["type"] == "volume"
    }
    assert used == set(found["volumes"])


def test_the_daemon_reads_its_configuration(services: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in services["qwatch"]["environment"].items():
        monkeypatch.setenv(key, value)
    configuration = load_configuration(COMPOSE / "qwatch" / "qwatch.yaml")
    assert configuration.api.local_token_hosts == ["172.30.86.1"]
    assert configuration.devices[0].url == "http://qpu:8005"
    assert configuration.telemetry.log_destination == "otlp"


def test_the_final_image_has_a_user_and_no_build_tools() -> None:
    stages = (COMPOSE / "Containerfile").read_text().split("\nFROM ")
    final = stages[-1]
    assert "\nUSER 10001:10001\n" in final
    assert "pip install" not in final
    for tool in ("gcc", "build-essential", "git", "make "):
        assert tool not in final


def test_addresses_of_the_data_sources_are_those_that_grafana_is_told(services: dict[str, Any]) -> None:
    text = (ROOT / "dashboards" / "provisioning" / "stack" / "datasources.yaml").read_text()
    names = {match[1] for match in re.finditer(r"url: \$(\w+)", text)}
    assert names == {"QWATCH_PROMETHEUS_URL", "QWATCH_LOKI_URL", "QWATCH_TEMPO_URL"}
    assert names <= set(services["grafana"]["environment"])
    home = (COMPOSE / "grafana" / "grafana.ini").read_text()
    assert "$__env{QWATCH_BOARDS}/fleet.json" in home
    assert (ROOT / "dashboards" / "json" / "fleet.json").exists()


def test_the_collectors_image_is_the_version_that_is_built_and_tested(services: dict[str, Any]) -> None:
    version = services["collector"]["image"].rpartition(":")[2]
    builder = yaml.safe_load((COMPOSE / "collector" / "builder.yaml").read_text())
    modules = [part["gomod"] for kind, parts in builder.items() if kind != "dist" for part in parts]
    assert {module.split()[1] for module in modules} == {f"v{version}"}
