"""The faults that benchmarks produce for real, on a stack with an emulated QPU, and how each is mended."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import stack
import workload

from qwatch.alerts.configuration import Configuration

_SHOTS = 20


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: its alert, the seconds that the rule waits in the test profile, how it is made and mended."""

    name: str
    alert: str
    asked: float
    make: Callable[[], object]
    mend: Callable[[], object]


class Machine:
    """The stack as its faults need it: the emulated QPU's faults, administration, a feed, a file, a Loki."""

    def __init__(self, running: stack.Stack, loki: FakeLoki) -> None:
        self.running = running
        self.loki = loki
        self.feed = running.directory / "feed.json"
        self.pressure = running.directory / "pressure.prom"
        self._ended = threading.Event()
        self._pressure_is_told = threading.Event()
        self._pressure_is_told.set()
        self.repeat(self._tell_pressure, 0.5)
        self._repeated: threading.Event | None = None

    def close(self) -> None:
        """End what is repeated."""
        self._ended.set()
        self.stop_repeating()

    def repeat(self, act: Callable[[], None], seconds: float, ended: threading.Event | None = None) -> None:
        """Do something again and again, whatever comes of it."""
        ended = ended or self._ended

        def work() -> None:
            while not ended.wait(seconds):
                with contextlib.suppress(httpx.HTTPError, sqlite3.Error):
                    act()

        threading.Thread(target=work, daemon=True).start()

    def repeating(self, act: Callable[[], None], seconds: float) -> Callable[[], None]:
        """Return what begins to repeat ``act``, until :meth:`stop_repeating`."""

        def begin() -> None:
            self._repeated = threading.Event()
            self.repeat(act, seconds, self._repeated)

        return begin

    def stop_repeating(self) -> None:
        """End what :meth:`repeating` began."""
        if self._repeated is not None:
            self._repeated.set()
            self._repeated = None

    def _tell_pressure(self) -> None:
        if self._pressure_is_told.is_set():
            self.pressure.write_text("# TYPE site_pressure_pascals gauge\nsite_pressure_pascals 1e-9\n")

    def tell_pressure(self, told: bool) -> None:
        """Have the site's file written each half second, or no more."""
        (self._pressure_is_told.set if told else self._pressure_is_told.clear)()

    def emulate(self, **faults: object) -> None:
        """Set the faults of the emulated QPU; none is healthy."""
        url = f"http://127.0.0.1:{self.running.device_port}/emulator/faults"
        httpx.put(url, json=faults, timeout=10).raise_for_status()

    def call(self, method: str, path: str, **options: object) -> httpx.Response:
        """Ask the daemon."""
        headers = {**self.running.credential(), **options.pop("headers", {})}  # type: ignore[dict-item]
        url = f"{self.running.api_url}{path}"
        reply = httpx.request(method, url, headers=headers, timeout=20, **options)  # type: ignore[arg-type]
        reply.raise_for_status()
        return reply

    def administer(self, path: str, **body: object) -> None:
        """Administer the device."""
        self.call("POST", f"/admin/devices/{workload.DEVICE}/{path}", json=body)

    def calibrate(self, result: str) -> None:
        """Begin a calibration and end it."""
        self.administer("calibration/begin", procedure="register")
        self.administer("calibration/end", result=result)

    def measured(self, deviation: float) -> None:
        """Tell a measurement by the device's feed."""
        sample = {
            "metric": "qpu_rabi_frequency_deviation_ratio",
            "labels": {"channel": "rydberg_global"},
            "value": deviation,
            "uncertainty": 0.003,
        }
        content = {"version": 1, "device": workload.DEVICE, "at": time.time(), "samples": [sample]}
        new = self.feed.with_suffix(".new")
        new.write_text(json.dumps(content), encoding="utf-8")
        new.rename(self.feed)

    def submit(self) -> int:
        """Submit a job in a session of its own, which ends with it."""
        session = self.running.acquire()
        number = self.running.submit(session, _SHOTS)
        self.call("DELETE", f"/sessions/{session}")
        return number

    def summary(self) -> None:
        """Tell of a program whose calls failed."""
        session = self.running.acquire()
        calls = [{"operation": "task_start", "error_type": "QrmiError", "count": 5}]
        body = {"resource_type": "pasqal-local", "calls": calls}
        self.call("POST", "/sessions/summary", json=body, headers={"x-warden-session": session})
        self.call("DELETE", f"/sessions/{session}")

    def lock_store(self) -> None:
        """Keep the write lock of the store for a while."""
        with contextlib.closing(
            sqlite3.connect(self.running.store, isolation_level=None, timeout=5)
        ) as connection:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(1.0)
            connection.execute("ROLLBACK")


class FakeLoki:
    """Answers pushes with a status that can be changed."""

    def __init__(self) -> None:
        self.status = 204
        loki = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(loki.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def faults(machine: Machine) -> list[Fault]:
    """Return the faults that one daemon with one device can have."""
    scaled = Configuration().scaled()
    device, daemon = machine.running.device.pid, machine.running.daemon.pid
    held: list[str] = []
    jobs: list[int] = []
    words = itertools.cycle(("BUSY", "UP"))

    def signalled(pid: int, number: signal.Signals) -> Callable[[], None]:
        return lambda: os.kill(pid, number)

    def stuck() -> None:
        machine.emulate(slowdown=10_000)
        jobs.append(machine.submit())

    def unstuck() -> None:
        machine.emulate()
        machine.call("POST", f"/jobs/{jobs[-1]}/cancel")

    def fail() -> None:
        machine.emulate(error_ratio=1.0)
        machine.repeating(lambda: jobs.append(machine.submit()), 0.7)()

    def heal() -> None:
        machine.stop_repeating()
        machine.emulate()

    def refuse_logs() -> None:
        machine.loki.status = 400
        machine.repeating(lambda: jobs.append(machine.submit()), 1.0)()

    def take_logs() -> None:
        machine.loki.status = 204
        machine.stop_repeating()

    def overrun() -> None:
        end = datetime.now(UTC) + timedelta(seconds=0.1)
        machine.administer("maintenance/begin", until=end.isoformat(), message="a benchmark")

    def fail_calibration() -> None:
        machine.calibrate("failure")
        machine.calibrate("failure")

    hang, go_on = (signalled(device, number) for number in (signal.SIGSTOP, signal.SIGCONT))
    stall, resume = (signalled(daemon, number) for number in (signal.SIGSTOP, signal.SIGCONT))
    return [
        Fault(
            "device says that it is not up",
            "QPUDown",
            scaled.down_for.seconds,
            lambda: machine.emulate(operational_status="ERROR"),
            machine.emulate,
        ),
        Fault("device hangs (time-out 10 s)", "QPUDown", scaled.down_for.seconds, hang, go_on),
        Fault("device hangs", "QwatchSchedulerStalled", scaled.loop_age.seconds, hang, go_on),
        Fault("daemon hangs", "QPUTelemetryAbsent", scaled.absence_for.seconds, stall, resume),
        Fault(
            "device comes and goes each second",
            "QPUFlapping",
            0.0,
            machine.repeating(lambda: machine.emulate(operational_status=next(words)), 1.0),
            heal,
        ),
        Fault(
            "device left closed",
            "QPUPausedTooLong",
            scaled.paused_for.seconds,
            lambda: machine.administer("drain", message="a benchmark"),
            lambda: machine.administer("resume"),
        ),
        Fault(
            "maintenance not ended",
            "QPUMaintenanceOverrun",
            scaled.maintenance_overrun.seconds,
            overrun,
            lambda: machine.administer("maintenance/end"),
        ),
        Fault("job does not end", "QPUJobStuck", scaled.job_run.seconds, stuck, unstuck),
        Fault("jobs end in error", "QPUJobFailureRateHigh", 0.0, fail, heal),
        Fault(
            "session held for nothing",
            "QPUSessionIdleBlocking",
            scaled.session_idle_for.seconds,
            lambda: held.append(machine.running.acquire()),
            lambda: machine.call("DELETE", f"/sessions/{held.pop()}"),
        ),
        Fault(
            "Rabi frequency off",
            "QPURabiFrequencyDrift",
            scaled.quality_for.seconds,
            lambda: machine.measured(-0.08),
            lambda: machine.measured(0.0),
        ),
        Fault(
            "two calibrations fail",
            "QPUCalibrationFailing",
            0.0,
            fail_calibration,
            lambda: machine.calibrate("success"),
        ),
        Fault(
            "client calls fail",
            "QRMIErrorRateHigh",
            0.0,
            machine.repeating(machine.summary, 1.0),
            machine.stop_repeating,
        ),
        Fault(
            "site's file not written (told for 3 s)",
            "QwatchCollectorFailing",
            scaled.collector_for.seconds,
            lambda: machine.tell_pressure(False),
            lambda: machine.tell_pressure(True),
        ),
        Fault(
            "Loki refuses",
            "QwatchTelemetryDropped",
            scaled.dropped_for.seconds,
            refuse_logs,
            take_logs,
        ),
        Fault(
            "store locked for a second at a time",
            "QwatchStoreSlow",
            scaled.store_for.seconds,
            machine.repeating(machine.lock_store, 0.2),
            machine.stop_repeating,
        ),
    ]


def settings(directory: Path, device_port: int) -> dict[str, str]:
    """Return what the daemon is configured with besides the stack's own file."""
    device = {
        "name": workload.DEVICE,
        "url": f"http://127.0.0.1:{device_port}",
        "simulator": True,
        "status_interval": 0.2,
        "quality": {"feed": {"url": str(directory / "feed.json"), "interval": 0.5}},
        "calibration_intervals": {"register": 86_400},
    }
    source = {
        "name": "pressure",
        "file": str(directory / "pressure.prom"),
        "interval": 1,
        "stale_after": 3,
    }
    return {"QWATCH_DEVICES": json.dumps([device]), "QWATCH_EXTERNAL": json.dumps([source])}
