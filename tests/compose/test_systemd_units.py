"""The units are what systemd takes, leave a process little, and the programs run within those limits."""

from __future__ import annotations

import ctypes.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qwatch.telemetry import quality_metrics

FOLDER = Path(__file__).parents[2] / "compose" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
QWATCH = [sys.executable, "-m", "qwatch.cli.main"]
CONFINED = [sys.executable, str(Path(__file__).with_name("confined.py"))]
LARGEST_EXPOSURE = 20
"""Tenths, as systemd-analyze's --threshold counts them: 2.0 of 10."""


@pytest.fixture
def installed(tmp_path: Path) -> Callable[[Path], Path]:
    """Return a function that gives a copy of a unit in which the program is where the tests have it."""
    program = Path(sys.executable).with_name("qwatch")

    def install(unit: Path) -> Path:
        copy = tmp_path / unit.name
        text = unit.read_text()
        assert "ExecStart=/opt/qwatch/bin/qwatch " in text
        copy.write_text(text.replace("/opt/qwatch/bin/qwatch", str(program)))
        return copy

    return install


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_nothing_wrong(unit: Path, installed: Any, require_program: Any) -> None:
    analyze = require_program("systemd-analyze", package="systemd")
    ran = subprocess.run(
        [analyze, "verify", str(installed(unit))], capture_output=True, text=True, timeout=60, check=False
    )
    complaints = [line for line in ran.stderr.splitlines() if unit.name in line]
    assert (ran.returncode, complaints) == (0, [])


def test_systemd_does_find_what_is_wrong(tmp_path: Path, installed: Any, require_program: Any) -> None:
    analyze = require_program("systemd-analyze", package="systemd")
    wrong = installed(UNITS[0])
    wrong.write_text(wrong.read_text().replace("ProtectSystem=strict", "ProtectSystem=very"))
    ran = subprocess.run(
        [analyze, "verify", str(wrong)], capture_output=True, text=True, timeout=60, check=False
    )
    assert f"{wrong.name}:" in ran.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_little_is_exposed(unit: Path, installed: Any, require_program: Any) -> None:
    analyze = require_program("systemd-analyze", package="systemd")
    ran = subprocess.run(
        [analyze, "security", "--offline=true", f"--threshold={LARGEST_EXPOSURE}", str(installed(unit))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-200:]
    assert "Overall exposure level" in ran.stdout


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_command_of_a_unit_is_one_of_qwatch(unit: Path) -> None:
    from typer.testing import CliRunner

    from qwatch.cli.main import application

    [line] = re.findall(r"^ExecStart=/opt/qwatch/bin/qwatch (.*)$", unit.read_text(), re.MULTILINE)
    verb, *options = line.split()
    described = CliRunner().invoke(application, [verb, "--help"], env={"COLUMNS": "200"}).stdout
    for option in options:
        if option.startswith("--"):
            assert option in described, option


def test_users_and_folders_are_made_as_the_units_need_them(tmp_path: Path, require_program: Any) -> None:
    if os.getuid() != 0:
        pytest.skip("only root makes files of other users")
    sysusers = require_program("systemd-sysusers", package="systemd")
    tmpfiles = require_program("systemd-tmpfiles", package="systemd")
    shutil.copytree(FOLDER, tmp_path / "units")
    configuration = tmp_path / "etc" / "qwatch"
    configuration.mkdir(parents=True)
    (configuration / "qwatch.yaml").write_text("")
    (configuration / "qwatch.yaml").chmod(0o644)
    for program, *arguments in (
        [sysusers, tmp_path / "units" / "qwatch.sysusers.conf"],
        [tmpfiles, "--create", tmp_path / "units" / "qwatch.tmpfiles.conf"],
    ):
        ran = subprocess.run(
            [program, f"--root={tmp_path}", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (0, "") or "Creating" in ran.stderr, ran.stderr
    [user] = [
        line.split(":")
        for line in (tmp_path / "etc/passwd").read_text().splitlines()
        if line.startswith("qwatch:")
    ]
    assert user[5:] == ["/var/lib/qwatch", "/usr/sbin/nologin"] or user[6].endswith("nologin")
    found = {
        name: (oct((tmp_path / name).stat().st_mode & 0o777), (tmp_path / name).stat().st_gid)
        for name in ("etc/qwatch", "etc/qwatch/qwatch.yaml", "etc/qwatch/secrets")
    }
    assert found == {
        "etc/qwatch": ("0o750", int(user[3])),
        "etc/qwatch/qwatch.yaml": ("0o640", int(user[3])),
        "etc/qwatch/secrets": ("0o700", 0),
    }


def test_daemon_and_emulated_qpu_run_jobs_within_the_limits_of_their_units(
    run_daemon: Any,
    run_emulator: Any,
    device_at: Any,
    sequence_text: str,
    require_program: Any,
    wait_until: Any,
) -> None:
    require_program("systemd-analyze", package="systemd")
    if ctypes.util.find_library("seccomp") is None:
        pytest.skip("libseccomp is not installed: apt-get install libseccomp2")
    quality = {"jobs": {"enabled": True, "delay": 0, "interval": 3600, "jobs": ["readout"]}}
    with run_emulator(shot_rate=10_000) as emulator:
        emulator.stop()
        emulator.command = [*CONFINED, str(FOLDER / "qwatch-emulator.service"), *QWATCH]
        emulator.start()
        device = device_at(emulator.url, quality=quality)
        with run_daemon(start=False, devices=[device]) as daemon:
            daemon.command = [*CONFINED, str(FOLDER / "qwatch-daemon.service"), *QWATCH]
            daemon.start()
            number = daemon.submit(daemon.acquire(), sequence_text, 10)
            wait_until(lambda: daemon.job(number)["status"] in ("DONE", "ERROR"))
            assert daemon.job(number)["status"] == "DONE", daemon.log
            # A quality job is computed with numpy, in a process of its own with a lower priority.
            wait_until(lambda: quality_metrics.READOUT_ERROR.prometheus_name in daemon.metrics_text())
            for process in (daemon, emulator):
                assert limits_of(process.pid) == {"NoNewPrivs": "1", "Seccomp": "2"}
                assert "PermissionError" not in process.log
                assert "not permitted" not in process.log
            assert daemon.stop() == 0
        assert emulator.stop() == 0


def limits_of(pid: int) -> dict[str, str]:
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: lines[name].strip() for name in ("NoNewPrivs", "Seccomp")}
