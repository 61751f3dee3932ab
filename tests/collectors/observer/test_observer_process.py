"""``qwatch serve --role observer`` beside a peer that works on an emulated QPU, and beside a QRMI resource.

Everything that it sends goes over a wire that is watched: nothing but GET and HEAD, and not one byte of the
peer's database changes by its hand.
"""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from qwatch.telemetry.catalogue import by_prometheus_name

from .conftest import TOKEN, administrator
from .peer_double import Peer, PeerTables
from .wire import RecordingProxy

PATIENCE = 60.0
BACK_OFF_SECONDS = 90.0
"""Longer than a source that timed out once, on a busy machine, is left alone."""


class Scene:
    """A peer with an emulated QPU, a QRMI resource of a real daemon, and the observer of both."""

    def __init__(self, tables: PeerTables, peer: Peer, qpu: RecordingProxy, resource: RecordingProxy) -> None:
        self.tables = tables
        self.peer = peer
        self.qpu = qpu
        self.resource = resource
        self.daemon: Any = None
        self.qpu_itself = ""

    def metric(self, name: str, **labels: str) -> float | None:
        """Return the sum of a metric's samples that carry these labels; None if there is none."""
        found = [
            sample.value
            for family in text_string_to_metric_families(self.daemon.metrics_text())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return sum(found) if found else None

    def post(self, sequence: str, shots: int) -> str:
        """Have the peer send a job to its QPU; return the QPU's uid of it."""
        body = {
            "nb_run": shots,
            "pulser_sequence": sequence,
            "context": {"batch_id": "b", "pasqman_job_id": "1"},
        }
        reply = httpx.post(f"{self.qpu_itself}/api/v1/jobs", json=body, timeout=PATIENCE)
        return str(reply.json()["data"]["uid"])

    def device_job(self, uid: str) -> dict[str, Any]:
        reply = httpx.get(f"{self.qpu_itself}/api/v1/jobs/{uid}", timeout=PATIENCE)
        found: dict[str, Any] = reply.json()["data"]
        return found


@pytest.fixture(scope="module")
def scene(
    run_emulator: Any,
    run_device: Any,
    run_daemon: Any,
    device_at: Any,
    free_port: Callable[[], int],
    wait_until: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("peer")
    token_file = folder / "token"
    token_file.write_text(TOKEN)
    tables = PeerTables(f"sqlite:///{folder / 'warden.db'}")
    peer = Peer(tables, free_port(), administrator)
    peer.start()
    with (
        run_emulator(shot_rate=50) as emulator,
        run_device() as device,
        run_daemon(devices=[device_at(device.url)]) as scheduler,
    ):
        proxies = [RecordingProxy(free_port(), target) for target in (emulator.url, scheduler.url)]
        scene = Scene(tables, peer, *proxies)
        scene.qpu_itself = emulator.url
        for proxy in proxies:
            proxy.start()
        observed = {
            "devices": [
                {
                    "name": "FRESNEL",
                    "simulator": True,
                    "shot_rate": 50,
                    "peer_api": {
                        "url": peer.url,
                        "auth": "token",
                        "token_file": str(token_file),
                        "interval": 0.2,
                        "accounting_interval": 0.2,
                    },
                    "peer_database": {"url": f"sqlite:///{folder / 'warden.db'}", "interval": 0.2},
                    "qpu_api": {"url": scene.qpu.url, "interval": 0.2},
                },
                {
                    "name": "EMU",
                    "qrmi": {"environment": {"QRMI_WARDEN_URL": scene.resource.url}, "interval": 0.2},
                },
            ]
        }
        with run_daemon(start=False, devices=[], observer=observed) as daemon:
            daemon.write_configuration()
            daemon._verb = (*daemon._verb, "--role", "observer")
            daemon.spawn()
            scene.daemon = daemon
            wait_until(lambda: _ready(daemon), f"the observer does not get ready: {daemon.log_file}")
            try:
                yield scene
            finally:
                assert peer.offences == scene.qpu.offences == scene.resource.offences == []
                assert TOKEN not in daemon.log
        for proxy in proxies:
            proxy.stop()
    peer.stop()


def _ready(daemon: Any) -> bool:
    assert daemon.process.poll() is None, daemon.log
    try:
        return httpx.get(f"{daemon.metrics_url}/readyz", timeout=PATIENCE).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_job_of_the_peer_is_seen_from_its_submission_to_the_ledger(
    scene: Scene, sequence_text: str, wait_until: Any
) -> None:
    of = {"qpu_id": "FRESNEL"}

    def does(activity: str) -> Callable[[], bool]:
        return lambda: scene.metric("qpu_activity", **of, activity=activity) == 1

    wait_until(does("idle"), "an idle device is not seen")
    assert scene.metric("qpu_state", **of, state="online") == 1
    assert scene.metric("qpu_info", **of, simulator="true", model="EMU") == 1

    session = scene.tables.open_session()
    job, waiting = (scene.tables.submit(session, shots) for shots in (150, 70))
    wait_until(does("dispatch"), "jobs that wait are not seen")
    uid = scene.post(sequence_text, 150)
    scene.tables.begin(job, uid=uid)
    wait_until(does("execute"), "a running job is not seen")
    assert scene.metric("qpu_queue_jobs", **of, state="running") == 1
    assert scene.metric("qpu_queue_jobs", **of, state="pending") == 1
    assert scene.metric("qpu_sessions_active", **of) == 1

    # The device ends it first. Its scheduler sees that late, and the observer sees that it does.
    wait_until(lambda: scene.device_job(uid)["status"] == "DONE", "the emulated QPU does not end the job")
    wait_until(does("dispatch"), "the peer's gap is not seen")
    scene.tables.end(job)
    scene.tables.end(waiting, "CANCELED")
    wait_until(lambda: scene.metric("qpu_jobs_finished_total", **of) == 2, "the ended jobs are not counted")
    wait_until(does("idle"), "an empty queue is not seen")
    assert scene.metric("qpu_jobs_finished_total", **of, state="done", reason="none") == 1
    assert scene.metric("qpu_jobs_finished_total", **of, state="canceled", reason="other") == 1
    assert scene.metric("qpu_shots_total", **of) == 150
    assert scene.metric("qpu_jobs_submitted_total", **of) == 2
    assert scene.metric("qpu_job_run_duration_seconds_count", **of) == 1
    spent = scene.metric("qpu_time_seconds_total", **of, activity="execute")
    assert spent is not None
    assert spent > 0


def test_a_session_and_a_closed_door_are_seen(scene: Scene, wait_until: Any) -> None:
    held = scene.metric("qpu_sessions_active", qpu_id="FRESNEL") or 0
    session = scene.tables.open_session()
    # Seen in the database too, which is believed before the API: one that is shorter than a poll is not.
    wait_until(
        lambda: scene.metric("qpu_sessions_active", qpu_id="FRESNEL") == held + 1,
        "the session is not seen",
        BACK_OFF_SECONDS,
    )
    wait_until(
        lambda: (scene.metric("qpu_slots", qpu_id="FRESNEL", kind="available") or 4) < 4,
        "no slot is taken",
        BACK_OFF_SECONDS,
    )
    scene.tables.end_session(session, "idle_timeout")
    ended = {"qpu_id": "FRESNEL", "outcome": "expired"}
    wait_until(
        lambda: scene.metric("qpu_sessions_total", **ended) == 1,
        "the session's end is not seen",
        BACK_OFF_SECONDS,
    )
    scene.tables.set_accessible(False, "closed for lunch")
    paused = {"qpu_id": "FRESNEL", "state": "paused"}
    wait_until(
        lambda: scene.metric("qpu_state", **paused) == 1, "the closed door is not seen", BACK_OFF_SECONDS
    )
    scene.tables.set_accessible(True, "open")


def test_a_qrmi_resource_tells_its_state_and_nothing_else_is_claimed(scene: Scene, wait_until: Any) -> None:
    wait_until(lambda: scene.metric("qpu_state", qpu_id="EMU", state="online") == 1, "QRMI does not tell")
    assert scene.metric("qpu_up", qpu_id="EMU") == 1
    assert scene.metric("qpu_activity", qpu_id="EMU", activity="unknown") == 1
    assert scene.metric("qpu_queue_jobs", qpu_id="EMU") is None
    assert {target for _, target in scene.resource.requests} == {"/accessible"}


def test_every_source_is_named_with_whether_it_tells(scene: Scene, wait_until: Any) -> None:
    lines = httpx.get(f"{scene.daemon.metrics_url}/readyz", timeout=PATIENCE).text.splitlines()
    told = {line.split(":")[0].removeprefix("[ ] ") for line in lines if line.endswith(": tells")}
    assert {"FRESNEL peer_database", "FRESNEL peer_status", "FRESNEL qpu_api", "EMU qrmi"} <= told
    assert scene.metric("qwatch_observer_source_up", source="peer_status") == 1
    # Where the database is read, the accounting would tell the same jobs with less exact times.
    assert scene.peer.asked("/accounting/jobs") == 0


def test_it_serves_no_job_api(scene: Scene) -> None:
    with pytest.raises(httpx.ConnectError):
        httpx.get(scene.daemon.url, timeout=PATIENCE)
    assert httpx.post(f"{scene.daemon.metrics_url}/jobs", timeout=PATIENCE).status_code in (404, 405)


def test_promtool_finds_no_fault_and_all_is_in_the_catalogue(scene: Scene, require_program: Any) -> None:
    promtool = require_program("promtool", package="prometheus")
    text = scene.daemon.metrics_text()
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    exposed = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
    assert exposed <= set(by_prometheus_name())


def test_a_real_prometheus_scrapes_it_without_an_error(
    scene: Scene, require_program: Any, free_port: Callable[[], int], tmp_path: Path, wait_until: Any
) -> None:
    program = require_program("prometheus", package="prometheus")
    target = scene.daemon.metrics_url.removeprefix("http://")
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        f"rule_files: ['{tmp_path / 'rules.yaml'}']\n"
        f"scrape_configs: [{{job_name: qwatch, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    rules = (Path(__file__).parents[3] / "alerts" / "rules" / "qwatch.yaml").read_text()
    (tmp_path / "rules.yaml").write_text(rules.replace("interval: 30s", "interval: 1s"))
    port = free_port()
    command = [
        *(program, f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}"),
        f"--web.listen-address=127.0.0.1:{port}",
    ]

    def ask(query: str) -> Any:
        try:
            url = f"http://127.0.0.1:{port}/api/v1/query"
            return httpx.get(url, params={"query": query}, timeout=10).json()["data"]["result"]
        except (httpx.HTTPError, ValueError, KeyError):
            return None

    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        [up] = wait_until(lambda: ask("up"), "Prometheus does not scrape")
        assert up["value"][1] == "1"
        samples = wait_until(
            lambda: (
                (found := ask("qpu_time_seconds_total{qpu_id='FRESNEL'}[1m]"))
                and len(found[0]["values"]) >= 6
                and found
            ),
            "Prometheus does not go on",
        )
        # Every second is attributed once: all activities together grow as the clock does.
        ends = [[(float(at), float(value)) for at, value in series["values"]] for series in samples]
        grown = sum(series[-1][1] - series[0][1] for series in ends)
        assert grown == pytest.approx(ends[0][-1][0] - ends[0][0][0], abs=1.0)
        # The rules of our own devices hold for one that is only observed.
        recorded = wait_until(lambda: ask("qpu_id:qpu_utilization:ratio_rate5m{qpu_id='FRESNEL'}"), "no record")
        assert 0 <= float(recorded[0]["value"][1]) <= 1
        [waiting] = wait_until(lambda: ask("qpu_id:qpu_queue_jobs:pending"), "no record of the queue")
        assert waiting["metric"]["qpu_id"] == "FRESNEL"
        firing = wait_until(lambda: ask("ALERTS{alertstate='firing'}"), "no alert can fire")
        assert {alert["metric"]["alertname"] for alert in firing} == {"Watchdog"}
        assert len(ask("min by (qpu_id) (qwatch_observer_source_up)")) == 2
    finally:
        process.terminate()
        process.wait(30)


def test_at_rest_not_a_byte_of_the_peers_database_changes_and_the_end_is_orderly(
    scene: Scene, wait_until: Any
) -> None:
    """The last test: it ends the observer."""
    file = Path(str(scene.tables.engine.url.database))
    before = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in file.parent.iterdir()}
    asked = scene.peer.asked("/status")
    wait_until(lambda: scene.peer.asked("/status") > asked + 5, "the observer has stopped asking")
    assert {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in file.parent.iterdir()
    } == before
    scene.daemon.send(signal.SIGTERM)
    assert scene.daemon.wait() == 0
    lines = [json.loads(line) for line in scene.daemon.log.splitlines() if line.startswith("{")]
    assert any("it schedules nothing" in line["message"] for line in lines)
    # A line for each job that ended, as of jobs of our own.
    [done] = [line for line in lines if line.get("state") == "DONE"]
    assert (done["slurm_job_id"], done["shots"], done["reason"]) == ("77", 150, "none")
    assert done["user"]
    assert done["wait_seconds"] >= 0
    assert done["run_seconds"] > 0
