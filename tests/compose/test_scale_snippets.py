"""The snippets of docs/scale.md, in place of compose/'s sections, by the engines' own validators."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose"
SCALE = ROOT / "docs" / "scale.md"


def snippet(name: str) -> dict[str, Any]:
    """Return the one YAML block of the page whose first line is ``# name``."""
    blocks = re.findall(r"```yaml\n# (\S+)\n(.*?)```", SCALE.read_text(encoding="utf-8"), re.DOTALL)
    [found] = [text for first, text in blocks if first == name]
    return dict(yaml.safe_load(found))


def replaced(path: Path, name: str) -> dict[str, Any]:
    """Return a file of compose/ with its sections replaced by those of a snippet."""
    return dict(yaml.safe_load(path.read_text(encoding="utf-8"))) | snippet(name)


def written(folder: Path, content: dict[str, Any]) -> Path:
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file


def test_prometheus_takes_remote_write(tmp_path: Path, require_program: Callable[..., Path]) -> None:
    promtool = require_program("promtool", package="prometheus")
    shutil.copytree(COMPOSE / "prometheus" / "targets", tmp_path / "targets")
    content = replaced(COMPOSE / "prometheus" / "prometheus.yml", "prometheus.yml") | {"rule_files": []}
    found = subprocess.run(
        [promtool, "check", "config", written(tmp_path, content)], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert content["remote_write"]


def test_loki_takes_object_storage(tmp_path: Path, require_program: Callable[..., Path]) -> None:
    if os.environ.get("CI") == "true" and not os.environ.get("QWATCH_TEST_LOKI"):
        pytest.skip("no Debian package brings Loki; set QWATCH_TEST_LOKI to its program")
    given = os.environ.get("QWATCH_TEST_LOKI")
    loki = given or require_program("loki", package="see docs/deployment.md for it")
    file = written(tmp_path, replaced(COMPOSE / "loki" / "loki.yaml", "loki.yaml"))
    found = subprocess.run(
        [loki, f"-config.file={file}", "-config.expand-env=true", "-verify-config"],
        env=os.environ | {"LOKI_DATA": str(tmp_path), "S3_ACCESS_KEY": "key", "S3_SECRET_KEY": "secret"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_lokis_old_days_stay_where_they_are() -> None:
    before = yaml.safe_load((COMPOSE / "loki" / "loki.yaml").read_text())["schema_config"]["configs"]
    after = snippet("loki.yaml")["schema_config"]["configs"]
    assert after[: len(before)] == before
    assert [entry["object_store"] for entry in after[len(before) :]] == ["s3"]


def test_tempo_keeps_nothing_but_its_write_ahead_log_on_the_local_disk() -> None:
    trace = replaced(COMPOSE / "tempo" / "tempo.yaml", "tempo.yaml")["storage"]["trace"]
    assert trace["backend"] == "s3"
    assert set(trace) == {"backend", "s3", "wal"}


def test_the_first_tier_of_collectors_samples_nothing_and_keeps_a_trace_together() -> None:
    content = snippet("balancer.yaml")
    assert content["exporters"]["loadbalancing"]["routing_key"] == "traceID"
    gateway = yaml.safe_load((COMPOSE / "collector" / "config.yaml").read_text())["service"]["pipelines"]
    pipelines = content["service"]["pipelines"]
    assert set(pipelines) == set(gateway)
    assert pipelines["traces"]["exporters"] == ["loadbalancing"]
    assert not any("tail_sampling" in pipeline["processors"] for pipeline in pipelines.values())


def test_the_collector_takes_the_first_tier(tmp_path: Path, require_program: Callable[..., Path]) -> None:
    given = os.environ.get("QWATCH_TEST_OTELCOL_CONTRIB")
    otelcol = Path(given) if given else require_program("otelcol", package="make engines (with Go)")
    parts = subprocess.run([otelcol, "components"], capture_output=True, text=True, check=True).stdout
    if not re.search(r"load_?balancing", parts):
        pytest.skip("needs the contrib distribution; set QWATCH_TEST_OTELCOL_CONTRIB to its program")
    found = subprocess.run(
        [otelcol, "validate", f"--config={written(tmp_path, snippet('balancer.yaml'))}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
