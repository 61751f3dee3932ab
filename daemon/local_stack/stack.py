"""Everything on one machine: an emulated QPU, the daemon, and a real hybrid workload."""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree

import httpx
import yaml

from ...qrmi import announcement, munge
from ...qrmi.announcement import Announcement
from ...scheduler.errors import ConfigurationError
from .child import QWATCH, Child
from .engine_files import WANTED_PORTS, Plan, ports_of
from .engines import Engine, installed
from .ports import LOOPBACK, choose_port
from .running_engines import RunningEngines

DEVICE = "EMU"
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
# Late enough for the workload's first job, soon enough to be on the first board.
_QUALITY_JOBS = {"enabled": True, "delay": 15.0, "interval": 180.0, "shots": 50}
_EXAMPLES = ("antiferromagnet", "maximum_independent_set")


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What ``qwatch up`` was asked for; ``shot_rate`` in hertz, ports as wanted."""

    data_directory: Path | None = None
    demo: bool = True
    shot_rate: float = 200.0
    qpu_port: int = 8005
    api_port: int = 8006
    metrics_port: int = 8007
    auth: str = "auto"
    engines: bool = True
    engine_folder: Path | None = None


@dataclass(slots=True)
class Stack:
    """A running stack."""

    options: StackOptions
    directory: Path
    qpu_url: str
    api_url: str
    metrics_url: str
    auth: str
    notes: list[str]
    emulator: Child
    daemon: Child
    environment: dict[str, str]
    engines: RunningEngines
    demo: Child | None = None
    demo_runs: int = 0
    _failed_demos: int = field(default=0)

    @property
    def logs(self) -> Path:
        """Where the processes write."""
        return self.directory / "logs"

    @property
    def traces(self) -> Path:
        """Where spans are written."""
        return self.directory / "traces"

    def failure(self) -> str | None:
        """Return one line if a part has died that should run."""
        for child in (self.emulator, self.daemon):
            if child.exit_code is not None:
                last = " | ".join(child.last_lines(2))
                return f"the {child.name} ended with exit code {child.exit_code}: {last} (log: {child.log})"
        if self._failed_demos >= 3 and self.demo is not None:
            last = " | ".join(self.demo.last_lines(2))
            return f"the workload failed three times: {last} (log: {self.demo.log})"
        return None

    def keep_demo_running(self) -> None:
        """Start the next program of the workload when the one before has ended."""
        if not self.options.demo:
            return
        if self.demo is not None:
            code = self.demo.exit_code
            if code is None:
                return
            if not self.takes_work():
                return
            self._failed_demos = self._failed_demos + 1 if code != 0 else 0
        example = _EXAMPLES[self.demo_runs % len(_EXAMPLES)]
        spec = find_spec(f"qwatch.examples.{example}")
        if spec is None or spec.origin is None:
            raise ConfigurationError(f"the example {example} is not installed")
        self.demo_runs += 1
        self.demo = Child(
            f"workload {example}",
            [*QWATCH, "run", "--qpu", DEVICE, "--", sys.executable, "-u", spec.origin],
            self.logs / "workload.log",
            self.environment | self._job_environment(),
        )

    def takes_work(self) -> bool:
        """Return whether the daemon answers and the device is open; programs fail rightly where it is not."""
        try:
            found = httpx.get(f"{self.api_url}/accessible", timeout=2).json()
        except (httpx.HTTPError, ValueError):
            return False
        return bool(found.get("is_accessible"))

    def _job_environment(self) -> dict[str, str]:
        """Name this stack's device, whatever other stack of this user was announced since."""
        found = {
            "QRMI_JOB_QPU_RESOURCES": DEVICE,
            "QRMI_JOB_QPU_TYPES": "pasqal-local",
            "QRMI_JOB_UID": str(os.getuid()),
            "QRMI_JOB_ID": f"up-{os.getpid()}-{self.demo_runs}",
            f"{DEVICE}_QRMI_WARDEN_URL": f"{self.api_url}/devices/{DEVICE}",
            "QWATCH_TRACE_DIRECTORY": str(self.traces),
        }
        if self.auth == "local":
            found["QWATCH_TOKEN_FILE"] = str(self.directory / "token")
        if self.engines.plan.otlp_endpoint is not None:
            found["OTEL_EXPORTER_OTLP_ENDPOINT"] = self.engines.plan.otlp_endpoint
        return found

    def stop(self) -> None:
        """Stop everything within 10 s: first the workload, then the daemon, then the QPU and the engines."""
        announcement.withdraw(self.daemon.pid)
        deadline = time.monotonic() + _STOP_SECONDS
        for child in (self.demo, self.daemon, self.emulator):
            if child is None:
                continue
            child.ask_to_stop()
            child.stop(deadline)
        self.engines.stop(deadline)


@contextmanager
def running_stack(options: StackOptions) -> Iterator[Stack]:
    """Start a stack, and stop every process of it at the end, whatever happens.

    Raises:
        ConfigurationError: it cannot be started; one line says why.
    """
    with _data_directory(options.data_directory) as directory:
        stack = _start(options, directory)
        try:
            _wait_until_ready(stack)
            _announce(stack)
            yield stack
        finally:
            stack.stop()


@contextmanager
def _data_directory(wanted: Path | None) -> Iterator[Path]:
    if wanted is None:
        directory = Path(tempfile.mkdtemp(prefix="qwatch-"))
        try:
            yield directory
        finally:
            rmtree(directory, ignore_errors=True)
        return
    try:
        wanted.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (wanted / "lock").open("w")
    except OSError as error:
        raise ConfigurationError(f"--data-dir {wanted}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(
                f"--data-dir {wanted}: another 'qwatch up' runs on it; stop that one or choose another folder"
            ) from error
        yield wanted.resolve()


def _start(options: StackOptions, directory: Path) -> Stack:
    for name in ("logs", "traces"):
        (directory / name).mkdir(exist_ok=True)
    chosen: dict[str, int] = {}
    notes = []
    for purpose, wanted in (
        ("the QPU", options.qpu_port),
        ("the job API", options.api_port),
        ("metrics", options.metrics_port),
    ):
        port = choose_port(wanted, purpose, frozenset(chosen.values()))
        chosen[purpose] = port.number
        if port.note is not None:
            notes.append(port.note)
    qpu_url, api_url, metrics_url = (f"http://{LOOPBACK}:{number}" for number in chosen.values())
    programs = installed(options.engine_folder) if options.engines else {}
    for purpose in (purpose for engine in programs for purpose in ports_of(engine)):
        port = choose_port(WANTED_PORTS[purpose], purpose, frozenset(chosen.values()))
        chosen[purpose] = port.number
        if port.note is not None:
            notes.append(port.note)
    plan = Plan(directory, programs, chosen, chosen["metrics"])
    auth = _auth(options.auth)
    configuration = directory / "qwatch.yaml"
    configuration.write_text(
        yaml.safe_dump(
            _configuration(plan, chosen["the job API"], qpu_url, auth, options),
            sort_keys=False,
        ),
        encoding="utf-8",
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("QWATCH_")}
    emulator = Child(
        "emulated QPU",
        [
            *QWATCH,
            *("emulate", "--port", str(chosen["the QPU"])),
            *("--name", DEVICE, "--shot-rate", str(options.shot_rate)),
        ],
        directory / "logs" / "emulator.log",
        environment,
    )
    try:
        daemon = Child(
            "daemon",
            [*QWATCH, "serve", "--config", str(configuration)],
            directory / "logs" / "daemon.log",
            environment,
        )
    except BaseException:
        emulator.ask_to_stop()
        emulator.stop(time.monotonic() + _STOP_SECONDS)
        raise
    engines = RunningEngines(plan)
    stack = Stack(
        options, directory, qpu_url, api_url, metrics_url, auth, notes, emulator, daemon, environment, engines
    )
    try:
        engines.start(directory / "logs", environment)
    except BaseException:
        stack.stop()
        raise
    return stack


def _configuration(
    plan: Plan, api_port: int, qpu_url: str, auth: str, options: StackOptions
) -> dict[str, object]:
    directory = plan.directory
    telemetry: dict[str, object] = {"trace_directory": str(directory / "traces")}
    if plan.otlp_endpoint is not None:
        telemetry["otlp_endpoint"] = plan.otlp_endpoint
    if plan.has(Engine.LOKI):
        telemetry["loki_url"] = plan.url("Loki")
    # What node_exporter tells of the host is not told twice.
    disabled = ["host"] if plan.has(Engine.NODE_EXPORTER) else []
    return {
        "api": {
            "port": api_port,
            "auth": auth,
            "token_file": str(directory / "token"),
            "authorized_users": [os.getuid()],
            "admin_users": sorted({0, os.getuid()}),
            "user_sessions": True,
            "default_job_class": "development",
        },
        "store": {"url": f"sqlite:///{directory / 'qwatch.db'}"},
        "metrics": {
            "port": plan.metrics_port,
            "disabled_collectors": disabled,
            "alertmanager_url": plan.url("Alertmanager") if plan.has(Engine.ALERTMANAGER) else None,
        },
        "telemetry": telemetry,
        "devices": [
            {
                "name": DEVICE,
                "url": qpu_url,
                "default": True,
                "simulator": True,
                "shot_rate": options.shot_rate,
                "vendor": "qwatch",
                "technology": "neutral-atom",
                "quality": {"jobs": _QUALITY_JOBS},
            }
        ],
    }


def _auth(wanted: str) -> str:
    if wanted != "auto":
        return wanted
    try:
        munge.decode(munge.encode())
    except (munge.MungeUnavailableError, munge.MungeError):
        return "local"
    return "munge"


def _wait_until_ready(stack: Stack) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        failure = stack.failure()
        if failure is not None:
            raise ConfigurationError(failure)
        if stack.takes_work():
            return
        time.sleep(0.1)
    raise ConfigurationError(f"the stack was not ready after {_START_SECONDS:.0f} s; logs: {stack.logs}")


def _announce(stack: Stack) -> None:
    try:
        announcement.write(
            Announcement(
                url=stack.api_url,
                auth="munge" if stack.auth == "munge" else "local",
                token_file=str(stack.directory / "token") if stack.auth == "local" else None,
                devices=(DEVICE,),
                pid=stack.daemon.pid,
                trace_directory=str(stack.traces),
            )
        )
    except OSError as error:
        raise ConfigurationError(f"{announcement.path()}: {error.strerror}") from error
