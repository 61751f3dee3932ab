"""How long it takes from a fault to the firing alert, to Alertmanager, and from the repair to the end."""

from __future__ import annotations

import contextlib
import shutil
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
from alert_faults import FakeLoki, Fault, Machine, faults, settings
from report import Table

from qwatch.alerts import generate
from qwatch.alerts.alertmanager import alertmanager
from qwatch.alerts.configuration import Configuration

METHOD = """\
A real `qwatch serve` with the emulated QPU, Prometheus ({prometheus} a scrape) and Alertmanager, with the test
profile: every span of time in the rules is a sixtieth. Each fault is produced, its alert waited for, then it is
mended and the end waited for. "Asked for" is what the rule waits before it fires, in the test profile; the rest
is scrape, evaluation, and what the daemon needs to see the fault (or a window to fill, or three failures). In
production the rule waits sixty times "asked for"; what a window looks back on ends sixty times as late."""
SCRAPE = "500ms"
_PATIENCE = 180.0


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
    options = report.parser(__doc__)
    options.add_argument("--only", nargs="*", metavar="ALERT", help="the alerts to measure; default: all")
    given = options.parse_args()
    table = Table(
        "From a fault to its alert, in seconds",
        METHOD.format(prometheus=SCRAPE),
        ["fault", "alert", "asked for", "fires", "of it not asked", "in Alertmanager", "ends", "told ended"],
    )
    machine = report.machine()
    port, loki = stack.free_port(), FakeLoki()
    emulator = [sys.executable, "-m", "qwatch.cli.main", "emulate", "--port", str(port), "--shot-rate", "1000"]
    emulator += ["--name", workload.DEVICE]
    with (
        stack.folder() as directory,
        stack.running(
            "0",
            directory=directory,
            device_command=emulator,
            device_port=port,
            telemetry={"loki_url": loki.url},
            environment=settings(directory, port),
        ) as running,
        alerting(directory, running.metrics_url.removeprefix("http://")) as watched,
        contextlib.closing(Machine(running, loki)) as broken,
    ):
        broken.measured(0.0)
        until(lambda: watched.firing("Watchdog"), "Watchdog")
        until(lambda: not watched.firing("QPUTelemetryAbsent"), f"metrics of {workload.DEVICE}")
        for fault in faults(broken):
            if not given.only or fault.alert in given.only:
                measure(table, fault, watched)
    report.conclude([table], machine, given.json)


if __name__ == "__main__":
    main()
