"""The host as psutil tells it: every declared metric, counters that never fall, a bounded set of series."""

from __future__ import annotations

import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwatch.collectors.host import HostCollector
from qwatch.telemetry import host_metrics
from qwatch.telemetry.catalogue import Kind

Traffic = namedtuple("Traffic", "bytes_recv bytes_sent")
State = namedtuple("State", "flags")
Times = namedtuple("Times", "user system children_user children_system")
Memory = namedtuple("Memory", "rss")


def collected(collector: HostCollector) -> dict[tuple[str, ...], float]:
    return {(sample.metric.name, *sample.labels.values()): sample.value for sample in collector.collect()}


def test_every_declared_metric_has_plausible_values(tmp_path: Path) -> None:
    found = collected(HostCollector(tmp_path))
    assert {key[0] for key in found} <= {metric.name for metric in host_metrics.METRICS}
    assert found["qwatch.host.memory", "total"] == psutil.virtual_memory().total
    assert 0 < found["qwatch.host.memory", "available"] <= found["qwatch.host.memory", "total"]
    assert found["qwatch.host.disk", "total"] == psutil.disk_usage(str(tmp_path)).total
    assert found["qwatch.host.load1",] >= 0
    assert found["qwatch.host.cpu", "idle"] > 0
    assert {key[1] for key in found if key[0] == "qwatch.host.cpu"} == {
        "user",
        "system",
        "idle",
        "iowait",
        "other",
    }
    assert found["qwatch.host.process.memory", "daemon"] > 2**20
    assert found["qwatch.host.process.cpu", "daemon"] > 0
    assert ("qwatch.host.network", "lo", "receive") not in found


def test_a_path_that_does_not_exist_yet_is_on_its_parent_s_disk(tmp_path: Path) -> None:
    found = collected(HostCollector(tmp_path / "not" / "yet"))
    assert found["qwatch.host.disk", "total"] == psutil.disk_usage(str(tmp_path)).total


def test_counters_do_not_fall_over_real_updates(tmp_path: Path) -> None:
    collector = HostCollector(tmp_path)
    counters = {metric.name for metric in host_metrics.METRICS if metric.kind is Kind.COUNTER}
    before = collected(collector)
    for _ in range(5):
        now = collected(collector)
        for key, value in before.items():
            if key[0] in counters:
                assert now[key] >= value
        before = now


def burn(seconds: float) -> subprocess.Popen[bytes]:
    """Start a child that uses ``seconds`` of CPU and then waits to be told to end."""
    script = f"import time\nwhile time.process_time() < {seconds}: pass\nprint(1, flush=True)\ninput()"
    return subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[bytes]]:
    process = burn(0.35)  # the system accounts in ticks of 0.01 s
    assert process.stdout is not None
    assert process.stdout.readline() == b"1\n"
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_what_a_child_consumed_stays_when_it_ends(tmp_path: Path, worker: subprocess.Popen[bytes]) -> None:
    collector = HostCollector(tmp_path)
    alive = collected(collector)
    assert alive["qwatch.host.process.cpu", "worker"] >= 0.3
    assert alive["qwatch.host.process.memory", "worker"] > 2**20
    worker.communicate(b"\n")
    ended = collected(collector)
    assert ended["qwatch.host.process.cpu", "worker"] >= alive["qwatch.host.process.cpu", "worker"]
    # Its time moved to the daemon's account of ended children: it must not be there twice.
    assert ended["qwatch.host.process.cpu", "worker"] < alive["qwatch.host.process.cpu", "worker"] + 0.25
    assert ended["qwatch.host.process.memory", "worker"] < alive["qwatch.host.process.memory", "worker"]


class FakeProcess:
    """A process whose account is set by the test."""

    def __init__(self, **account: Any) -> None:
        self.times = Times(1.0, 0.0, 0.0, 0.0)
        self.family: list[FakeProcess] = []
        self.gone = False
        self.__dict__.update(account)

    def oneshot(self) -> FakeProcess:
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass

    def cpu_times(self) -> Times:
        if self.gone:
            raise psutil.NoSuchProcess(1)
        return self.times

    def memory_info(self) -> Memory:
        return Memory(100)

    def children(self, recursive: bool) -> list[FakeProcess]:
        assert recursive
        return self.family


def with_process(path: Path, process: FakeProcess) -> HostCollector:
    collector = HostCollector(path)
    collector._process = process  # type: ignore[assignment]
    return collector


def worker_seconds(collector: HostCollector) -> float:
    return collected(collector)["qwatch.host.process.cpu", "worker"]


def test_a_child_that_was_never_waited_for_keeps_its_time(tmp_path: Path) -> None:
    daemon = FakeProcess(family=[FakeProcess(times=Times(100, 20, 0, 0))])
    collector = with_process(tmp_path, daemon)
    assert worker_seconds(collector) == 120
    daemon.family = []
    assert worker_seconds(collector) == 120
    daemon.family = [FakeProcess(times=Times(5, 0, 0, 0))]
    assert worker_seconds(collector) == 125


def test_a_child_that_ends_during_the_update_is_left_out(tmp_path: Path) -> None:
    daemon = FakeProcess(family=[FakeProcess(gone=True), FakeProcess(times=Times(5, 0, 0, 0))])
    assert worker_seconds(with_process(tmp_path, daemon)) == 5


@given(st.lists(st.lists(st.floats(0, 1e6), max_size=4), min_size=1, max_size=12))
def test_whatever_children_do_the_counter_never_falls(generations: list[list[float]]) -> None:
    daemon = FakeProcess()
    collector = with_process(Path("/"), daemon)
    before = 0.0
    for seconds in generations:
        daemon.family = [FakeProcess(times=Times(used, 0, 0, 0)) for used in seconds]
        now = worker_seconds(collector)
        assert now >= before
        before = now


def network(
    monkeypatch: pytest.MonkeyPatch, counters: dict[str, tuple[int, int]], loopback: tuple[str, ...] = ()
) -> None:
    monkeypatch.setattr(
        psutil,
        "net_io_counters",
        lambda pernic, nowrap: {name: Traffic(*pair) for name, pair in counters.items()},
    )
    flags = {name: State("up,loopback" if name in loopback else "up,running") for name in counters}
    monkeypatch.setattr(psutil, "net_if_stats", lambda: flags)


def interfaces(found: dict[tuple[str, ...], float]) -> set[str]:
    return {key[1] for key in found if key[0] == "qwatch.host.network"}


def test_the_number_of_interfaces_is_bounded_for_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collector = HostCollector(tmp_path, most_interfaces=3)
    seen: set[str] = set()
    for generation in range(5):
        network(monkeypatch, {f"veth{generation}{index}": (1, 1) for index in range(10)})
        seen |= interfaces(collected(collector))
    assert len(seen) == 3


def test_hardware_comes_before_virtual_interfaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwatch.collectors.host._is_hardware", lambda name: name == "ib0")
    network(monkeypatch, {"br0": (1, 1), "docker0": (1, 1), "ib0": (1, 1)})
    assert interfaces(collected(HostCollector(tmp_path, most_interfaces=1))) == {"ib0"}


def test_loopback_is_known_by_its_flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network(monkeypatch, {"eth0": (1, 1), "local7": (1, 1)}, loopback=("local7",))
    assert interfaces(collected(HostCollector(tmp_path))) == {"eth0"}


def test_traffic_goes_on_where_it_was_when_an_interface_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = HostCollector(tmp_path)
    network(monkeypatch, {"eth0": (1000, 10)})
    collected(collector)
    network(monkeypatch, {})
    assert interfaces(collected(collector)) == set()
    network(monkeypatch, {"eth0": (5, 0)})
    assert collected(collector)["qwatch.host.network", "eth0", "receive"] == 1000
    network(monkeypatch, {"eth0": (25, 0)})
    assert collected(collector)["qwatch.host.network", "eth0", "receive"] == 1020


def test_cpu_time_that_the_kernel_takes_back_does_not_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu = namedtuple("cpu", "user system idle iowait nice irq softirq steal")
    values = iter([cpu(1, 1, 9, 5.0, 1, 1, 1, 1), cpu(2, 1, 9, 4.9, 1, 1, 1, 1), cpu(3, 1, 9, 5.1, 1, 1, 1, 1)])
    monkeypatch.setattr(psutil, "cpu_times", lambda: next(values))
    collector = HostCollector(tmp_path)
    found = [collected(collector)["qwatch.host.cpu", "iowait"] for _ in range(3)]
    assert found == [5.0, 5.0, 5.1]


Sensor = namedtuple("Sensor", "label current high critical")
Blocks = namedtuple("Blocks", "read_bytes write_bytes")


def test_the_hottest_sensor_of_each_chip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chips = {
        "coretemp": [Sensor("Core 0", 41.0, 90.0, 100.0), Sensor("Core 1", 43.5, 90.0, 100.0)],
        "nvme": [Sensor("", 0.0, None, None)],
    }
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: chips)
    found = collected(HostCollector(tmp_path))
    assert found["qwatch.host.temperature", "coretemp"] == 43.5
    assert ("qwatch.host.temperature", "nvme") not in found


def test_traffic_of_whole_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwatch.collectors.host._is_disk", lambda name: name in ("sda", "nvme0n1"))
    counters = {name: Blocks(10, 20) for name in ("sda", "sda1", "dm-0", "nvme0n1", "loop0")}
    monkeypatch.setattr(psutil, "disk_io_counters", lambda perdisk, nowrap: counters)
    collector = HostCollector(tmp_path)
    found = collected(collector)
    disks = {key[1] for key in found if key[0] == "qwatch.host.disk.traffic"}
    assert disks == {"sda", "nvme0n1"}
    assert found["qwatch.host.disk.traffic", "sda", "write"] == 20
    del counters["nvme0n1"]
    counters["sda"] = Blocks(30, 20)
    found = collected(collector)
    assert found["qwatch.host.disk.traffic", "sda", "read"] == 30
    assert ("qwatch.host.disk.traffic", "nvme0n1", "read") not in found


def test_a_host_without_disks_or_sensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "disk_io_counters", lambda perdisk, nowrap: {})
    monkeypatch.setattr(psutil, "sensors_temperatures", dict)
    found = collected(HostCollector(tmp_path))
    assert {key[0] for key in found}.isdisjoint({"qwatch.host.disk.traffic", "qwatch.host.temperature"})
