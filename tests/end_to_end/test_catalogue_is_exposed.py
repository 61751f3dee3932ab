"""The catalogue is law: a busy daemon exposes nothing that is not in it, and all of it can be exposed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace as Told
from typing import Any

import psutil
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from qwatch.collectors.device import DeviceCollector
from qwatch.collectors.host import HostCollector
from qwatch.collectors.observer.collector import ObserverCollector
from qwatch.collectors.observer.observer import Observer
from qwatch.collectors.observer.settings import ObserverSettings
from qwatch.scheduler.devices.adapter import ResourceReport
from qwatch.scheduler.scheduler import Scheduler
from qwatch.scheduler.settings import ApiSettings, DeviceSettings, SchedulerSettings, StoreSettings
from qwatch.telemetry import device_metrics, host_metrics, observer_metrics, quality_metrics
from qwatch.telemetry.catalogue import Kind, Metric, Source, by_prometheus_name, catalogue
from qwatch.telemetry.instruments import Instruments

SUMMARY = {
    "resource_type": "pasqal-local",
    "calls": [{"operation": "status", "error_type": "", "count": 3}],
}
ROOM = "# TYPE room_celsius gauge\nroom_celsius 21\n"
EMPTY_FIELDS = "\\t(null)\\tN/A\\tgres:qpu:1\\tN/A\\tN/A\\t"


@pytest.fixture(scope="module")
def slurm_commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of commands that print what Slurm does."""
    folder = tmp_path_factory.mktemp("slurm")
    prints = {
        "squeue": f"77\\tquantum\\tRUNNING{EMPTY_FIELDS}\\n",
        "scontrol": "LicenseName=qpu Total=4 Used=1 Free=3 Reserved=0 Remote=no\\n",
        "sinfo": "node\\tqpu:1\\tqpu:0\\t\\n",
    }
    for name, text in prints.items():
        (folder / name).write_text(f"#!/bin/sh\nprintf '{text}'\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def busy(
    run_daemon: Any,
    run_device: Any,
    device_at: Any,
    sequence_text: str,
    slurm_commands: Path,
    wait_until: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """What a daemon with every collector switched on exposes while one job runs and another waits."""
    room = tmp_path_factory.mktemp("room") / "room.prom"
    room.write_text(ROOM)
    feed = tmp_path_factory.mktemp("feed") / "quality.json"
    feed.write_text(json.dumps(every_quality()))
    quality = {"feed": {"url": str(feed)}, "readout_error_spec": {"false_positive": 0.01}}
    with (
        run_device(shot_rate=20) as qpu,
        run_daemon(
            devices=[
                device_at(
                    qpu.url,
                    shot_rate=20,
                    quality=quality,
                    default=True,
                    calibration_intervals={"readout": 3600},
                ),
                device_at(qpu.url, name="IN_MAINTENANCE"),
            ],
            metrics={"accounts": ["physics"]},
            slurm={"enabled": True, "commands": str(slurm_commands)},
            external=[{"name": "room", "file": str(room), "stale_after": 3600}],
        ) as daemon,
    ):
        end = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        daemon.ok("POST", "/admin/devices/IN_MAINTENANCE/maintenance/begin", json={"until": end})
        daemon.ok("POST", "/admin/devices/EMU/calibration/begin", json={"procedure": "readout"})
        daemon.ok("POST", "/admin/devices/EMU/calibration/end", json={"result": "success"})
        token = daemon.acquire()
        daemon.ok("POST", "/sessions/summary", json=SUMMARY, headers={"x-warden-session": token})
        daemon.ok("DELETE", f"/sessions/{token}")
        token = daemon.acquire()
        for shots in (10, 11):
            daemon.finished(daemon.submit(token, sequence_text, shots))
        daemon.refused(422, "POST", "/jobs", **daemon.submission(token, "no sequence", 1))
        first, second, waiting = (daemon.submit(token, sequence_text, shots) for shots in (12, 2000, 5))
        daemon.finished(first)
        daemon.until(second, "RUNNING")
        wait_until(lambda: "room_celsius 21" in daemon.metrics_text(), "the external source is not read")
        wait_until(lambda: "slurm_qpu_jobs" in daemon.metrics_text(), "Slurm is not read")
        wait_until(lambda: "qpu_quality_sample" in daemon.metrics_text(), "the quality feed is not read")
        wait_until(lambda: "qwatch_ledger_difference" in daemon.metrics_text(), "the ledger is not compared")
        yield daemon.metrics_text()
        for number in (waiting, second):
            daemon.ok("POST", f"/jobs/{number}/cancel")


def every_quality() -> dict[str, Any]:
    """Return a feed that tells every quality of a device."""
    samples = [
        {
            "metric": metric.prometheus_name,
            "labels": {label.name: (label.values or ("",))[0] for label in metric.labels[1:]},
            "value": 0.5,
            "uncertainty": 0.1,
        }
        for metric in quality_metrics.MEASURED
    ]
    return {"version": 1, "device": "EMU", "at": time.time(), "samples": samples}


@pytest.fixture(scope="module")
def after_quality_jobs(run_daemon: Any, run_emulator: Any, device_at: Any, wait_until: Any) -> set[str]:
    """What a daemon tells of its quality jobs after they succeeded."""
    quality = {"jobs": {"enabled": True, "delay": 0, "jobs": ["readout"]}}
    with (
        run_emulator(shot_rate=10_000) as emulator,
        run_daemon(devices=[device_at(emulator.url, quality=quality)]) as daemon,
    ):
        wait_until(lambda: "\nqpu_readout_error_ratio" in daemon.metrics_text(), "no quality job succeeded")
        families = text_string_to_metric_families(daemon.metrics_text())
        return {f"{item.name}_total" if item.type == "counter" else item.name for item in families}


@pytest.fixture(scope="module")
def exposed(busy: str) -> set[str]:
    """The names of the families, as the catalogue spells them."""
    return {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in text_string_to_metric_families(busy)
    }


def test_everything_exposed_is_in_the_catalogue_but_the_site_s_own(exposed: set[str]) -> None:
    assert exposed - by_prometheus_name().keys() == {"room_celsius"}


def on_a_host_that_has_all(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return what the host's collector tells of a machine with disks, a network and sensors."""
    monkeypatch.setattr(psutil, "disk_io_counters", lambda **_: {"sda": Told(read_bytes=1, write_bytes=1)})
    monkeypatch.setattr("qwatch.collectors.host._is_disk", lambda name: True)
    monkeypatch.setattr(psutil, "net_io_counters", lambda **_: {"eth0": Told(bytes_recv=1, bytes_sent=1)})
    monkeypatch.setattr(psutil, "net_if_stats", lambda: {"eth0": Told(flags="up")})
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: {"coretemp": [Told(current=40.0)]})
    return {sample.metric.prometheus_name for sample in HostCollector(Path("/")).collect()}


def of_a_resource_that_tells_all(tmp_path: Path) -> set[str]:
    """Return what the device's collector tells of a QRMI resource whose ``status()`` has every field."""
    device = DeviceSettings(name="EMU", url="http://127.0.0.1:1")
    store = StoreSettings(url=f"sqlite:///{tmp_path / 'qwatch.db'}")
    instruments = Instruments(CollectorRegistry())
    scheduler = Scheduler(ApiSettings(), store, [device], SchedulerSettings(), instruments)
    scheduler.devices["EMU"].report = ResourceReport(True, 3, 4, 2)
    return {sample.metric.prometheus_name for sample in DeviceCollector(scheduler).collect()}


def of_an_observer(tmp_path: Path, url: str) -> set[str]:
    """Return what an observer tells of a device that has just answered."""
    settings = ObserverSettings.model_validate({"devices": [{"name": "EMU", "qpu_api": {"url": url}}]})
    store = StoreSettings(url=f"sqlite:///{tmp_path / 'observer.db'}")

    async def observe() -> set[str]:
        observer = Observer(settings, store, None, Instruments(CollectorRegistry()))
        await observer.start()
        try:
            async with asyncio.timeout(60):
                while True:
                    told = await asyncio.to_thread(lambda: list(ObserverCollector(observer).collect()))
                    names = {sample.metric.prometheus_name for sample in told}
                    if observer_metrics.SOURCE_LAST_SUCCESS.prometheus_name in names:
                        return names
                    await asyncio.sleep(0.05)
        finally:
            await observer.stop()

    return asyncio.run(observe())


@pytest.mark.parametrize("metric", catalogue(), ids=lambda metric: metric.name)
def test_everything_in_the_catalogue_can_be_exposed(
    metric: Metric,
    exposed: set[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    run_device: Any,
    request: pytest.FixtureRequest,
) -> None:
    if metric.source is Source.PROGRAM:
        assert metric.prometheus_name not in exposed
        return
    if metric.source is Source.OBSERVER:
        assert metric.prometheus_name not in exposed
        with run_device() as qpu:
            exposed = of_an_observer(tmp_path, qpu.url)
    if metric.name.startswith("qpu.probe."):
        exposed = exposed | request.getfixturevalue("after_quality_jobs")
    if metric in host_metrics.METRICS:
        exposed = exposed | on_a_host_that_has_all(monkeypatch)
    if metric in (device_metrics.HEALTHY, device_metrics.PENDING_JOBS, device_metrics.SLOTS):
        exposed = exposed | of_a_resource_that_tells_all(tmp_path)
    assert metric.prometheus_name in exposed, "it is in the catalogue, and nothing makes it"


def test_every_sample_has_the_labels_and_values_of_its_entry(busy: str) -> None:
    entries = by_prometheus_name()
    for family in text_string_to_metric_families(busy):
        entry = entries.get(f"{family.name}_total" if family.type == "counter" else family.name)
        if entry is None:
            continue
        assert family.type == entry.kind
        assert family.documentation == entry.help
        for sample in family.samples:
            told = {name: value for name, value in sample.labels.items() if name != "le"}
            assert set(told) == set(entry.label_names), sample
            for label in entry.labels:
                assert label.values is None or told[label.name] in label.values, sample
            assert ("le" in sample.labels) <= (entry.kind is Kind.HISTOGRAM)


def test_promtool_finds_no_fault(busy: str, require_program: Any) -> None:
    checked = subprocess.run(
        [require_program("promtool", package="prometheus"), "check", "metrics"],
        input=busy,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_every_collector_is_healthy(busy: str) -> None:
    success = {
        sample.labels["collector"]: sample.value
        for family in text_string_to_metric_families(busy)
        for sample in family.samples
        if sample.name == "qwatch_collector_success"
    }
    assert set(success.values()) == {1.0}
    assert {"host", "device", "queue", "quality", "slurm", "accounts", "external:room"} <= success.keys()
