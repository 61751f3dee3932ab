"""How long it takes from a fault to the firing alert, to Alertmanager, and from the repair to the end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import report
import stack
import workload
from report import Table

from qwatch.alerts import generate
from qwatch.alerts.alertmanager import alertmanager
from qwatch.alerts.configuration import Configuration

METHOD = """\
A real `qwatch serve` with a timed device, Prometheus ({prometheus} a scrape) and Alertmanager, with the test
profile: every span of time in the rules is a sixtieth. Each fault is produced, its alert waited for, then it is
mended and the end waited for. "Asked for" is what the rule waits before it fires, in the test profile; the rest
is scrape, evaluation, and what the daemon needs to see the fault. In production the rule waits sixty times
"asked for", and the rest grows with the scrape interval only (15 s or 30 s instead of {prometheus})."""
SCRAPE = "500ms"
_PATIENCE = 180.0
_LONG_JOB = 50


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: its alert, the seconds that the rule waits in the test profile, how it is made and mended."""

    name: str
    alert: str
    asked: float
    make: Callable[[], None]
    mend: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Alerting:
    """A Prometheus and an Alertmanager that run."""

    prometheus: str
    alertmanager: str

    def firing(self, alert: str) -> bool:
        """Return whether Prometheus fires ``alert``."""
        query = f'ALERTS{{alertname="{alert}",alertstate="firing"}}'
        reply = httpx.get(f"{self.prometheus}/api/v1/query", params={"query": query}, timeout=10)
        return bool(reply.json()["data"]["result"])

    def arrived(self, alert: str) -> bool:
        """Return whether Alertmanager has ``alert``."""
        parameters = {"filter": f"alertname={alert}"}
        return bool(httpx.get(f"{self.alertmanager}/api/v2/alerts", params=parameters, timeout=10).json())


def program(name: str, package: str) -> str:
    """Return the path of a program; SystemExit says which package has it."""
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is not installed: apt-get install {package}")
    return found


@contextmanager
def alerting(directory: Path, target: str) -> Iterator[Alerting]:
    """Run Prometheus with the test profile, and Alertmanager."""
    manager, server = (f"127.0.0.1:{stack.free_port()}" for _ in range(2))
    configuration = Configuration().scaled()
    (directory / "alertmanager.yml").write_text(generate.written(alertmanager(configuration)), encoding="utf-8")
    content = {
        "global": {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE},
        "rule_files": [str(generate.TEST_PROFILE)],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [manager]}]}]},
        "scrape_configs": [{"job_name": "qwatch", "static_configs": [{"targets": [target]}]}],
    }
    (directory / "prometheus.yml").write_text(generate.written(content), encoding="utf-8")
    (directory / "templates").mkdir(exist_ok=True)
    for template in (generate.ALERTMANAGER.parent / "templates").glob("*.tmpl"):
        shutil.copy(template, directory / "templates")
    commands = {
        "alertmanager": [
            program("prometheus-alertmanager", "prometheus-alertmanager"),
            f"--config.file={directory / 'alertmanager.yml'}",
            f"--storage.path={directory / 'alertmanager'}",
            f"--web.listen-address={manager}",
            "--cluster.listen-address=",
        ],
        "prometheus": [
            program("prometheus", "prometheus"),
            f"--config.file={directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address={server}",
            "--rules.alert.resend-delay=1s",
        ],
    }
    with contextlib.ExitStack() as exits:
        for name, command in commands.items():
            log = directory / f"{name}.log"
            started = exits.enter_context(stack.process(command, log))
            address = manager if name == "alertmanager" else server
            stack.wait_for(f"http://{address}/-/ready", started, log)
        yield Alerting(f"http://{server}", f"http://{manager}")


def until(ask: Callable[[], bool], what: str) -> float:
    """Wait until ``ask`` is true; return the seconds that it took. SystemExit if it never is."""
    begun = time.monotonic()
    while not ask():
        if time.monotonic() - begun > _PATIENCE:
            raise SystemExit(f"{what}: not within {_PATIENCE:.0f} s")
        time.sleep(0.05)
    return time.monotonic() - begun


def faults(running: stack.Stack) -> list[Fault]:
    """Return the faults that one daemon with one device can have."""
    scaled = Configuration().scaled()
    device, daemon = running.device.pid, running.daemon.pid
    job: list[int] = []

    def opened(accessible: bool) -> None:
        body = {"is_accessible": accessible, "message": "a benchmark"}
        reply = httpx.post(f"{running.api_url}/accessible", json=body, headers=running.credential(), timeout=10)
        reply.raise_for_status()

    def submit() -> None:
        job.append(running.submit(running.acquire(), _LONG_JOB))

    def cancel() -> None:
        address = f"{running.api_url}/jobs/{job[-1]}/cancel"
        httpx.post(address, headers=running.credential(), timeout=10).raise_for_status()

    def hang(pid: int) -> Callable[[], None]:
        return lambda: os.kill(pid, signal.SIGSTOP)

    def go_on(pid: int) -> Callable[[], None]:
        return lambda: os.kill(pid, signal.SIGCONT)

    return [
        Fault(
            "device hangs",
            "QwatchSchedulerStalled",
            scaled.loop_age.seconds,
            hang(device),
            go_on(device),
        ),
        Fault("device hangs (10 s time-out)", "QPUDown", scaled.down_for.seconds, hang(device), go_on(device)),
        Fault("daemon hangs", "QPUTelemetryAbsent", scaled.absence_for.seconds, hang(daemon), go_on(daemon)),
        Fault(
            "device left closed",
            "QPUPausedTooLong",
            scaled.paused_for.seconds,
            lambda: opened(False),
            lambda: opened(True),
        ),
        Fault("job does not end", "QPUJobStuck", scaled.job_run.seconds, submit, cancel),
    ]


def measure(table: Table, fault: Fault, watched: Alerting) -> None:
    """Make a fault, wait, mend it, wait, and append the row."""
    until(lambda: not watched.firing(fault.alert), f"{fault.alert} fires before its fault")
    fault.make()
    begun = time.monotonic()
    try:
        firing = until(lambda: watched.firing(fault.alert), f"{fault.alert} after: {fault.name}")
        until(lambda: watched.arrived(fault.alert), f"{fault.alert} in Alertmanager")
        arrived = time.monotonic() - begun
    finally:
        fault.mend()
    begun = time.monotonic()
    ended = until(lambda: not watched.firing(fault.alert), f"the end of {fault.alert}")
    until(lambda: not watched.arrived(fault.alert), f"the end of {fault.alert} in Alertmanager")
    told = time.monotonic() - begun
    table.add(fault.name, fault.alert, fault.asked, firing, firing - fault.asked, arrived, ended, told)
    print(f"{fault.name}: done", file=sys.stderr)


def main() -> None:
    """Measure and print."""
    given = report.parser(__doc__).parse_args()
    table = Table(
        "From a fault to its alert, in seconds",
        METHOD.format(prometheus=SCRAPE),
        ["fault", "alert", "asked for", "fires", "of it not asked", "in Alertmanager", "ends", "told ended"],
    )
    machine = report.machine()
    with stack.folder() as directory, stack.running("600", directory=directory) as running:
        target = running.metrics_url.removeprefix("http://")
        with alerting(directory, target) as watched:
            until(lambda: watched.firing("Watchdog"), "Watchdog")
            until(lambda: not watched.firing("QPUTelemetryAbsent"), f"metrics of {workload.DEVICE}")
            for fault in faults(running):
                measure(table, fault, watched)
    report.conclude([table], machine, given.json)


if __name__ == "__main__":
    main()
