"""The engines' configuration files, each by the engine's own validator."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose"


def expanded(path: Path, **variables: str) -> Any:
    """Return a YAML file with ``${NAME:-default}`` replaced, as Loki and Tempo do it."""
    text = re.sub(
        r"\$\{(\w+):-([^}]*)\}",
        lambda found: variables.get(found[1], found[2]),
        path.read_text(encoding="utf-8"),
    )
    assert "${" not in text
    return yaml.safe_load(text)


@pytest.fixture
def prometheus_folder(tmp_path: Path) -> Path:
    """The files as the container sees them."""
    for source, target in (
        (COMPOSE / "prometheus", tmp_path),
        (ROOT / "alerts" / "rules", tmp_path / "rules"),
    ):
        for path in source.rglob("*"):
            if path.is_file() and path.name != "test_profile.yaml":
                place = tmp_path / target / path.relative_to(source)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(path.read_bytes())
    return tmp_path


def test_prometheus_takes_its_configuration_with_the_rules(
    prometheus_folder: Path, require_program: Callable[..., Path]
) -> None:
    promtool = require_program("promtool", package="prometheus")
    found = subprocess.run(
        [promtool, "check", "config", prometheus_folder / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert re.search(r"SUCCESS: \d+ rules found", found.stdout)


def test_every_file_of_targets_is_used(prometheus_folder: Path) -> None:
    text = (COMPOSE / "prometheus" / "prometheus.yml").read_text()
    assert set(re.findall(r"targets/(\w+\.json)", text)) == {
        path.name for path in (COMPOSE / "prometheus" / "targets").iterdir()
    }


def test_alertmanager_takes_both_of_its_configurations(require_program: Callable[..., Path]) -> None:
    amtool = require_program("amtool", package="prometheus-alertmanager")
    for name in ("alertmanager.yml", "unaddressed.yml"):
        found = subprocess.run(
            [amtool, "check-config", ROOT / "alerts" / "routing" / name],
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 0, found.stdout + found.stderr


def test_nobody_is_told_before_a_site_has_written_its_addresses() -> None:
    content = yaml.safe_load((ROOT / "alerts" / "routing" / "unaddressed.yml").read_text())
    assert content["receivers"]
    assert all(set(receiver) == {"name"} for receiver in content["receivers"])


def test_loki_takes_its_configuration(tmp_path: Path, require_program: Callable[..., Path]) -> None:
    if os.environ.get("CI") == "true" and not os.environ.get("QWATCH_TEST_LOKI"):
        pytest.skip("no Debian package brings Loki; set QWATCH_TEST_LOKI to its program")
    loki = os.environ.get("QWATCH_TEST_LOKI") or require_program(
        "loki", package="see docs/deployment.md for it"
    )
    found = subprocess.run(
        [loki, f"-config.file={COMPOSE / 'loki' / 'loki.yaml'}", "-config.expand-env=true", "-verify-config"],
        env=os.environ | {"LOKI_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_logs_have_the_same_stream_labels_by_otlp_as_by_lokis_own_push() -> None:
    limits = expanded(COMPOSE / "loki" / "loki.yaml")["limits_config"]
    resource = limits["otlp_config"]["resource_attributes"]
    assert resource["ignore_defaults"] is True
    assert resource["attributes_config"] == [
        {"action": "index_label", "attributes": ["service.name", "qpu_id", "level"]}
    ]
    assert limits["allow_structured_metadata"] is True


def test_every_path_of_tempo_is_below_its_data() -> None:
    content = expanded(COMPOSE / "tempo" / "tempo.yaml", TEMPO_DATA="/data")
    paths: list[str] = []

    def walk(value: Any, key: str = "") -> None:
        if isinstance(value, dict):
            for name, item in value.items():
                walk(item, name)
        elif key in ("path", "shutdown_marker_dir", "local_work_path"):
            paths.append(value)

    walk(content)
    assert len(paths) == 6
    assert all(path.startswith("/data/") for path in paths)


@pytest.fixture(scope="module")
def otelcol(require_program: Callable[..., Path]) -> Path:
    return require_program("otelcol", package="make engines (with Go), or otelcol-contrib from its releases")


def test_the_collector_takes_its_configuration(otelcol: Path) -> None:
    found = subprocess.run(
        [otelcol, "validate", f"--config={COMPOSE / 'collector' / 'config.yaml'}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
