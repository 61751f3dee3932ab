"""The daemon's host and its own processes, as psutil tells them; for hosts without node_exporter."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

from ..telemetry import host_metrics
from ..telemetry.catalogue import OTHER
from .interface import Sample

MOST_INTERFACES = 16
_MOST_DISKS = 16
_MOST_SENSORS = 16
_MODES = ("user", "system", "idle", "iowait")
_OTHER_MODES = ("nice", "irq", "softirq", "steal")  # guest time is part of user and nice


class HostCollector:
    """CPU, memory, load, the disk of ``path``, disk and network traffic, temperatures, the daemon's processes.

    At most ``most_interfaces`` network interfaces get a series in the life of the process, hardware first,
    so that a host that makes virtual ones without end does not make series without end.
    """

    name = "host"
    metrics = host_metrics.METRICS

    def __init__(self, path: Path, most_interfaces: int = MOST_INTERFACES) -> None:
        self._path = path
        self._most_interfaces = most_interfaces
        self._interfaces: set[str] = set()
        self._process = psutil.Process()
        self._highest: dict[str, float] = {}
        self._totals: dict[tuple[str, ...], _Total] = {}

    def collect(self) -> Iterable[Sample]:
        """Return the samples of now; counters never fall."""
        yield from self._cpu()
        yield from _memory()
        yield Sample(host_metrics.LOAD, {}, os.getloadavg()[0])
        yield from self._disk()
        yield from self._disk_traffic()
        yield from _temperatures()
        yield from self._network()
        yield from self._processes()

    def _cpu(self) -> Iterator[Sample]:
        times = psutil.cpu_times()
        seconds = {mode: float(getattr(times, mode, 0.0)) for mode in _MODES}
        seconds[OTHER] = sum(float(getattr(times, mode, 0.0)) for mode in _OTHER_MODES)
        for mode, value in seconds.items():
            # Linux now and then takes a little iowait and idle time back.
            self._highest[mode] = max(value, self._highest.get(mode, 0.0))
            yield Sample(host_metrics.CPU, {"mode": mode}, self._highest[mode])

    def _disk(self) -> Iterator[Sample]:
        usage = psutil.disk_usage(str(_existing(self._path)))
        for kind in ("total", "used", "free"):
            yield Sample(host_metrics.DISK, {"kind": kind}, float(getattr(usage, kind)))

    def _disk_traffic(self) -> Iterator[Sample]:
        """Whole disks only: what goes through a partition, a volume or a RAID is in their traffic."""
        disks = {
            name: count
            for name, count in psutil.disk_io_counters(perdisk=True, nowrap=False).items()
            if _is_disk(name)
        }
        for name in sorted(disks)[:_MOST_DISKS]:
            traffic = {"read": disks[name].read_bytes, "write": disks[name].write_bytes}
            for direction, count in traffic.items():
                value = self._rising("disk", name, direction).advance(count)
                yield Sample(host_metrics.DISK_TRAFFIC, {"device": name, "direction": direction}, value)

    def _network(self) -> Iterator[Sample]:
        states = psutil.net_if_stats()
        counters = {
            name: count
            for name, count in psutil.net_io_counters(pernic=True, nowrap=False).items()
            if name in states and "loopback" not in states[name].flags.split(",")
        }
        self._admit(counters)
        for name in sorted(self._interfaces & counters.keys()):
            traffic = {"receive": counters[name].bytes_recv, "transmit": counters[name].bytes_sent}
            for direction, count in traffic.items():
                value = self._rising("network", name, direction).advance(count)
                yield Sample(host_metrics.NETWORK, {"device": name, "direction": direction}, value)

    def _admit(self, names: Iterable[str]) -> None:
        new = sorted(set(names) - self._interfaces, key=lambda name: (not _is_hardware(name), name))
        self._interfaces |= set(new[: self._most_interfaces - len(self._interfaces)])

    def _processes(self) -> Iterator[Sample]:
        with self._process.oneshot():
            own = self._process.cpu_times()
            own_memory = self._process.memory_info().rss
        # Children that have ended and were waited for are in the daemon's own account.
        worker_seconds = own.children_user + own.children_system
        worker_memory = 0
        for child in self._process.children(recursive=True):
            try:
                used = child.cpu_times()
                worker_memory += child.memory_info().rss
            except psutil.Error:  # it ended meanwhile, or is another user's
                continue
            worker_seconds += used.user + used.system + used.children_user + used.children_system
        cpu = {"daemon": own.user + own.system, "worker": worker_seconds}
        for role, seconds in cpu.items():
            yield Sample(
                host_metrics.PROCESS_CPU, {"process": role}, self._rising("process", role).advance(seconds)
            )
        yield Sample(host_metrics.PROCESS_MEMORY, {"process": "daemon"}, float(own_memory))
        yield Sample(host_metrics.PROCESS_MEMORY, {"process": "worker"}, float(worker_memory))

    def _rising(self, *key: str) -> _Total:
        return self._totals.setdefault(key, _Total())


class _Total:
    """The sum of a source's increases: when the source falls, because a child or a device went, it stays."""

    def __init__(self) -> None:
        self._total = 0.0
        self._last = 0.0

    def advance(self, value: float) -> float:
        """Return the total with the source now at ``value``."""
        self._total += max(0.0, value - self._last)
        self._last = value
        return self._total


def _memory() -> Iterator[Sample]:
    memory = psutil.virtual_memory()
    for kind in ("total", "available", "used"):
        yield Sample(host_metrics.MEMORY, {"kind": kind}, float(getattr(memory, kind)))


def _temperatures() -> Iterator[Sample]:
    """A chip has a sensor a core and more; the hottest is what matters. Virtual machines have none."""
    chips = psutil.sensors_temperatures()
    for chip in sorted(chips)[:_MOST_SENSORS]:
        # A sensor that is not connected tells 0 or less.
        if told := [sensor.current for sensor in chips[chip] if sensor.current and sensor.current > 0]:
            yield Sample(host_metrics.TEMPERATURE, {"sensor": chip}, float(max(told)))


def _existing(path: Path) -> Path:
    """Return ``path`` or, where it does not exist yet, the nearest parent that does."""
    path = path.absolute()
    return next(place for place in (path, *path.parents) if place.exists())


def _is_disk(name: str) -> bool:
    return Path("/sys/block", name.replace("/", "!"), "device").exists()


def _is_hardware(interface: str) -> bool:
    return Path("/sys/class/net", interface, "device").exists()
