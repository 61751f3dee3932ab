"""The daemon's processes and its host, where no node_exporter tells of it."""

from __future__ import annotations

from ...telemetry import host_metrics as host
from ...telemetry.promql import Matches, rate, select
from .. import palette
from ..grafana import Panel, PrometheusTarget
from ..panel_types import stat, time_series

WINDOW = "$__rate_interval"
OFF = "not told: metrics.disabled_collectors has host, or node_exporter tells it"


def process_cpu(site: Matches) -> Panel:
    """Draw the CPU time of the daemon."""
    return time_series(
        "CPU of qwatch",
        "CPU seconds a second of the daemon's processes: 1 is one core.",
        "suffix: cores",
        PrometheusTarget(rate(host.PROCESS_CPU, site, WINDOW, ("process",)), "{{process}}"),
        decimals=2,
        stacked=True,
        none=OFF,
    )


def process_memory(site: Matches) -> Panel:
    """Draw the memory of the daemon."""
    return time_series(
        "Memory of qwatch",
        "Resident memory of the daemon's processes. It is flat, however long the queue and whichever backend "
        "is down; a climb over days is a leak.",
        "bytes",
        PrometheusTarget(f"sum by (process) ({select(host.PROCESS_MEMORY, site)})", "{{process}}"),
        decimals=1,
        stacked=True,
        none=OFF,
    )


def disk_left(site: Matches) -> Panel:
    """Say how much of the store's disk is free."""
    free, total = (
        f"sum without (kind) ({select(host.DISK, {**site, 'kind': kind})})" for kind in ("free", "total")
    )
    return stat(
        "Disk free",
        "Share of the file system of the store that is free, of several hosts the least. Full, no job can be "
        "accepted.",
        "percentunit",
        PrometheusTarget(f"min({free} / ({total} > 0))", instant=True),
        decimals=1,
        limits=((None, palette.NEUTRAL), (0, palette.BAD), (0.05, palette.WARNING), (0.2, palette.GOOD)),
    )


def disk(site: Matches) -> Panel:
    """Draw the disk of the store."""
    return time_series(
        "Disk of the store",
        "File system that holds the store: what is used, and its size.",
        "bytes",
        *(
            PrometheusTarget(f"max({select(host.DISK, {**site, 'kind': kind})})", kind)
            for kind in ("used", "total")
        ),
        decimals=1,
        fill=0,
        none=OFF,
    )


def cpu(site: Matches) -> Panel:
    """Draw the CPU time of the host."""
    each = rate(host.CPU, site, WINDOW, ("mode",))
    return time_series(
        "CPU of the host",
        "Share of the host's CPU time by mode. Much iowait: the disk is what qwatch waits for.",
        "percentunit",
        PrometheusTarget(f"{each} / on () group_left () {rate(host.CPU, site, WINDOW)}", "{{mode}}"),
        decimals=1,
        stacked=True,
        maximum=1,
        overrides=palette.coloured_as({"idle": "super-light-blue", "iowait": "red", "user": "green"}),
        none=OFF,
    )


def load(site: Matches) -> Panel:
    """Draw the load of the host."""
    return time_series(
        "Load of the host",
        "Load average of the last minute: processes that run or want to.",
        "short",
        PrometheusTarget(f"max({select(host.LOAD, site)})", "load"),
        decimals=2,
        none=OFF,
    )


def memory(site: Matches) -> Panel:
    """Draw the memory of the host."""
    return time_series(
        "Memory of the host",
        "Memory that is used, is available to programs, and is there in all.",
        "bytes",
        PrometheusTarget(f"max by (kind) ({select(host.MEMORY, site)})", "{{kind}}"),
        decimals=1,
        fill=0,
        none=OFF,
    )


def traffic(site: Matches) -> Panel:
    """Draw what goes through network and disks."""
    return time_series(
        "Network and disks of the host",
        "Bytes a second through all network interfaces and all disks.",
        "Bps",
        PrometheusTarget(rate(host.NETWORK, site, WINDOW, ("direction",)), "network: {{direction}}"),
        PrometheusTarget(rate(host.DISK_TRAFFIC, site, WINDOW, ("direction",)), "disk: {{direction}}"),
        decimals=1,
        fill=0,
        none=OFF,
    )


def temperatures(site: Matches) -> Panel:
    """Draw the temperatures of the host."""
    return time_series(
        "Temperatures of the host",
        "The highest temperature that each chip tells; none in a virtual machine.",
        "celsius",
        PrometheusTarget(f"max by (sensor) ({select(host.TEMPERATURE, site)})", "{{sensor}}"),
        decimals=0,
        fill=0,
        none="no sensor",
    )
