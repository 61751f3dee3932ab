"""The same file runs in the program's own process, on the emulated QPU, on a QPU behind MUNGE, and in a cloud.

The QPU on the premises is the emulated one behind a daemon with MUNGE; the cloud is a double of Pasqal's.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pulser")

import qwatch.examples.antiferromagnet as program

from . import pasqal_cloud_double

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run(
    run_daemon: Any,
    run_emulator: Any,
    device_at: Any,
    environment_in: Any,
    munged: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Run]:
    """Run ``qwatch run`` with words, where a site's ``qrmi_config.json`` names all that is within reach."""
    folder = tmp_path_factory.mktemp("places")
    with (
        run_emulator(shot_rate=20000.0) as emulator,
        run_daemon(devices=[device_at(emulator.url)]) as local,
        run_emulator(shot_rate=20000.0, name="FRESNEL") as qpu,
        run_daemon(
            devices=[device_at(qpu.url, name="FRESNEL", simulator=False)],
            api={"auth": "munge", "user_sessions": True},
        ) as site,
        pasqal_cloud_double.serving() as cloud,
    ):
        resources = [
            _resource("EMU", "pasqal-local", {"QRMI_WARDEN_URL": f"{local.url}/devices/EMU"}),
            _resource("FRESNEL", "pasqal-local", {"QRMI_WARDEN_URL": f"{site.url}/devices/FRESNEL"}),
            _resource(pasqal_cloud_double.DEVICE, "pasqal-cloud", cloud.environment()),
        ]
        configuration = folder / "qrmi_config.json"
        configuration.write_text(json.dumps({"resources": resources}), encoding="utf-8")
        environment = environment_in(folder) | {"QWATCH_QRMI_CONFIG": str(configuration)}
        local_token = {"QWATCH_TOKEN_FILE": str(local.token_file)}

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-m", "qwatch.cli.main", "run", *words],
                env=environment | (local_token if "EMU" in words else {}),
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )

        yield run


def _resource(name: str, kind: str, environment: dict[str, str]) -> dict[str, Any]:
    return {"name": name, "type": kind, "environment": environment}


@pytest.mark.parametrize("qpu", ["emulator", "EMU", "FRESNEL", pasqal_cloud_double.DEVICE])
def test_the_program_finds_the_antiferromagnet_wherever_it_runs(run: Run, qpu: str) -> None:
    file = str(Path(program.__file__))
    done = run("--qpu", qpu, "--", sys.executable, file, "--atoms", "4", "--shots", "200")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"4 atoms on {qpu}, ")
    found = re.search(r"staggered magnetisation = ([0-9.]+)", done.stdout)
    assert found is not None, done.stdout
    assert float(found[1]) > 0.7


def test_all_four_places_are_listed_with_their_state(run: Run) -> None:
    listed = run("--list", "--json")
    assert listed.returncode == 0, listed.stderr
    places = {item["name"]: (item["place"], item["state"]) for item in json.loads(listed.stdout)}
    assert places == {
        "EMU": ("emulated", "online"),
        "FRESNEL": ("on-premises", "online"),
        pasqal_cloud_double.DEVICE: ("cloud", "online"),
        "emulator": ("in-process", "online"),
    }
