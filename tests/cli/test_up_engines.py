"""``qwatch up`` with the engines that are installed: a real Prometheus and a real Alertmanager."""

from __future__ import annotations

import re
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from qwatch.daemon.local_stack.engines import Engine, installed

BUILT = Path(__file__).parents[2] / "build" / "engines"


def address(output: str, name: str) -> str:
    found = re.search(rf"{name}\s+(http://\S+)", output)
    assert found is not None, output
    return found[1]


def ask(url: str, **query: str) -> Any:
    try:
        reply = httpx.get(url, params=query, timeout=5)
    except httpx.HTTPError:
        return None
    return reply.json() if reply.status_code == 200 else None


def names_of_alerts(alertmanager: str) -> set[str]:
    return {alert["labels"]["alertname"] for alert in ask(f"{alertmanager}/api/v2/alerts") or []}


def test_metrics_rules_and_alerts_are_real(
    qwatch_up: Any,
    require_program: Callable[..., Path],
    run_qwatch: Callable[..., Any],
    environment_in: Callable[..., dict[str, str]],
    wait_until: Any,
    tmp_path: Path,
) -> None:
    require_program("prometheus", package="prometheus")
    require_program("prometheus-alertmanager", package="prometheus-alertmanager")
    data = tmp_path / "data"
    words = ("--bin-dir", str(BUILT)) if BUILT.exists() else ()
    run = qwatch_up("--data-dir", str(data), "--auth", "local", *words, engines=True)
    wait_until(lambda: run.first_done, "no job became DONE", 90)
    prometheus, alertmanager = address(run.output, "Prometheus"), address(run.output, "Alertmanager")

    def value(expression: str) -> float | None:
        found = ask(f"{prometheus}/api/v1/query", query=expression)
        result = found["data"]["result"] if found else []
        return float(result[0]["value"][1]) if result else None

    wait_until(lambda: value('up{job="qwatch"}') == 1, "the daemon is not scraped", 60)
    wait_until(lambda: (value('qpu_jobs_finished_total{state="done"}') or 0) >= 1, "no job is counted", 60)
    groups = ask(f"{prometheus}/api/v1/rules")["data"]["groups"]
    assert any(group["name"].startswith("qwatch.alerting") for group in groups)
    wait_until(lambda: "Watchdog" in names_of_alerts(alertmanager), "alerting does not work", 90)
    if "Collector" in run.output.partition("not on PATH")[0]:
        expression = "sum(qrmi_client_operation_duration_seconds_count)"
        wait_until(lambda: (value(expression) or 0) >= 1, "a program's metrics do not pass the gateway", 90)

    environment = environment_in(tmp_path) | {"QWATCH_ADMIN_SOCKET": str(data / "admin.sock")}
    closed = run_qwatch(
        environment, "admin", "maintenance", "begin", "EMU", "--until", "1h", "--reason", "a test"
    )
    assert closed.returncode == 0, closed.stderr
    wait_until(
        lambda: run.ready and "QPUInMaintenance" in names_of_alerts(alertmanager),
        "no alert of the maintenance",
        120,
    )

    run.remember_processes()
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(30) == 0, run.output
    assert run.orphans() == []


def test_an_engine_that_ends_is_told_and_work_goes_on(qwatch_up: Any, wait_until: Any, tmp_path: Path) -> None:
    broken = tmp_path / "prometheus"
    broken.write_text("#!/bin/sh\necho 'no space left' >&2\nexit 3\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    run = qwatch_up("--bin-dir", str(tmp_path), "--for", "30", engines=True)
    wait_until(lambda: run.first_done, "no job became DONE", 90)
    assert "Prometheus ended with exit code 3: no space left" in run.output
    assert run.process.wait(60) == 0


def test_a_folder_of_programs_goes_before_path(tmp_path: Path, monkeypatch: Any) -> None:
    for folder in ("first", "second"):
        place = tmp_path / folder / "loki"
        place.parent.mkdir()
        place.write_text("#!/bin/sh\n")
        place.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "second"))
    assert installed(None)[Engine.LOKI] == tmp_path / "second" / "loki"
    assert installed(tmp_path / "first")[Engine.LOKI] == tmp_path / "first" / "loki"


def test_what_is_missing_is_named_with_how_to_get_it(qwatch_up: Any, wait_until: Any) -> None:
    run = qwatch_up("--no-demo", "--for", "1", engines=True)
    run.process.wait(90)
    there = set(installed(None))
    for engine in Engine:
        if engine not in there:
            told = run.output.partition("not on PATH")[2]
            assert re.search(rf"{re.escape(engine)}\s+\S.*: \S", told), run.output
