"""The daemon's host, as psutil tells it; switched off where node_exporter runs."""

from __future__ import annotations

from . import labels
from .catalogue import Kind, Metric

CPU = Metric("qwatch.host.cpu", Kind.COUNTER, "s", "CPU time of the host", (labels.MODE,))
MEMORY = Metric("qwatch.host.memory", Kind.GAUGE, "By", "Memory of the host", (labels.MEMORY_KIND,))
LOAD = Metric("qwatch.host.load1", Kind.GAUGE, "", "Load average of the last minute")
DISK = Metric("qwatch.host.disk", Kind.GAUGE, "By", "File system that holds the store", (labels.DISK_KIND,))
DISK_TRAFFIC = Metric(
    "qwatch.host.disk.traffic",
    Kind.COUNTER,
    "By",
    "Bytes read from and written to the host's disks",
    (labels.DEVICE_NAME, labels.BLOCK_TRAFFIC),
)
TEMPERATURE = Metric(
    "qwatch.host.temperature",
    Kind.GAUGE,
    "Cel",
    "The highest temperature that a chip of the host tells; absent where there is no sensor",
    (labels.SENSOR,),
)
NETWORK = Metric(
    "qwatch.host.network",
    Kind.COUNTER,
    "By",
    "Traffic of the host's network interfaces",
    (labels.DEVICE_NAME, labels.TRAFFIC),
)
PROCESS_CPU = Metric(
    "qwatch.host.process.cpu", Kind.COUNTER, "s", "CPU time of the daemon's processes", (labels.PROCESS_ROLE,)
)
PROCESS_MEMORY = Metric(
    "qwatch.host.process.memory",
    Kind.GAUGE,
    "By",
    "Resident memory of the daemon's processes",
    (labels.PROCESS_ROLE,),
)

METRICS = (CPU, MEMORY, LOAD, DISK, DISK_TRAFFIC, TEMPERATURE, NETWORK, PROCESS_CPU, PROCESS_MEMORY)
