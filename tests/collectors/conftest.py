"""A real Slurm with one node on loopback, and stand-ins for its commands."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CONFIGURATION = """\
ClusterName=qwatch
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={controller_port}
SlurmdPort={node_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
Licenses=fresnel:4,qpu_left:2,matlab:10
GresTypes=qpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=1000 Gres=qpu:fresnel:2 State=UNKNOWN
PartitionName=quantum Nodes={host} Default=YES State=UP
PartitionName=debug Nodes={host} State=UP
"""


@dataclass(slots=True)
class Slurm:
    """Where the running Slurm is."""

    configuration: Path

    @property
    def environment(self) -> dict[str, str]:
        """What its commands need."""
        return {"SLURM_CONF": str(self.configuration), "PATH": os.environ["PATH"], "HOME": "/"}

    def run(self, *command: str) -> str:
        """Run one of Slurm's commands and return what it printed."""
        ran = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert ran.returncode == 0, f"{' '.join(command)}: {ran.stderr}"
        return ran.stdout

    def submit(self, *options: str) -> str:
        """Queue a job that sleeps, and return its number."""
        wrapped = [*options, "--output=/dev/null", "--chdir=/", "--wrap=sleep 600"]
        return self.run("sbatch", "--parsable", *wrapped).strip()


@pytest.fixture(scope="session")
def slurm(
    require_program: Any,
    free_port: Callable[[], int],
    wait_until: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Slurm]:
    """Run munged, slurmctld and slurmd as this user, on free ports, with a key and sockets of their own."""
    programs = {
        name: require_program(name, package=package)
        for name, package in (
            ("munged", "munge"),
            ("slurmctld", "slurmctld"),
            ("slurmd", "slurmd"),
            ("squeue", "slurm-client"),
        )
    }
    folder: Path = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(64))
    key.chmod(0o400)
    host = socket.gethostname().partition(".")[0]
    configuration = folder / "slurm.conf"
    configuration.write_text(
        CONFIGURATION.format(
            host=host,
            user=getpass.getuser(),
            folder=folder,
            controller_port=free_port(),
            node_port=free_port(),
        )
    )
    (folder / "gres.conf").write_text(f"NodeName={host} Name=qpu Type=fresnel Count=2\n")
    here = Slurm(configuration)
    places = {"socket": "munge.socket", "pid-file": "munged.pid", "seed-file": "seed", "log-file": "munged.log"}
    commands = {
        # The folders of the tests are closed to others, which munged takes only when it is forced to.
        "munged": ["--foreground", "--force", f"--key-file={key}"]
        + [f"--{option}={folder / name}" for option, name in places.items()],
        "slurmctld": ["-D", "-f", str(configuration)],
        "slurmd": ["-D", "-f", str(configuration)],
    }
    running: list[subprocess.Popen[bytes]] = []
    try:
        for name, arguments in commands.items():
            with (folder / f"{name}.out").open("wb") as output:
                command = [str(programs[name]), *arguments]
                running.append(subprocess.Popen(command, stdout=output, stderr=output, env=here.environment))
            if name == "munged":
                wait_until((folder / "munge.socket").exists, f"munged does not start: {folder}")
        wait_until(lambda: _idle(here), f"Slurm does not start: {folder}")
        yield here
        here.run("scancel", f"--user={getpass.getuser()}")
        wait_until(lambda: not here.run("squeue", "--noheader"), "Slurm's jobs do not end")
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            process.wait(30)


def _idle(slurm: Slurm) -> bool:
    asked = subprocess.run(
        ["sinfo", "--noheader", "-o", "%T"],
        env=slurm.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return asked.returncode == 0 and set(asked.stdout.split()) == {"idle"}
