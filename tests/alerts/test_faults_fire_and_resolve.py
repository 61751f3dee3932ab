"""Faults produced for real fire their alerts, which reach a real Alertmanager, and end when they are mended.

With the test profile, in which every span of time is a sixtieth: a job is stuck after a minute. The faults
are made at the same time, each on a device of its own, so that the whole takes little longer than the slowest.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

DEVICES = (
    "DOWN",
    "STUCK",
    "STARVING",
    "PAUSED",
    "FLAPPING",
    "FAILING",
    "SKEWED",
    "HANGING",
    "OVERRUN",
    "UNCALIBRATED",
    "DRIFTING",
    "BLOCKED",
)
WHERE = {
    "QPUDown": {"qpu_id": "DOWN"},
    "QPUPausedTooLong": {"qpu_id": "PAUSED"},
    "QPUFlapping": {"qpu_id": "FLAPPING"},
    "QPUClockSkew": {"qpu_id": "SKEWED"},
    "QPUInMaintenance": {"qpu_id": "OVERRUN"},
    "QPUMaintenanceOverrun": {"qpu_id": "OVERRUN"},
    "QPUCalibrationFailing": {"qpu_id": "UNCALIBRATED", "procedure": "register"},
    "QPUCalibrationStale": {"qpu_id": "UNCALIBRATED", "procedure": "readout"},
    "QPURabiFrequencyDrift": {"qpu_id": "DRIFTING"},
    "QPUReadoutErrorHigh": {"qpu_id": "DRIFTING", "kind": "false_negative"},
    "QPUBenchmarkFidelityLow": {"qpu_id": "DRIFTING"},
    "QPUSessionIdleBlocking": {"qpu_id": "BLOCKED"},
    "QPUIdleWithBacklog": {"qpu_id": "STARVING"},
    "QPUJobStuck": {"qpu_id": "STUCK"},
    "QPUJobFailureRateHigh": {"qpu_id": "FAILING"},
    "QRMIErrorRateHigh": {"resource_type": "pasqal-local"},
    "QwatchSchedulerStalled": {"qpu_id": "HANGING"},
    "QwatchCollectorFailing": {"collector": "external:cryostat"},
    "QwatchTelemetryDropped": {"signal": "logs"},
    "QwatchAPIFailing": {},
    "QwatchStoreSlow": {"operation": "write"},
    "QPUTelemetryAbsent": {"qpu_id": "LOST"},
}
pytestmark = pytest.mark.timeout(400)


@dataclass
class Stand:
    """Daemons with devices that can be broken, and the alerting that watches them."""

    daemon: Any
    devices: dict[str, Any]
    guarded: Any
    guarded_munge: Munged
    lost: Any
    alerting: Any
    loki: FakeLoki
    cryostat: Cryostat
    sequence: str
    token: str
    feed: Path
    ended: threading.Event = field(default_factory=threading.Event)
    blocking: str = ""
    held: list[socket.socket] = field(default_factory=list)
    noise: list[threading.Thread] = field(default_factory=list)

    def repeat(self, act: Callable[[], None], seconds: float) -> None:
        """Do something again and again until the faults are mended."""

        def work() -> None:
            while not self.ended.wait(seconds):
                with contextlib.suppress(httpx.HTTPError):
                    act()

        self.noise.append(threading.Thread(target=work, daemon=True))
        self.noise[-1].start()

    def submit(self, device: str, shots: int) -> int:
        base = f"/devices/{device}"
        return int(self.daemon.submit(self.daemon.acquire(base), self.sequence, shots, base))

    def administer(self, path: str, **body: object) -> None:
        self.daemon.ok("POST", f"/admin/devices/{path}", json=body)

    def calibrate(self, procedure: str, result: str) -> None:
        self.administer("UNCALIBRATED/calibration/begin", procedure=procedure)
        self.administer("UNCALIBRATED/calibration/end", result=result)

    def measure(self, deviation: float, error: float, fidelity: float) -> None:
        """Tell a measurement by the device's own feed."""
        samples = [
            ("qpu_rabi_frequency_deviation_ratio", {"channel": "rydberg_global"}, deviation, 0.003),
            ("qpu_readout_error_ratio", {"kind": "false_negative"}, error, 0.005),
            ("qpu_benchmark_fidelity_ratio", {"benchmark": "blockade"}, fidelity, 0.005),
        ]
        content = {
            "version": 1,
            "device": "DRIFTING",
            "at": time.time(),
            "samples": [
                {"metric": metric, "labels": labels, "value": value, "uncertainty": uncertainty}
                for metric, labels, value, uncertainty in samples
            ],
        }
        new = self.feed.with_suffix(".new")
        new.write_text(json.dumps(content))
        new.rename(self.feed)

    def summary(self, errors: int) -> None:
        calls = [
            {"operation": "task_status", "error_type": "", "count": 20},
            {"operation": "task_start", "error_type": "QrmiError", "count": errors},
        ]
        self.daemon.ok(
            "POST",
            "/sessions/summary",
            json={"resource_type": "pasqal-local", "calls": calls},
            headers={"x-warden-session": self.token},
        )


class Munged:
    """A munged of the test's own, with its key and socket in a folder."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.socket = folder / "socket"
        (folder / "key").write_bytes(b"k" * 1024)
        (folder / "key").chmod(0o600)
        self._command = [program, "--foreground", "--force", f"--socket={self.socket}"]
        self._command += [f"--key-file={folder / 'key'}", f"--pid-file={folder / 'pid'}"]
        self._command += [f"--log-file={folder / 'log'}", f"--seed-file={folder / 'seed'}"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)


class Cryostat:
    """A file of the site's own that a control system writes every half second, until it stops."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.writes = threading.Event()
        self.writes.set()
        self._ended = threading.Event()
        self._write()
        threading.Thread(target=self._work, daemon=True).start()

    def _write(self) -> None:
        self.file.write_text("# TYPE site_pressure_pascals gauge\nsite_pressure_pascals 1e-9\n")

    def _work(self) -> None:
        while not self._ended.wait(0.5):
            if self.writes.is_set():
                self._write()

    def close(self) -> None:
        self._ended.set()


class LateReplies(threading.Event):
    """Has a device answer a POST after eight seconds: nearly all of its time goes by without an execution."""

    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(8.0)


class FakeLoki:
    """Answers pushes with a status that can be changed."""

    def __init__(self) -> None:
        self.status = 204
        loki = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(loki.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture(scope="module")
def stand(
    run_daemon: Any,
    run_device: Any,
    device_at: Any,
    run_alerting: Any,
    require_program: Any,
    sequence_text: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stand]:
    """Healthy parts; nothing but Watchdog fires."""
    munge = Munged(require_program("munged", "munge"), tmp_path_factory.mktemp("munge"))
    munge.start()
    loki = FakeLoki()
    cryostat = Cryostat(tmp_path_factory.mktemp("cryostat") / "pressure.prom")
    source = {"name": "cryostat", "file": str(cryostat.file), "interval": 1, "stale_after": 3}
    with contextlib.ExitStack() as exits:
        exits.callback(munge.stop)
        exits.callback(cryostat.close)
        exits.callback(loki.server.server_close)
        exits.callback(loki.server.shutdown)
        enter = exits.enter_context
        devices = {name: enter(run_device(shot_rate=1.0 if name == "STUCK" else 1000.0)) for name in DEVICES}
        given = [device_at(device.url, name) for name, device in devices.items()]
        # Its time stamps are this host's, and its configuration says that they are Tokyo's.
        next(item for item in given if item["name"] == "SKEWED")["timezone"] = "Asia/Tokyo"
        given[0]["default"] = True
        feed = tmp_path_factory.mktemp("feed") / "quality.json"
        next(item for item in given if item["name"] == "DRIFTING")["quality"] = {
            "feed": {"url": str(feed), "interval": 0.5},
            "readout_error_spec": {"false_negative": 0.08},
        }
        next(item for item in given if item["name"] == "UNCALIBRATED")["calibration_intervals"] = {
            "readout": 5,
            "register": 1e6,
        }
        daemon = enter(run_daemon(devices=given, telemetry={"loki_url": loki.url}, external=[source]))
        other = enter(run_device())
        guarded = enter(
            run_daemon(
                devices=[device_at(other.url, "GUARDED")],
                api={"auth": "munge", "munge_socket": str(munge.socket)},
                online=False,
            )
        )
        lost = enter(run_daemon(devices=[device_at(other.url, "LOST")]))
        alerting = enter(run_alerting(daemon.metrics_url, lost.metrics_url, patiently=[guarded.metrics_url]))
        token = daemon.acquire()
        made = Stand(
            daemon, devices, guarded, munge, lost, alerting, loki, cryostat, sequence_text, token, feed
        )
        exits.callback(made.ended.set)
        yield made


@pytest.fixture(scope="module")
def healthy(stand: Stand, wait_until: Any) -> Stand:
    """The stand when Prometheus has seen enough of it for every rule."""
    stand.summary(1)
    stand.measure(deviation=0.01, error=0.02, fidelity=0.97)
    wait_until(lambda: stand.alerting.firing("Watchdog"))
    wait_until(lambda: len(stand.alerting.query("qpu_up == 1")) == len(DEVICES) + 2, "some device is not up")
    wait_until(lambda: not stand.alerting.firing("QPUTelemetryAbsent"))
    return stand


@pytest.fixture(scope="module")
def broken(healthy: Stand) -> Stand:
    """Every fault at once."""
    stand = healthy
    devices = stand.devices
    stand.submit("STUCK", 2000)
    devices["DOWN"].word = "DOWN"
    devices["STARVING"].hold_replies = LateReplies()
    for shots in range(100, 105):
        stand.submit("STARVING", shots)
    stand.repeat(lambda: stand.submit("STARVING", 100), 6.0)
    _open(stand, "PAUSED", False)
    devices["FAILING"].error = "the laser is unlocked"
    stand.repeat(lambda: stand.submit("FAILING", 50), 2.0)
    stand.submit("SKEWED", 100)
    stand.repeat(lambda: stand.summary(10), 4.0)
    soon = datetime.now(UTC) + timedelta(seconds=1)
    stand.administer("OVERRUN/maintenance/begin", until=soon.isoformat(), message="a test")
    stand.calibrate("readout", "success")
    for _ in range(2):
        stand.calibrate("register", "failure")
    stand.measure(deviation=-0.08, error=0.3, fidelity=0.7)
    stand.blocking = str(stand.daemon.acquire("/devices/BLOCKED"))
    stand.loki.status = 400
    stand.cryostat.writes.clear()
    _hang(stand, "HANGING")

    def flap() -> None:
        devices["FLAPPING"].word = "BUSY" if devices["FLAPPING"].word == "UP" else "UP"

    stand.repeat(flap, 2.0)
    stand.repeat(lambda: _slow_writes(stand.guarded.store), 0.3)
    stand.guarded_munge.stop()
    stand.repeat(lambda: _ask_with_munge(stand.guarded.url), 0.2)
    stand.lost.kill()
    return stand


@pytest.fixture(scope="module")
def mended(broken: Stand) -> Stand:
    """Every fault is mended."""
    stand = broken
    devices = stand.devices
    stand.ended.set()
    for thread in stand.noise:
        thread.join(30)
    devices["DOWN"].word = devices["FLAPPING"].word = "UP"
    devices["STARVING"].hold_replies.set()
    devices["STUCK"].shot_rate = 1000.0
    devices["STUCK"].forget()
    devices["FAILING"].error = None
    _open(stand, "PAUSED", True)
    stand.administer("OVERRUN/maintenance/end")
    stand.calibrate("register", "success")
    stand.measure(deviation=0.005, error=0.03, fidelity=0.96)
    stand.daemon.ok("DELETE", f"/sessions/{stand.blocking}")
    stand.loki.status = 204
    stand.cryostat.writes.set()
    for held in stand.held:
        held.close()
    devices["HANGING"].start()
    stand.guarded_munge.start()
    stand.lost.start()
    # What was configured wrongly takes a restart.
    stand.daemon.stop()
    del next(item for item in stand.daemon.configuration["devices"] if item["name"] == "UNCALIBRATED")[
        "calibration_intervals"
    ]
    del next(item for item in stand.daemon.configuration["devices"] if item["name"] == "SKEWED")["timezone"]
    stand.daemon.start(online=False)
    return stand


def _open(stand: Stand, device: str, accessible: bool) -> None:
    body = {"is_accessible": accessible, "message": "a test"}
    stand.daemon.ok("POST", f"/devices/{device}/accessible", json=body)


def _hang(stand: Stand, device: str) -> None:
    """Have the device take connections and never answer."""
    stand.devices[device].stop()
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", stand.devices[device].port))
    listening.listen(64)
    stand.held.append(listening)


def _slow_writes(store: Path) -> None:
    """Keep the database's write lock for a while, as a backup does that is not made for it."""
    with (
        contextlib.closing(sqlite3.connect(store, isolation_level=None, timeout=5)) as connection,
        contextlib.suppress(sqlite3.OperationalError),
    ):
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(1.5)
        connection.execute("ROLLBACK")


def _ask_with_munge(url: str) -> None:
    httpx.get(f"{url}/jobs", headers={"x-munge-cred": "MUNGE:AwQDAAA=:"}, timeout=10)


def test_nothing_but_watchdog_fires_while_all_is_well(healthy: Stand) -> None:
    assert healthy.alerting.all_firing() == {"Watchdog"}


@pytest.mark.parametrize("name", WHERE)
def test_fault_fires_its_alert_which_reaches_alertmanager(name: str, broken: Stand, wait_until: Any) -> None:
    wait_until(
        lambda: broken.alerting.firing(name, **WHERE[name]),
        f"{name} does not fire: {broken.alerting.all_firing()}",
        120,
    )
    told = wait_until(lambda: broken.alerting.arrived(name, **WHERE[name]), f"{name} does not arrive")
    assert told["annotations"]["runbook_url"].endswith(f"/{name}.md")
    assert "error expanding" not in told["annotations"]["description"]


def test_a_page_of_a_fault_reaches_the_chat(broken: Stand, wait_until: Any) -> None:
    def told() -> bool:
        return "QPUDown" in json.dumps(broken.alerting.told.posts.get("/chat", []))

    wait_until(told, "the chat was not told that a device is down")


@pytest.mark.parametrize("name", WHERE)
def test_alert_ends_when_its_fault_is_mended(name: str, mended: Stand, wait_until: Any) -> None:
    alerting = mended.alerting
    wait_until(lambda: not alerting.firing(name, **WHERE[name]), f"{name} still fires", 120)
    wait_until(lambda: alerting.arrived(name, **WHERE[name]) is None, f"Alertmanager still has {name}", 120)
