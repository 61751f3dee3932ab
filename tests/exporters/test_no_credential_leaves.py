"""Everything that a full run emits is searched for every credential that was in play."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bcrypt
import httpx
import pytest

QWATCH = [sys.executable, "-m", "qwatch.cli.main"]
METRICS_USER, METRICS_PASSWORD = "prometheus", "scrape-me-if-you-can"
LOKI_PASSWORD, OTLP_TOKEN = "loki-password-1234", "otlp-token-5678"

PROGRAM = """
import os, pulser
from pathlib import Path
from opentelemetry import trace
from qrmi.pulser import PulserQRMIConnection
from qwatch.qrmi.open_resource import open_resource
from qwatch.qrmi.session import session

resource = open_resource("EMU", sdk="pulser")
with session(resource) as token:
    Path(os.environ["SECRETS"]).write_text(token)
    connection = PulserQRMIConnection(resource)
    device = connection.fetch_available_devices()["EMU"]
    sequence = pulser.Sequence(pulser.Register({"q0": (0.0, 0.0)}), device)
    sequence.declare_channel("global", "rydberg_global")
    sequence.add(pulser.Pulse.ConstantPulse(200, 6.0, 0.0, 0.0), "global")
    connection.submit(sequence, wait=True, job_params=[{"runs": 12}])
    try:
        with trace.get_tracer("program").start_as_current_span("crash", attributes={"header": token}):
            raise RuntimeError(f"X-Warden-Session: {token}")
    except RuntimeError:
        pass
    try:
        resource.task_result("no such task " + token)
    except Exception:
        pass
"""


class Wire:
    """Everything that reached a receiver, decompressed, with its headers apart."""

    def __init__(self, receiver: Any) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        take = receiver._handle

        def watched(path: str, headers: dict[str, str], body: bytes) -> Any:
            self.bodies.append(path.encode() + body)
            self.headers.append(headers)
            return take(path, headers, body)

        receiver._handle = watched


@pytest.mark.parametrize(("auth", "logs"), [("local", "loki"), ("munge", "otlp")])
def test_no_credential_is_in_anything_that_is_emitted(
    auth: str,
    logs: str,
    otlp: Any,
    loki: Any,
    run_daemon: Any,
    run_device: Any,
    device_at: Any,
    environment_in: Callable[..., dict[str, str]],
    sequence_text: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    if auth == "munge":
        request.getfixturevalue("munged")
    wires = [Wire(otlp), Wire(loki)]
    hashed = bcrypt.hashpw(METRICS_PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yml").write_text(f"basic_auth_users: {{{METRICS_USER}: '{hashed}'}}\n")
    traces = tmp_path / "traces"
    telemetry = {
        "otlp_endpoint": otlp.url,
        "otlp_headers": {"authorization": f"Bearer {OTLP_TOKEN}"},
        "otlp_metrics": True,
        "otlp_metrics_interval": 0.5,
        "loki_url": loki.url,
        "loki_user": "qwatch",
        "loki_password": LOKI_PASSWORD,
        "logs": logs,
        "log_level": "debug",
        "trace_directory": str(traces),
    }
    emitted: list[bytes] = []
    with (
        run_device(shot_rate=1e5) as qpu,
        run_daemon(
            devices=[device_at(qpu.url)],
            api={"auth": auth, "user_sessions": True},
            metrics={"web_config_file": str(tmp_path / "web.yml")},
            telemetry=telemetry,
        ) as daemon,
    ):
        secrets = {METRICS_PASSWORD, hashed, LOKI_PASSWORD, OTLP_TOKEN}
        if auth == "local":
            secrets.add(daemon.token_file.read_text().strip())
        environment = environment_in(
            tmp_path,
            EMU_QRMI_WARDEN_URL=f"{daemon.url}/devices/EMU",
            QRMI_JOB_QPU_RESOURCES="EMU",
            QRMI_JOB_QPU_TYPES="pasqal-local",
            QRMI_JOB_UID=str(os.getuid()),
            QRMI_JOB_ID="4711",
            QWATCH_TRACE_DIRECTORY=str(traces),
            OTEL_EXPORTER_OTLP_ENDPOINT=otlp.url,
            OTEL_EXPORTER_OTLP_HEADERS=f"authorization=Bearer%20{OTLP_TOKEN}",
            SECRETS=str(tmp_path / "secrets"),
            RUST_LOG="qrmi=debug",
            **({"QWATCH_TOKEN_FILE": str(daemon.token_file)} if auth == "local" else {}),
        )

        def command(*words: str) -> None:
            done = subprocess.run(
                [*QWATCH, *words], env=environment, capture_output=True, timeout=120, check=False
            )
            assert done.returncode == 0, done.stderr.decode()
            emitted.extend((done.stdout, done.stderr))

        command("run", "--qpu", "EMU", "--", sys.executable, "-c", PROGRAM)
        token = daemon.acquire()
        secrets |= {token, (tmp_path / "secrets").read_text()}
        # Credentials where none belong: in paths, queries, bodies and headers of every kind.
        for path in (f"/sessions/{token}/nothing", f"/jobs/{token}", f"/jobs?before={token}", f"/{token}"):
            daemon.client.get(path)
        daemon.client.post("/jobs", json={"sequence": token, "shots": 1}, headers={"x-warden-session": token})
        daemon.client.post("/jobs", json={"sequence": "{}"}, headers={"x-warden-session": token, "sdk": token})
        httpx.get(f"{daemon.url}/jobs", headers={"x-munge-cred": f"MUNGE:{'A' * 40}:"}, timeout=30)
        httpx.get(f"{daemon.url}/jobs", headers={"authorization": "Bearer qwt_" + "B" * 43}, timeout=30)
        number = daemon.submit(token, sequence_text, 10)
        assert daemon.finished(number)["status"] == "DONE"
        emitted.append(json.dumps(daemon.ok("GET", "/jobs")).encode())
        for accept in ("text/plain", "application/openmetrics-text;version=1.0.0"):
            answer = httpx.get(
                f"{daemon.metrics_url}/metrics",
                auth=(METRICS_USER, METRICS_PASSWORD),
                headers={"accept": accept},
                timeout=30,
            )
            assert answer.status_code == 200
            emitted.append(answer.content)
        httpx.get(f"{daemon.metrics_url}/metrics", auth=(METRICS_USER, METRICS_PASSWORD + "x"), timeout=30)
        command("push", str(traces), "--again", "--json")
        assert daemon.stop() == 0
        emitted.append(daemon.log_file.read_bytes())
    files = [file.read_bytes() for file in traces.rglob("*") if file.is_file()]
    assert any(b"resourceMetrics" in content for content in files)
    assert any(b"crash" in content for content in files)
    emitted += files
    emitted += [body for wire in wires for body in wire.bodies]
    assert otlp.spans
    assert otlp.metric_requests
    assert bool(otlp.log_requests) == (logs == "otlp")
    assert bool(loki.lines) == (logs == "loki")
    # They were used: only headers of requests to the backends themselves may carry their own.
    assert any(OTLP_TOKEN in headers.get("authorization", "") for headers in wires[0].headers)
    everything = b"\n".join(emitted)
    spelled = {secret.encode() for secret in secrets} | {b"qws_", b"qwt_", b"MUNGE:"}
    spelled |= {
        base64.b64encode(f"{user}:{password}".encode())
        for user, password in ((METRICS_USER, METRICS_PASSWORD), ("qwatch", LOKI_PASSWORD))
    }
    for secret in spelled:
        place = everything.find(secret)
        assert place < 0, everything[max(0, place - 200) : place + 50]
