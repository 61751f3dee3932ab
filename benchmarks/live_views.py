"""What ten viewers of `qwatch top` and of the status page cost the daemon, and those who submit meanwhile."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import httpx
import psutil
import report
import stack
import workload
from history import fill
from report import Table
from stack import HERE, Stack

METHOD = """\
A real `qwatch serve` ({auth}) whose device is down, so that what waits stays; so many jobs wait already.
Viewers are open streams of server-sent events over loopback, read by threads of this process: `top` is `GET
/live/events` with a credential of an administrator (all jobs, with names), `page` the status page's own stream
without login. Still: CPU time of the daemon's process over {seconds:g} s in which nothing changes, as part of
one core. Then {clients} clients submit for {load:g} s, so that every snapshot differs from the one before: jobs
accepted a second, latency of a submission, CPU time of the daemon; events: what one viewer got meanwhile."""
SHOTS = 100


class Viewers:
    """Open streams, and how many snapshots came."""

    def __init__(self, running: Stack, count: int, kind: str) -> None:
        self.events = 0
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch, args=(running, kind), daemon=True) for _ in range(count)
        ]

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watch until the block ends."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()

    def _watch(self, running: Stack, kind: str) -> None:
        headers = running.credential() if kind == "top" else {}
        parameters = {} if kind == "top" else {"form": "page"}
        url = f"{running.api_url}/live/events"
        with httpx.stream("GET", url, headers=headers, params=parameters, timeout=60) as response:
            response.raise_for_status()
            for chunk in response.iter_raw():
                self.events += chunk.count(b"event: snapshot")
                if self._stop.is_set():
                    return


def cpu_of(running: Stack) -> float:
    """Return the CPU seconds that the daemon has taken."""
    return float(sum(psutil.Process(running.daemon.pid).cpu_times()[:2]))


def point(waiting: int, count: int, kind: str, seconds: float, load: float, clients: int) -> list[report.Cell]:
    """Measure one point and return its row."""
    with stack.folder() as directory:
        fill(directory / "qwatch.db", 0, waiting)
        with stack.running("1", status="DOWN", directory=directory) as running:
            session = running.acquire()
            viewers = Viewers(running, count, kind)
            with viewers.watching():
                time.sleep(2.0)
                before, begun = cpu_of(running), time.monotonic()
                time.sleep(seconds)
                still = (cpu_of(running) - before) / (time.monotonic() - begun)
                order = {
                    "name": workload.DEVICE,
                    "port": running.api_port,
                    "session": session,
                    "clients": clients,
                    "sequence": workload.sequence(),
                    "shots": SHOTS,
                    "warm_up": 1.0,
                    "seconds": load,
                }
                if running.auth == "local":
                    order["token"] = running.credential()["authorization"].removeprefix("Bearer ")
                seen, before = viewers.events, cpu_of(running)
                done = subprocess.run(
                    [sys.executable, str(HERE / "http_load.py")],
                    input=json.dumps(order),
                    stdout=subprocess.PIPE,
                    text=True,
                    check=True,
                    timeout=load + 60,
                )
                used = (cpu_of(running) - before) / (1.0 + load)
                seen = viewers.events - seen
                # Wakes each viewer once more, so that it sees the end.
                running.submit(session, SHOTS)
            times = json.loads(done.stdout)["seconds"]
    return [
        waiting,
        f"{count} {kind}" if count else "none",
        100 * still,
        len(times) / load,
        report.quantile(times, 0.5) * 1000,
        report.quantile(times, 0.99) * 1000,
        round(used, 2),
        seen / count if count else None,
    ]


def main() -> None:
    """Measure and print."""
    options = report.parser(__doc__)
    options.add_argument("--waiting", type=int, nargs="*", default=[0, 10_000])
    options.add_argument("--seconds", type=float, default=10.0, help="length of the still part")
    options.add_argument("--load", type=float, default=8.0, help="length of the submissions")
    options.add_argument("--clients", type=int, default=4)
    given = options.parse_args()
    machine = report.machine()
    table = Table(
        "Live views",
        METHOD.format(
            auth="MUNGE" if stack.auth_here() == "munge" else "auth: local, as no munged answers here",
            seconds=given.seconds,
            load=given.load,
            clients=given.clients,
        ),
        [
            "waiting",
            "viewers",
            "still, % of a core",
            "jobs/s",
            "p50 ms",
            "p99 ms",
            "daemon, cores",
            "events",
        ],
    )
    for waiting in given.waiting:
        for count, kind in ((0, ""), (1, "top"), (10, "top"), (1, "page"), (10, "page")):
            table.add(*point(waiting, count, kind, given.seconds, given.load, given.clients))
            print(f"{waiting} waiting, {count} {kind}: done", file=sys.stderr)
    report.conclude([table], machine, given.json)


if __name__ == "__main__":
    main()
