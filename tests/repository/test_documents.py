"""What the documents say is true."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from qwatch.daemon.configuration import Configuration, configuration_from
from qwatch.scheduler.quality.feed_format import read_feed

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "alerts").rglob("*.md"),
        *(ROOT / "benchmarks").glob("*.md"),
    ]
)


def blocks(path, language):
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(), re.DOTALL)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(path):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_the_documented_configuration_is_one(tmp_path):
    [example] = blocks(ROOT / "docs" / "configuration.md", "yaml")
    found = configuration_from(yaml.safe_load(example), "docs/configuration.md")
    assert found.devices[0].name == "FRESNEL"
    defaults = Configuration()
    for section in ("api", "metrics", "scheduler", "slurm", "telemetry"):
        documented = getattr(found, section).model_dump(exclude_unset=True)
        for key, value in documented.items():
            assert value == getattr(getattr(defaults, section), key), f"{section}.{key} is not its default"


def test_the_documented_quality_feed_is_one():
    [example] = blocks(ROOT / "docs" / "quality.md", "json")
    assert len(read_feed(example.encode(), "FRESNEL", "vendor")) == 3


def test_the_readmes_program_runs_without_a_daemon(tmp_path):
    [program] = blocks(ROOT / "README.md", "python")
    file = tmp_path / "program.py"
    file.write_text(program)
    command = ["qwatch", "run", "--qpu", "emulator", "--", sys.executable, str(file)]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    found = subprocess.run(
        command,
        env={**os.environ, "PATH": path, "XDG_STATE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert "Counter(" in found.stdout


def test_the_readme_names_only_targets_that_make_has():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make ([a-z-]+)", (ROOT / "README.md").read_text()):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
