"""The standard engines beside the daemon: what they are called, what they are for, how to get them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_SYSTEM_FOLDERS = ("/usr/sbin", "/sbin", "/usr/share/grafana/bin")


class Engine(StrEnum):
    """An engine of the stack."""

    PROMETHEUS = "Prometheus"
    ALERTMANAGER = "Alertmanager"
    NODE_EXPORTER = "node_exporter"
    LOKI = "Loki"
    TEMPO = "Tempo"
    COLLECTOR = "Collector"
    GRAFANA = "Grafana"


@dataclass(frozen=True, slots=True)
class Facts:
    """The names of an engine's program, what it adds, and where it comes from."""

    programs: tuple[str, ...]
    adds: str
    get: str


FACTS: Mapping[Engine, Facts] = {
    Engine.PROMETHEUS: Facts(
        ("prometheus",), "metrics over time, rules", "apt-get install prometheus, or prometheus.io/download"
    ),
    Engine.ALERTMANAGER: Facts(
        ("alertmanager", "prometheus-alertmanager"),
        "alerts",
        "apt-get install prometheus-alertmanager, or prometheus.io/download",
    ),
    Engine.NODE_EXPORTER: Facts(
        ("node_exporter", "prometheus-node-exporter"),
        "the host's metrics",
        "apt-get install prometheus-node-exporter, or prometheus.io/download",
    ),
    Engine.LOKI: Facts(("loki",), "logs", "github.com/grafana/loki/releases (one file)"),
    Engine.TEMPO: Facts(("tempo",), "traces, version 3", "github.com/grafana/tempo/releases (one file)"),
    Engine.COLLECTOR: Facts(
        ("otelcol-contrib", "otelcol"),
        "a gateway for OTLP",
        "github.com/open-telemetry/opentelemetry-collector-releases (otelcol-contrib)",
    ),
    Engine.GRAFANA: Facts(("grafana",), "the dashboards", "grafana.com/grafana/download"),
}


def installed(folder: Path | None) -> dict[Engine, Path]:
    """Return the programs that are there: in ``folder`` first, then on PATH."""
    folders = [*([str(folder)] if folder else []), os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS]
    path = os.pathsep.join(folders)
    found: dict[Engine, Path] = {}
    for engine, facts in FACTS.items():
        for program in facts.programs:
            if place := shutil.which(program, path=path):
                found[engine] = Path(place)
                break
    return found
