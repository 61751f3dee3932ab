"""The processes under measurement: a timed device and a real ``qwatch serve``, in a temporary folder.

Whatever happens to a benchmark, the processes that it started end with it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import workload
import yaml

from qwatch.daemon.local_stack.die_with_parent import PARENT_VARIABLE
from qwatch.qrmi import munge

HERE = Path(__file__).parent
_START_SECONDS = 60.0
_STOP_SECONDS = 12.0


@dataclass(slots=True)
class Stack:
    """A daemon and its device."""

    directory: Path
    api_port: int
    metrics_port: int
    device_port: int
    auth: str
    daemon: subprocess.Popen[bytes]
    device: subprocess.Popen[bytes]

    @property
    def api_url(self) -> str:
        """Base URL of the job API."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def metrics_url(self) -> str:
        """Base URL of /metrics and /readyz."""
        return f"http://127.0.0.1:{self.metrics_port}"

    @property
    def store(self) -> Path:
        """The database."""
        return self.directory / "qwatch.db"

    @property
    def executions(self) -> Path:
        """What the timed device logged."""
        return self.directory / "executions.jsonl"

    def credential(self) -> dict[str, str]:
        """Return the header that proves the sender of one request."""
        if self.auth == "munge":
            return {"x-munge-cred": munge.encode()}
        token = (self.directory / "token").read_text(encoding="ascii").strip()
        return {"authorization": f"Bearer {token}"}

    def acquire(self) -> str:
        """Create a session for this user and return its token."""
        body = {"user_id": str(os.getuid()), "slurm_job_id": "1"}
        answer = httpx.post(f"{self.api_url}/sessions", json=body, headers=self.credential(), timeout=10)
        answer.raise_for_status()
        return str(answer.json()["id"])

    def submit(self, session: str, shots: int) -> int:
        """Submit one job and return its number."""
        headers = {"x-warden-session": session, **self.credential()}
        body = {"sequence": workload.sequence(), "shots": shots}
        answer = httpx.post(f"{self.api_url}/jobs", json=body, headers=headers, timeout=10)
        answer.raise_for_status()
        return int(answer.json()["id"])

    def metric(self, name: str) -> dict[str, float]:
        """Return the samples of one metric, by what stands between name and value."""
        text = httpx.get(f"{self.metrics_url}/metrics", timeout=30).text
        lines = [line for line in text.splitlines() if line.startswith(name)]
        return {key.removeprefix(name): float(value) for key, value in (line.rsplit(" ", 1) for line in lines)}


def auth_here() -> str:
    """Return ``munge`` where a munged answers, otherwise ``local``."""
    try:
        munge.encode()
    except (munge.MungeUnavailableError, munge.MungeError):
        return "local"
    return "munge"


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder on the local disk (``TMPDIR`` chooses which), removed at the end."""
    path = Path(tempfile.mkdtemp(prefix="qwatch-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def process(
    command: list[str], log: Path, environment: dict[str, str] | None = None, **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command with its output in ``log``; stop it at the end, or with us."""
    with log.open("ab") as output:
        started = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
            env={**os.environ, PARENT_VARIABLE: str(os.getpid()), **(environment or {})},
            **options,
        )
    try:
        yield started
    finally:
        started.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.wait(_STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def timed_device(directory: Path, port: int, duration: str, status: str = "UP") -> list[str]:
    """Return the command of a timed device whose log is in ``directory``."""
    specs = directory / "specs.json"
    specs.write_text(workload.specs(), encoding="utf-8")
    command = [sys.executable, str(HERE / "timed_device.py"), "--port", str(port), "--duration", duration]
    log = directory / "executions.jsonl"
    return [*command, "--specs", str(specs), "--log", str(log), "--status", status]


@contextlib.contextmanager
def running(
    duration: str,
    *,
    status: str = "UP",
    directory: Path | None = None,
    device_command: list[str] | None = None,
    device_port: int | None = None,
    devices: int = 1,
    telemetry: dict[str, Any] | None = None,
    environment: dict[str, str] | None = None,
) -> Iterator[Stack]:
    """Run a device and a daemon, and wait until both serve.

    ``duration`` is what a timed device takes per job (see timed_device.py); ``device_command`` runs another
    device on ``device_port``; ``directory`` holds a store from before; several ``devices`` are all that one;
    ``telemetry`` is that section of the configuration.
    """
    stop_on_signals()
    with contextlib.ExitStack() as exits:
        place = directory if directory is not None else exits.enter_context(folder())
        device_port = device_port or free_port()
        command = device_command or timed_device(place, device_port, duration, status)
        device = exits.enter_context(process(command, place / "device.log"))
        wait_for(f"http://127.0.0.1:{device_port}/api/v1/system/operational", device, place / "device.log")
        api, metrics, auth = free_port(), free_port(), auth_here()
        configuration = place / "qwatch.yaml"
        content = _configuration(place, api, metrics, device_port, auth, telemetry)
        content["devices"] += [
            content["devices"][0] | {"name": f"{workload.DEVICE}_{number}"} for number in range(2, devices + 1)
        ]
        configuration.write_text(yaml.safe_dump(content))
        serve = [sys.executable, "-m", "qwatch.cli.main", "serve", "--config", str(configuration)]
        daemon = exits.enter_context(process(serve, place / "daemon.log", environment))
        stack = Stack(place, api, metrics, device_port, auth, daemon, device)
        wait_for(f"{stack.metrics_url}/readyz", daemon, place / "daemon.log")
        _wait_until_seen(stack, "online" if status == "UP" else "offline")
        yield stack


def _configuration(
    place: Path, api: int, metrics: int, device: int, auth: str, telemetry: dict[str, Any] | None
) -> dict[str, Any]:
    return {
        "api": {"port": api, "auth": auth, "user_sessions": True, "token_file": str(place / "token")},
        "store": {"url": f"sqlite:///{place / 'qwatch.db'}"},
        "metrics": {"port": metrics},
        "telemetry": telemetry or {},
        "devices": [{"name": workload.DEVICE, "url": f"http://127.0.0.1:{device}", "simulator": True}],
    }


def _wait_until_seen(stack: Stack, state: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    wanted = f'{{qpu_id="{workload.DEVICE}",state="{state}"}}'
    while stack.metric("qpu_state").get(wanted) != 1.0:
        if time.monotonic() > deadline:
            raise SystemExit(f"the daemon did not find the device {state}; see {stack.directory}/daemon.log")
        time.sleep(0.05)


def wait_for(url: str, of: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until ``url`` answers 200; SystemExit with the end of the log if the process ends before."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if of.poll() is not None:
            break
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=2).status_code == 200:
                return
        time.sleep(0.05)
    end = log.read_text(encoding="utf-8", errors="replace")[-1500:]
    raise SystemExit(f"{url} does not answer; the process wrote:\n{end}")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stop_on_signals() -> None:
    """Leave by an exception on SIGTERM, so that processes are stopped."""

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
