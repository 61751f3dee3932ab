"""The wheelhouse: what is built where there is a network installs, and runs a job, where there is none."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "compose" / "wheelhouse" / "build.py"
INSTALL = ROOT / "compose" / "wheelhouse" / "install.sh"


@pytest.fixture
def without_network(require_program: Any) -> list[str]:
    """The beginning of a command that runs the rest with loopback and no other network."""
    require_program("unshare", package="util-linux")
    require_program("ip", package="iproute2")
    command = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("a network namespace cannot be made: run as root")
    outward = subprocess.run([*command, "ip", "route"], capture_output=True, text=True, check=True)
    assert outward.stdout == ""
    return command


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_it_installs_and_a_job_runs_with_the_network_off(
    tmp_path: Path, without_network: list[str], environment_in: Any
) -> None:
    versions = tmp_path / "versions.txt"
    frozen = subprocess.run(
        [sys.executable, "-m", "pip", "freeze", "--exclude-editable"], capture_output=True, check=True
    )
    versions.write_bytes(frozen.stdout)
    built = subprocess.run(
        [sys.executable, BUILD, "--extras", "up", "--out", tmp_path, "--constraint", versions],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert built.returncode == 0, "the wheels could not be built or fetched; pip's lines are above"
    archive = Path(built.stdout.strip())
    subprocess.run(["sha256sum", "--check", f"{archive.name}.sha256"], cwd=tmp_path, check=True)
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    [place] = tmp_path.glob("qwatch-*/")
    target = tmp_path / "opt" / "qwatch"
    environment = environment_in(tmp_path)

    def offline(*command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*without_network, *map(str, command)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    installed = offline("sh", place / "install.sh", target, sys.executable)
    assert installed.returncode == 0, installed.stderr
    assert installed.stdout.startswith("qwatch ")
    qwatch = target / "bin" / "qwatch"
    assert "--config" in offline(qwatch, "serve", "--help").stdout
    assert "QRMI" in offline(qwatch, "doctor").stdout
    ran = offline(qwatch, "up", "--for", "60", "--no-engines", "--auth", "local")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "the first job is DONE" in ran.stdout

    wheel = next((place / "wheels").glob("qwatch-*.whl"))
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    refused = offline("sh", place / "install.sh", tmp_path / "opt" / "another", sys.executable)
    assert refused.returncode != 0
    assert f"wheels/{wheel.name}: FAILED" in refused.stdout
    assert not (tmp_path / "opt" / "another").exists()


def test_the_script_wants_an_absolute_folder_and_the_python_of_the_wheels(tmp_path: Path) -> None:
    text = INSTALL.read_text(encoding="utf-8")
    script = tmp_path / "install.sh"
    script.write_text(text.replace("@PYTHON@", "3.99").replace("@VERSION@", "1.0"), encoding="utf-8")
    (tmp_path / "SHA256SUMS").write_text(f"{hashlib.sha256(script.read_bytes()).hexdigest()}  install.sh\n")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["sh", script, *arguments], capture_output=True, text=True, check=False)

    relative = run("qwatch")
    assert (relative.returncode, "usage: sh install.sh FOLDER" in relative.stderr) == (2, True)
    other = run(str(tmp_path / "opt"), sys.executable)
    assert (other.returncode, "these wheels are for Python 3.99" in other.stderr) == (1, True)
    assert not (tmp_path / "opt").exists()


@pytest.mark.parametrize("script", sorted((ROOT / "compose").rglob("*.sh")), ids=lambda path: path.name)
def test_the_shell_scripts_are_posix(script: Path) -> None:
    shells = [shell for shell in ("dash", "bash") if shutil.which(shell)]
    assert shells
    for shell in shells:
        subprocess.run([shell, "-n", script], check=True)
    checker = shutil.which("shellcheck")
    if checker is not None:
        subprocess.run([checker, "--shell=sh", script], check=True, env={**os.environ})
