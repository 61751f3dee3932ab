"""A user's program for measurements: runs jobs one after the other, as a variational loop does.

To be started by ``qwatch run``; the payload is read from a file, so that no quantum library is loaded.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import qrmi

from qwatch.qrmi.open_resource import open_resource
from qwatch.qrmi.session import session

FINAL = (qrmi.TaskStatus.Completed, qrmi.TaskStatus.Failed, qrmi.TaskStatus.Cancelled)


def main() -> None:
    """Ask for the target once, then run each job to its end and fetch its result."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--jobs", type=int, default=1)
    options.add_argument("--shots", type=int, default=100)
    options.add_argument("--poll", type=float, default=0.2, help="seconds between two looks at a task")
    options.add_argument("--sequence", type=Path, required=True)
    given = options.parse_args()
    payload = qrmi.Payload.PasqalCloud(given.sequence.read_text(encoding="utf-8"), given.shots)
    resource = open_resource(sdk="pulser")
    with session(resource):
        resource.target()
        for _ in range(given.jobs):
            task = resource.task_start(payload)
            while resource.task_status(task) not in FINAL:
                time.sleep(given.poll)
            resource.task_result(task)


if __name__ == "__main__":
    main()
