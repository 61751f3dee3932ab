"""How each engine of a local stack is started: with the files of ``compose/``, and addresses of this machine.

What differs from the containers is told by Prometheus' files of targets and by environment variables; the files
themselves are the same.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from ...scheduler.errors import ConfigurationError
from .engines import Engine
from .ports import LOOPBACK

WANTED_PORTS: Mapping[str, int] = {
    "Prometheus": 9090,
    "Alertmanager": 9093,
    "node_exporter": 9100,
    "Loki": 3100,
    "Loki's gRPC": 9096,
    "Tempo": 3200,
    "Tempo's gRPC": 9095,
    "Tempo's OTLP over gRPC": 4327,
    "Tempo's OTLP": 4328,
    "Tempo's gossip": 7946,
    "Collector": 4318,
    "Collector's gRPC": 4317,
    "Collector's health": 13133,
    "Collector's metrics": 8888,
    "Grafana": 3000,
}
"""By purpose; the ones that begin with an engine's name are that engine's."""


def ports_of(engine: Engine) -> list[str]:
    """Return the purposes of the ports that an engine listens on."""
    return [purpose for purpose in WANTED_PORTS if purpose.split("'")[0] == engine.value]


@dataclass(frozen=True, slots=True)
class Launch:
    """A command line with its environment; ``url`` is where people look."""

    arguments: list[str]
    url: str
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """The engines that are started, where they listen, and where the daemon's metrics are."""

    directory: Path
    programs: Mapping[Engine, Path]
    ports: Mapping[str, int]
    metrics_port: int

    def address(self, purpose: str) -> str:
        """Return host and port."""
        return f"{LOOPBACK}:{self.ports[purpose]}"

    def url(self, purpose: str) -> str:
        """Return the base address for HTTP."""
        return f"http://{self.address(purpose)}"

    def has(self, engine: Engine) -> bool:
        """Whether the engine is started."""
        return engine in self.programs

    @property
    def otlp_endpoint(self) -> str | None:
        """Where OTLP goes: to the gateway, else to the trace store itself."""
        if self.has(Engine.COLLECTOR):
            return self.url("Collector")
        return self.url("Tempo's OTLP") if self.has(Engine.TEMPO) else None

    def launch(self, engine: Engine) -> Launch:
        """Write what the engine reads, and return how it is started."""
        return _LAUNCHES[engine](self)

    def data(self, engine: Engine) -> Path:
        """Return the engine's own folder, which is made."""
        folder = self.directory / "engines" / engine.value.lower()
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def room(name: str) -> Path:
    """Return the folder of a room whose files are data; ConfigurationError if it is not installed."""
    spec = find_spec(f"qwatch.{name}")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(f"qwatch.{name} is not installed")
    return Path(next(iter(spec.submodule_search_locations)))


def _prometheus(plan: Plan) -> Launch:
    folder = plan.data(Engine.PROMETHEUS)
    shutil.copy(room("compose") / "prometheus" / "prometheus.yml", folder)
    (folder / "rules").mkdir(exist_ok=True)
    shutil.copy(room("alerts") / "rules" / "qwatch.yaml", folder / "rules")
    stack = {
        Engine.PROMETHEUS: "Prometheus",
        Engine.ALERTMANAGER: "Alertmanager",
        Engine.LOKI: "Loki",
        Engine.TEMPO: "Tempo",
        Engine.COLLECTOR: "Collector's metrics",
        Engine.GRAFANA: "Grafana",
    }
    targets: dict[str, list[tuple[str, str | None]]] = {
        "qwatch": [(f"{LOOPBACK}:{plan.metrics_port}", None)],
        "alertmanager": [(plan.address("Alertmanager"), None)] if plan.has(Engine.ALERTMANAGER) else [],
        "node": [(plan.address("node_exporter"), None)] if plan.has(Engine.NODE_EXPORTER) else [],
        "stack": [
            (plan.address(purpose), engine.value.lower())
            for engine, purpose in stack.items()
            if plan.has(engine)
        ],
    }
    (folder / "targets").mkdir(exist_ok=True)
    for name, found in targets.items():
        groups = [
            {"targets": [address]} | ({"labels": {"service": service}} if service else {})
            for address, service in found
        ]
        (folder / "targets" / f"{name}.json").write_text(json.dumps(groups), encoding="utf-8")
    return Launch(
        [
            str(plan.programs[Engine.PROMETHEUS]),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={plan.address('Prometheus')}",
            "--web.enable-remote-write-receiver",
            "--enable-feature=exemplar-storage",
            "--log.level=warn",
        ],
        plan.url("Prometheus"),
    )


def _alertmanager(plan: Plan) -> Launch:
    folder = plan.data(Engine.ALERTMANAGER)
    shutil.copy(room("alerts") / "routing" / "unaddressed.yml", folder / "alertmanager.yml")
    shutil.copytree(room("alerts") / "routing" / "templates", folder / "templates", dirs_exist_ok=True)
    return Launch(
        [
            str(plan.programs[Engine.ALERTMANAGER]),
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={plan.address('Alertmanager')}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ],
        plan.url("Alertmanager"),
    )


def _node_exporter(plan: Plan) -> Launch:
    return Launch(
        [
            str(plan.programs[Engine.NODE_EXPORTER]),
            f"--web.listen-address={plan.address('node_exporter')}",
            "--log.level=warn",
        ],
        f"{plan.url('node_exporter')}/metrics",
    )


def _loki(plan: Plan) -> Launch:
    return Launch(
        [
            str(plan.programs[Engine.LOKI]),
            f"-config.file={room('compose') / 'loki' / 'loki.yaml'}",
            "-config.expand-env=true",
        ],
        plan.url("Loki"),
        {
            "LOKI_ADDRESS": LOOPBACK,
            "LOKI_HTTP_PORT": str(plan.ports["Loki"]),
            "LOKI_GRPC_PORT": str(plan.ports["Loki's gRPC"]),
            "LOKI_DATA": str(plan.data(Engine.LOKI)),
        },
    )


def _tempo(plan: Plan) -> Launch:
    return Launch(
        [
            str(plan.programs[Engine.TEMPO]),
            f"-config.file={room('compose') / 'tempo' / 'tempo.yaml'}",
            "-config.expand-env=true",
        ],
        plan.url("Tempo"),
        {
            "TEMPO_ADDRESS": LOOPBACK,
            "TEMPO_HTTP_PORT": str(plan.ports["Tempo"]),
            "TEMPO_GRPC_PORT": str(plan.ports["Tempo's gRPC"]),
            "TEMPO_OTLP_GRPC": plan.address("Tempo's OTLP over gRPC"),
            "TEMPO_OTLP_HTTP": plan.address("Tempo's OTLP"),
            "TEMPO_GOSSIP_PORT": str(plan.ports["Tempo's gossip"]),
            "TEMPO_DATA": str(plan.data(Engine.TEMPO)),
        },
    )


def _collector(plan: Plan) -> Launch:
    environment = {
        "COLLECTOR_OTLP_GRPC": plan.address("Collector's gRPC"),
        "COLLECTOR_OTLP_HTTP": plan.address("Collector"),
        "COLLECTOR_HEALTH": plan.address("Collector's health"),
        "COLLECTOR_METRICS_HOST": LOOPBACK,
        "COLLECTOR_METRICS_PORT": str(plan.ports["Collector's metrics"]),
    }
    # What is not there is named all the same: the Collector tries again, and says so in its log.
    for variable, engine, purpose, path in (
        ("COLLECTOR_TEMPO", Engine.TEMPO, "Tempo's OTLP", ""),
        ("COLLECTOR_LOKI", Engine.LOKI, "Loki", "/otlp"),
        ("COLLECTOR_PROMETHEUS", Engine.PROMETHEUS, "Prometheus", "/api/v1/write"),
    ):
        address = plan.url(purpose) if plan.has(engine) else f"http://{LOOPBACK}:{WANTED_PORTS[purpose]}"
        environment[variable] = f"{address}{path}"
    grpc = plan.address("Collector's gRPC")
    return Launch(
        [
            str(plan.programs[Engine.COLLECTOR]),
            f"--config={room('compose') / 'collector' / 'config.yaml'}",
        ],
        f"{plan.url('Collector')}  (OTLP; gRPC on {grpc})",
        environment,
    )


def _grafana(plan: Plan) -> Launch:
    folder = plan.data(Engine.GRAFANA)
    stack = room("dashboards") / "provisioning" / "stack"
    for kind in ("datasources", "dashboards"):
        place = folder / "provisioning" / kind
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(stack / f"{kind}.yaml", place / "qwatch.yaml")
    password = folder / "admin_password"
    if not password.exists():
        with open(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(18))
    program = plan.programs[Engine.GRAFANA]
    beside = program.resolve().parent.parent
    home = beside if (beside / "conf" / "defaults.ini").exists() else Path("/usr/share/grafana")
    settings = {
        "paths.data": folder / "data",
        "paths.logs": folder / "log",
        "paths.plugins": folder / "plugins",
        "paths.provisioning": folder / "provisioning",
        "server.http_addr": LOOPBACK,
        "server.http_port": plan.ports["Grafana"],
    }

    def address(engine: Engine) -> str:
        return plan.url(engine.value) if plan.has(engine) else f"http://{LOOPBACK}:{WANTED_PORTS[engine.value]}"

    return Launch(
        [
            str(program),
            "server",
            f"--homepath={home}",
            f"--config={room('compose') / 'grafana' / 'grafana.ini'}",
            *(f"cfg:default.{key}={value}" for key, value in settings.items()),
        ],
        f"{plan.url('Grafana')}  (user admin, password in {password})",
        {
            "GF_SECURITY_ADMIN_PASSWORD__FILE": str(password),
            "QWATCH_PROMETHEUS_URL": address(Engine.PROMETHEUS),
            "QWATCH_LOKI_URL": address(Engine.LOKI),
            "QWATCH_TEMPO_URL": address(Engine.TEMPO),
            "QWATCH_BOARDS": str(room("dashboards") / "json"),
        },
    )


_LAUNCHES: Mapping[Engine, Callable[[Plan], Launch]] = {
    Engine.PROMETHEUS: _prometheus,
    Engine.ALERTMANAGER: _alertmanager,
    Engine.NODE_EXPORTER: _node_exporter,
    Engine.LOKI: _loki,
    Engine.TEMPO: _tempo,
    Engine.COLLECTOR: _collector,
    Engine.GRAFANA: _grafana,
}
