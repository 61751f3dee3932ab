"""Fixtures for every room's tests, and a guard that `import qrmi` finds the library."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
import qrmi
import yaml
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import create_engine, text

# Without the wheel installed, `import qrmi` succeeds as an empty namespace made of our own folder.
assert hasattr(qrmi, "QuantumResource"), "`import qrmi` does not find the QRMI library: pip install qrmi"

QWATCH = [sys.executable, "-m", "qwatch.cli.main"]
FINAL = ("DONE", "CANCELED", "ERROR")
PATIENCE = 60.0
"""Seconds after which something that should happen counts as never happening."""
ROOT = Path(__file__).parents[1]
ENGINES = ROOT / "build" / "engines"
"""What `make engines` built."""
_MUNGED = pytest.StashKey[subprocess.Popen[bytes]]()

RequireProgram = Callable[..., Path]


class WaitUntil(Protocol):
    def __call__(self, ask: Callable[[], Any], what: str = ..., seconds: float = ...) -> Any: ...


@pytest.fixture(scope="session", autouse=True)
def processes_hear_signals() -> None:
    """A job in a script's background ignores SIGINT, one of nohup SIGHUP, and so would what it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def require_program() -> RequireProgram:
    """Return a function (name, package) that gives a program's path, or skips; with CI=true it fails."""

    def require(name: str, package: str) -> Path:
        if "/" in name and (ROOT / name).exists():
            return ROOT / name
        for folder in (None, "/usr/sbin:/sbin:/usr/local/sbin", str(ENGINES)):
            if found := shutil.which(name, path=folder):
                return Path(found)
        how = package if " " in package else f"apt-get install {package}"
        reason = f"{name} is not installed: {how}"
        unbuilt = ENGINES / f"{Path(name).name}.failed"
        if unbuilt.exists():
            pytest.skip(f"{name} could not be built: {unbuilt.read_text().strip()}")
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)

    return require


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Return a function that gives a loopback port which nothing listens on."""
    given: set[int] = set()

    def find() -> int:
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = int(probe.getsockname()[1])
            if port not in given:
                given.add(port)
                return port

    return find


def _wait_until(ask: Callable[[], Any], what: str = "it never came true", seconds: float = PATIENCE) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        if found := ask():
            return found
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


@pytest.fixture(scope="session")
def wait_until() -> WaitUntil:
    """Return a function that asks until the answer is true, and returns it; fails after a generous bound."""
    return _wait_until


@pytest.fixture(scope="session")
def munged(require_program: RequireProgram) -> None:
    """Have MUNGE answer on this machine: the running munged, or the one that was started for the tests."""
    require_program("munge", package="munge")
    require_program("munged", package="munge")
    if not _munge_answers():
        reason = "munged does not run, and only root can start it: systemctl start munge"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Start munged, for root, where it is installed and does not run; in one process for all that test."""
    program = shutil.which("munged", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    is_worker = hasattr(session.config, "workerinput")
    if is_worker or program is None or os.getuid() != 0 or _munge_answers():
        return
    folder = Path("/run/munge")
    folder.mkdir(mode=0o755, exist_ok=True)
    shutil.chown(folder, "munge")
    process = subprocess.Popen([program, "--foreground"], user="munge", group="munge", extra_groups=[])
    session.config.stash[_MUNGED] = process
    _wait_until(_munge_answers, "munged was started and does not answer")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop munged if it was started here."""
    process = session.config.stash.get(_MUNGED, None)
    if process is not None:
        process.terminate()
        process.wait(30)


def _munge_answers() -> bool:
    program = shutil.which("munge")
    if program is None:
        return False
    return subprocess.run([program, "-n"], capture_output=True, check=False, timeout=30).returncode == 0


@pytest.fixture(scope="session")
def sequence_text() -> str:
    """A pulse of 200 ns on one atom, for the device EMU, in Pulser's abstract representation."""
    import pulser
    from pulser.devices import Device

    from qwatch.emulator.specs import device_specs

    device = Device.from_abstract_repr(device_specs("EMU"))
    sequence = pulser.Sequence(pulser.Register({"q0": (0.0, 0.0)}), device)
    sequence.declare_channel("global", "rydberg_global")
    sequence.add(pulser.Pulse.ConstantPulse(200, math.pi / 0.4, 0.0, 0.0), "global")
    sequence.measure("ground-rydberg")
    return str(sequence.to_abstract_repr())


def clean_environment(directory: Path, **more: str) -> dict[str, str]:
    """Return the environment without what steers qwatch, QRMI and OpenTelemetry, with a home of its own."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("QWATCH_", "QRMI_", "SLURM_", "OTEL_", "TRACEPARENT")) and "_QRMI_" not in key
    }
    return kept | {"HOME": str(directory), "XDG_STATE_HOME": str(directory / "state"), "COLUMNS": "200"} | more


class QwatchProcess:
    """One ``qwatch`` process in a group of its own, with its output in a file."""

    def __init__(self, directory: Path, name: str, *verb: str, **environment: str) -> None:
        self.log_file = directory / f"{name}.log"
        self.command = QWATCH
        self._verb = verb
        self.environment = clean_environment(directory, **environment)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def spawn(self) -> None:
        with self.log_file.open("ab") as output:
            self.process = subprocess.Popen(
                [*self.command, *self._verb],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment,
                process_group=0,
            )

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, seconds: float = PATIENCE) -> int:
        assert self.process is not None
        return self.process.wait(seconds)

    def kill(self) -> None:
        """End it as a crash does."""
        self.send(signal.SIGKILL)
        self.wait()

    def stop(self) -> int:
        """End it as an administrator does; return its exit code."""
        self.send(signal.SIGTERM)
        return self.wait()

    def cleanup(self) -> None:
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class FreshMunge(httpx.Auth):
    """Proves this process's user with a fresh MUNGE credential for each request."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        from qwatch.qrmi import munge

        request.headers["x-munge-cred"] = munge.encode()
        yield request


class TokenFile(httpx.Auth):
    """Proves the user with the local token in a file, which need not exist yet."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["authorization"] = f"Bearer {self._file.read_text().strip()}"
        yield request


class Daemon(QwatchProcess):
    """``qwatch serve`` on loopback, with a client that proves this user."""

    def __init__(
        self, directory: Path, api_port: int, metrics_port: int, sections: Mapping[str, Any], **environment: str
    ) -> None:
        self.directory = directory
        self.token_file = directory / "token"
        self.store = directory / "qwatch.db"
        self.configuration: dict[str, Any] = {
            "api": {"port": api_port, "auth": "local", "token_file": str(self.token_file)},
            "store": {"url": f"sqlite:///{self.store}"},
            "metrics": {"port": metrics_port},
            "scheduler": {"trace_grace": 0.1},
        }
        for key, value in sections.items():
            both = isinstance(value, dict) and isinstance(self.configuration.get(key), dict)
            self.configuration[key] = self.configuration[key] | value if both else value
        self.url = f"http://127.0.0.1:{api_port}"
        self.metrics_url = f"http://127.0.0.1:{metrics_port}"
        self.file = directory / "qwatch.yaml"
        self.client = httpx.Client(base_url=self.url, timeout=PATIENCE, auth=self._authentication())
        super().__init__(directory, "daemon", "serve", "--config", str(self.file), **environment)

    def _authentication(self) -> httpx.Auth:
        if self.configuration["api"]["auth"] == "local":
            return TokenFile(self.token_file)
        return FreshMunge()

    def start(self, *, online: bool = True) -> None:
        """Start it and wait until it answers, and with ``online`` until its devices take work."""
        self.write_configuration()
        self.spawn()
        _wait_until(self.answers, f"the daemon does not answer: {self.log_file}")
        if online:
            for device in self.configuration["devices"]:
                self.until_online(device["name"])

    def write_configuration(self) -> None:
        self.file.write_text(yaml.safe_dump(self.configuration), encoding="utf-8")

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        try:
            return self.client.get("/", auth=None).status_code == 200
        except httpx.HTTPError:
            return False

    def until_online(self, device: str = "EMU", online: bool = True) -> None:
        path = f"/devices/{device}/accessible"
        _wait_until(
            lambda: self.client.get(path, auth=None).json().get("is_accessible") is online,
            f"{device} does not become {'online' if online else 'offline'}",
        )

    def ok(self, method: str, path: str, **options: Any) -> Any:
        """Return the reply to a request that is to be answered with a 2xx."""
        reply = self.client.request(method, path, **options)
        assert reply.is_success, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json() if reply.content else None

    def refused(self, status: int, method: str, path: str, **options: Any) -> str:
        """Return the one line with which a request is refused."""
        reply = self.client.request(method, path, **options)
        assert reply.status_code == status, f"{method} {path}: {reply.status_code} {reply.text}"
        detail = reply.json()["detail"]
        assert isinstance(detail, str), detail
        assert detail
        assert "\n" not in detail
        assert "Traceback" not in detail
        return detail

    def acquire(self, base: str = "", uid: int | None = None, slurm_job: str = "77") -> str:
        body = {"user_id": str(os.getuid() if uid is None else uid), "slurm_job_id": slurm_job}
        return str(self.ok("POST", f"{base}/sessions", json=body)["id"])

    def submission(self, token: str, sequence: str, shots: int) -> dict[str, Any]:
        """Return the body and headers of a ``POST /jobs``."""
        return {"json": {"sequence": sequence, "shots": shots}, "headers": {"x-warden-session": token}}

    def submit(self, token: str, sequence: str, shots: int, base: str = "") -> int:
        return int(self.ok("POST", f"{base}/jobs", **self.submission(token, sequence, shots))["id"])

    def job(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.ok("GET", f"/jobs/{number}")
        return found

    def until(self, number: int, *states: str) -> dict[str, Any]:
        """Return the job once it is in one of ``states``."""

        def there() -> dict[str, Any] | None:
            job = self.job(number)
            assert job["status"] in (*states, "PENDING", "RUNNING"), job
            return job if job["status"] in states else None

        found: dict[str, Any] = _wait_until(there, f"job {number} never became {' or '.join(states)}")
        return found

    def finished(self, number: int) -> dict[str, Any]:
        return self.until(number, *FINAL)

    def logs(self, number: int) -> str:
        return str(self.ok("GET", f"/jobs/{number}/logs")["logs"])

    def metrics_text(self) -> str:
        reply = httpx.get(f"{self.metrics_url}/metrics", timeout=PATIENCE)
        assert reply.status_code == 200, reply.text
        return reply.text

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples that carry these labels."""
        found = [
            sample.value
            for family in text_string_to_metric_families(self.metrics_text())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert found, f"no sample of {name} with {labels}"
        return sum(found)

    def cleanup(self) -> None:
        self.client.close()
        super().cleanup()


class Emulator(QwatchProcess):
    """``qwatch emulate`` on loopback; its log of executions outlives restarts."""

    def __init__(self, directory: Path, port: int, **settings: Any) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.executions_file = directory / "executions.jsonl"
        file = directory / "emulator.yaml"
        settings = {"overhead": 0.0, "executions_log": str(self.executions_file), "seed": 1} | settings
        file.write_text(yaml.safe_dump(settings | {"port": port}), encoding="utf-8")
        super().__init__(directory, "emulator", "emulate", "--settings", str(file))

    def start(self) -> None:
        self.spawn()

        def answers() -> bool:
            try:
                return httpx.get(f"{self.url}/api/v1/system", timeout=PATIENCE).status_code == 200
            except httpx.HTTPError:
                return False

        _wait_until(answers, f"the emulated QPU does not answer: {self.log_file}")

    def set_faults(self, **faults: Any) -> None:
        httpx.put(f"{self.url}/emulator/faults", json=faults, timeout=PATIENCE).raise_for_status()

    def executions(self, event: str = "start") -> list[dict[str, Any]]:
        """Return what really ran, in order."""
        if not self.executions_file.exists():
            return []
        lines = self.executions_file.read_text(encoding="utf-8").splitlines()
        return [found for line in lines if (found := json.loads(line))["event"] == event]

    def shots(self) -> list[int]:
        """Return the shots of each execution, in order: unique shots tell which job ran."""
        return [execution["shots"] for execution in self.executions()]


class TimedDevice:
    """The on-premises QPU's API on loopback: takes a set time for a job, and fails in the ways tests ask for.

    One job at a time; a new one cancels the one before; a restart forgets jobs and counts uids anew.
    """

    def __init__(self, port: int, specs: Mapping[str, Any], shot_rate: float = 1000.0) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.specs = specs
        self.shot_rate = shot_rate
        self.word: object = "UP"
        self.jobs: dict[int, dict[str, Any]] = {}
        self.executions: list[dict[str, Any]] = []
        self.error: str | None = None
        """If set, jobs end in ERROR with it."""
        self.refusal: tuple[int, str] | None = None
        """If set, a POST is answered with it and has no effect."""
        self.lose_replies = 0
        """So many POSTs are taken, and the connection is closed instead of a reply."""
        self.hold_replies: threading.Event | None = None
        """If set, the reply to a POST waits for it, after the effect."""
        self._next_uid = 1
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        device = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                reply = device._answer(self.command, self.path, body)
                if reply is None:
                    self.close_connection = True
                    return
                status, data, message = reply
                text = json.dumps({"code": status, "message": message, "status": "…", "data": data}).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = answer

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            connections: set[socket.socket]

            def process_request(self, request: Any, client_address: Any) -> None:
                self.connections.add(request)
                super().process_request(request, client_address)

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Say nothing of clients that were killed."""

        self._server = Server(("127.0.0.1", self.port), Handler)
        self._server.connections = set()
        threading.Thread(target=partial(self._server.serve_forever, 0.01), daemon=True).start()

    def stop(self) -> None:
        """Answer no more: connections are closed, new ones refused."""
        if self._server is None:
            return
        if self.hold_replies is not None:
            self.hold_replies.set()
        server, self._server = self._server, None
        server.shutdown()
        server.server_close()
        for connection in server.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        """Forget all jobs and count anew, as the restart of the QPU's server does."""
        with self._lock:
            self._settle()
            for job in self.jobs.values():
                if job["status"] == "RUNNING":
                    job["execution"]["status"] = "CANCELED"
            self.jobs.clear()
            self._next_uid = 1

    def shots(self) -> list[int]:
        """Return the shots of each execution, in order: unique shots tell which job ran."""
        with self._lock:
            return [execution["shots"] for execution in self.executions]

    @property
    def busy(self) -> bool:
        with self._lock:
            self._settle()
            return any(job["status"] == "RUNNING" for job in self.jobs.values())

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, Any, str] | None:
        parts = path.removeprefix("/api/v1/").split("/")
        match method, parts:
            case "GET", ["system", "operational"]:
                return 200, {"operational_status": self.word}, "OK."
            case "GET", ["system"]:
                return 200, {"specs": self.specs}, "OK."
            case "POST", ["jobs"]:
                return self._post(json.loads(body))
        with self._lock:
            self._settle()
            job = self.jobs.get(int(parts[1]))
            if job is None:
                return 400, None, f"no job {parts[1]}"
            if method == "PUT" and parts[2:] == ["cancel"]:
                if job["status"] != "RUNNING":
                    return 400, None, "3003: cannot be cancelled"
                self._end(job, "CANCELED")
            return 200, {key: job[key] for key in job if key != "execution"}, "OK."

    def _post(self, order: dict[str, Any]) -> tuple[int, Any, str] | None:
        if self.refusal is not None:
            return self.refusal[0], None, self.refusal[1]
        with self._lock:
            self._settle()
            for other in self.jobs.values():
                if other["status"] == "RUNNING":
                    self._end(other, "CANCELED")
            now, shots = time.time(), int(order["nb_run"])
            execution = {"shots": shots, "context": order["context"], "status": "RUNNING", "started": now}
            job = {
                "uid": self._next_uid,
                "status": "RUNNING",
                "nb_run": shots,
                "result": None,
                "context": order["context"],
                "start_datetime": _local(now),
                "end_datetime": None,
                "ends": now + shots / self.shot_rate,
                "execution": execution,
            }
            self.jobs[self._next_uid] = job
            self.executions.append(execution)
            self._next_uid += 1
            lost = self.lose_replies > 0
            self.lose_replies -= lost
            reply = {key: job[key] for key in job if key != "execution"}
        if self.hold_replies is not None:
            self.hold_replies.wait(PATIENCE)
        return None if lost else (200, reply, "OK.")

    def _settle(self) -> None:
        now = time.time()
        for job in self.jobs.values():
            if job["status"] == "RUNNING" and now >= job["ends"]:
                self._end(job, "DONE" if self.error is None else "ERROR")

    def _end(self, job: dict[str, Any], status: str) -> None:
        job["status"] = job["execution"]["status"] = status
        job["end_datetime"] = _local(min(time.time(), job["ends"]))
        if status == "DONE":
            job["result"] = json.dumps({"counter": {"0": job["nb_run"]}})
        elif status == "ERROR":
            job["error"] = self.error


def _local(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).astimezone().replace(tzinfo=None).isoformat()


RunDaemon = Callable[..., contextlib.AbstractContextManager[Daemon]]
RunEmulator = Callable[..., contextlib.AbstractContextManager[Emulator]]
RunDevice = Callable[..., contextlib.AbstractContextManager[TimedDevice]]


@pytest.fixture(scope="session")
def run_daemon(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> RunDaemon:
    """Return a context manager that runs a daemon: ``run_daemon(devices=[…], api={…}, environment={…})``.

    Without ``api`` it takes the local token. At the end its log must hold no traceback and no credential.
    """

    @contextmanager
    def run(
        *,
        start: bool = True,
        online: bool = True,
        environment: Mapping[str, str] | None = None,
        **sections: Any,
    ) -> Iterator[Daemon]:
        directory = tmp_path_factory.mktemp("daemon")
        daemon = Daemon(directory, free_port(), free_port(), sections, **(environment or {}))
        try:
            if start:
                daemon.start(online=online)
            yield daemon
        finally:
            daemon.cleanup()
        if daemon.log_file.exists():
            failures = [line[:2000] for line in daemon.log.splitlines() if "Traceback" in line]
            assert not failures, failures[0]
            for credential in ("qws_", "qwt_", "qwl_", "qww_", "MUNGE:"):
                assert credential not in daemon.log

    return run


@pytest.fixture(scope="session")
def run_emulator(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> RunEmulator:
    """Return a context manager that runs an emulated QPU: ``run_emulator(shot_rate=1000)``."""

    @contextmanager
    def run(**settings: Any) -> Iterator[Emulator]:
        emulator = Emulator(tmp_path_factory.mktemp("emulator"), free_port(), **settings)
        try:
            emulator.start()
            yield emulator
        finally:
            emulator.cleanup()

    return run


@pytest.fixture(scope="session")
def run_device(free_port: Callable[[], int]) -> RunDevice:
    """Return a context manager that runs a timed device: ``run_device(shot_rate=1000)``."""
    from qwatch.emulator.specs import device_specs

    @contextmanager
    def run(**settings: Any) -> Iterator[TimedDevice]:
        device = TimedDevice(free_port(), json.loads(device_specs("EMU")), **settings)
        device.start()
        try:
            yield device
        finally:
            device.stop()

    return run


@pytest.fixture(scope="session")
def device_at() -> Callable[..., dict[str, Any]]:
    """Return a function (url, name) that gives the configuration of a device."""

    def settings(url: str, name: str = "EMU", **more: Any) -> dict[str, Any]:
        return {"name": name, "url": url, "simulator": True, "status_interval": 0.2} | more

    return settings


@pytest.fixture(scope="session")
def environment_in() -> Callable[..., dict[str, str]]:
    """Return a function (directory, **variables) that gives an environment which names no QPU."""
    return clean_environment


WriteCommand = Callable[[str, str], Path]


@pytest.fixture
def write_command(tmp_path: Path) -> WriteCommand:
    """Return a function (name, script) that writes an executable shell script and returns its path."""

    def write(name: str, script: str) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def new_database(postgresql: str) -> Callable[[], str]:
    """Return a function that makes an empty database and returns its URL."""

    def make() -> str:
        name = f"test_{time.monotonic_ns()}"
        administrator = create_engine(f"{postgresql}/postgres", isolation_level="AUTOCOMMIT")
        with administrator.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        administrator.dispose()
        return f"{postgresql}/{name}"

    return make


@pytest.fixture(scope="session")
def postgresql(require_program: Any, free_port: Callable[[], int]) -> Iterator[str]:
    """A PostgreSQL server on loopback with a data folder of its own; the URL of its administrator."""
    require_program("psql", package="postgresql")
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    programs = binaries[-1] if binaries else Path(require_program("initdb", package="postgresql")).parent
    # Not in pytest's folder, which only this user may enter.
    folder = Path(tempfile.mkdtemp(prefix="qwatch-postgresql-"))
    user: dict[str, Any] = {}
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
        user = {"user": "postgres", "group": "postgres", "extra_groups": [], "cwd": folder}
    data, port = folder / "data", free_port()
    command = [programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8"]
    subprocess.run(command, check=True, capture_output=True, timeout=120, **user)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [
                *(programs / "postgres", "-D", data, "-p", str(port), "-F"),
                *("-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"),
            ],
            stdout=log,
            stderr=log,
            **user,
        )
    try:
        ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        for _ in range(600):
            if subprocess.run(ready, check=False, timeout=30).returncode == 0:
                break
            assert server.poll() is None, (folder / "log").read_text()
        yield f"postgresql+psycopg://postgres@127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGINT)  # does not wait for clients
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(30)
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
