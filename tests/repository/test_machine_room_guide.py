"""What the guide for the machine room tells to write is what the programs read."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import qrmi
import yaml

from qwatch.daemon.configuration import configuration_from

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "machine-room.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)


def test_its_configuration_is_one() -> None:
    [text] = blocks("yaml")
    found = configuration_from(yaml.safe_load(text), "docs/machine-room.md")
    assert (found.api.auth, found.devices[0].name) == ("munge", "FRESNEL")
    [scrape] = blocks("yml")
    assert yaml.safe_load(scrape)["scrape_configs"][0]["static_configs"][0]["targets"] == ["qan:8007"]


def test_its_qrmi_config_is_read_by_the_library(tmp_path: Path) -> None:
    [text] = blocks("json")
    file = tmp_path / "qrmi_config.json"
    file.write_text(text, encoding="utf-8")
    found = qrmi.Config.load(str(file)).resource_map
    assert set(found) == {item["name"] for item in json.loads(text)["resources"]} == {"FRESNEL", "FRESNEL_TEST"}


def test_its_targets_of_make_and_its_files_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make ([a-z-]+)", GUIDE, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    systemd = ROOT / "compose" / "systemd"
    named = set(re.findall(r"\bqwatch[-.][\w.@-]*\.(?:service|conf)\b", GUIDE))
    made_there = {"qwatch-backup.service", "qwatch-epilog.conf", "qwatch.conf"}
    assert {name for name in named - made_there if not (systemd / name).exists()} == set()


def test_its_units_for_the_backup_are_units(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed: apt-get install systemd")
    service, timer = blocks("ini")
    (tmp_path / "qwatch-backup.service").write_text(service, encoding="utf-8")
    (tmp_path / "qwatch-backup.timer").write_text(timer, encoding="utf-8")
    checked = subprocess.run(
        [program, "verify", "--man=no", "--recursive-errors=no", *map(str, tmp_path.iterdir())],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    ours = [line for line in checked.stderr.splitlines() if "qwatch-backup" in line]
    assert ours == [], checked.stderr
