"""One client of the load by the real ``qrmi`` wheel: ``task_start`` in a loop.

Run as a process of its own by submission.py, as many as there are clients: says that it is ready, waits for a
line, and prints the times of its calls.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import qrmi


def load(order: dict[str, Any]) -> list[tuple[float, float]]:
    """Submit for ``warm_up`` and ``seconds``; return (end by the monotonic clock, duration) of each call."""
    name = order["name"]
    os.environ |= {
        f"{name}_QRMI_WARDEN_URL": f"http://127.0.0.1:{order['port']}",
        f"{name}_QRMI_JOB_ACQUISITION_TOKEN": order["session"],
        "QRMI_JOB_UID": str(os.getuid()),
        "QRMI_JOB_ID": "1",
    }
    resource = qrmi.QuantumResource(name, qrmi.ResourceType.PasqalLocal)
    payload = qrmi.Payload.PasqalCloud(order["sequence"], order["shots"])
    resource.resource_type()
    print("ready", flush=True)
    sys.stdin.readline()
    begin = time.monotonic() + order["warm_up"]
    end = begin + order["seconds"]
    calls = []
    while (started := time.monotonic()) < end:
        resource.task_start(payload)
        ended = time.monotonic()
        if begin <= ended < end:
            calls.append((ended, ended - started))
    return calls


if __name__ == "__main__":
    print(json.dumps(load(json.loads(sys.stdin.readline()))))
