"""Starting and stopping all exporters, each time in a process of its own: SDK and root logger are global."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

BOUND = 60

SCRIPT = """
    import json, logging, sys, time
    from opentelemetry import trace
    from prometheus_client import CollectorRegistry
    from qwatch.exporters.settings import TelemetrySettings
    from qwatch.exporters.start import start_exporters
    from qwatch.telemetry.instruments import Instruments

    instruments = Instruments(CollectorRegistry())
    exporters = start_exporters(TelemetrySettings(**json.loads(sys.argv[1])), "qwatch-test", instruments)
    with trace.get_tracer("test").start_as_current_span("run FRESNEL"):
        logging.getLogger("qwatch.test").info("job runs", extra={"qpu_id": "FRESNEL", "job": "17"})
    flushed = exporters.flush(float(sys.argv[2]))
    started = time.monotonic()
    done = exporters.shutdown(float(sys.argv[2]))
    print(json.dumps({
        "flushed": flushed,
        "done": done,
        "seconds": time.monotonic() - started,
        "handlers": len(logging.getLogger().handlers),
        "again": exporters.shutdown(1),
        "dropped": {
            f"{sample.labels['signal']} {sample.labels['reason']}": sample.value
            for family in instruments.registry.collect()
            for sample in family.samples
        },
    }))
"""


def run(settings: dict[str, Any], seconds: float) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the log lines on standard output, and what the script reports."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "QWATCH_"))}
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), json.dumps(settings), str(seconds)],
        env=clean,
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    *lines, report = (json.loads(line) for line in result.stdout.splitlines())
    return lines, report | {"stderr": result.stderr}


def test_all_signals_meet_in_the_trace_id(otlp: Any, loki: Any, tmp_path: Path) -> None:
    lines, report = run({"otlp_endpoint": otlp.url, "loki_url": loki.url, "trace_directory": str(tmp_path)}, 30)
    assert not lines, "exactly one place takes the log"
    assert not report["stderr"]
    assert report["flushed"]
    assert report["done"]
    assert report["again"]
    assert report["handlers"] == 1
    (span,) = otlp.spans
    (stored,) = loki.lines
    assert span.trace_id.hex() == stored.metadata["trace_id"]
    assert span.trace_id.hex() in next(tmp_path.iterdir()).read_text()
    assert stored.labels == {"service_name": "qwatch-test", "qpu_id": "FRESNEL", "level": "info"}
    assert stored.metadata["job"] == "17"
    assert otlp.resource["service.name"] == "qwatch-test"
    assert otlp.resource["service.version"] == stored.metadata["service_version"]
    assert otlp.resource["host.name"] == stored.metadata["host_name"]
    assert set(report["dropped"].values()) == {0.0}
    assert set(report["dropped"]) == {
        *(f"traces {reason}" for reason in ("queue_full", "unreachable", "shutdown")),
        *(
            f"logs {reason}"
            for reason in ("queue_full", "refused", "unreachable", "too_old", "invalid", "shutdown")
        ),
    }


def test_without_loki_its_counters_are_absent() -> None:
    (line,), report = run({}, 30)
    assert line["message"] == "job runs"
    assert len(line["trace_id"]) == 32
    assert {key.split()[0] for key in report["dropped"]} == {"traces"}
    assert report["done"]


def test_shutdown_ends_though_both_backends_hang(otlp: Any, loki: Any, hang: Any) -> None:
    otlp.always = loki.always = hang
    _, report = run({"otlp_endpoint": otlp.url, "loki_url": loki.url, "loki_timeout": 30}, 0.5)
    assert not report["flushed"]
    assert not report["done"]
    assert report["seconds"] < 30
    assert report["dropped"]["traces shutdown"] == 1
    assert report["dropped"]["logs shutdown"] == 1


def test_a_hanging_loki_does_not_keep_spans(otlp: Any, loki: Any, hang: Any) -> None:
    loki.always = hang
    _, report = run({"otlp_endpoint": otlp.url, "loki_url": loki.url}, 4)
    assert not report["done"]
    assert len(otlp.spans) == 1
