"""Accepted submissions a second and their latency at 1, 8 and 32 clients, by raw HTTP and by the real wheel."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psutil
import report
import stack
import workload
from report import Table
from stack import HERE, Stack

SHOTS = 100
BUSY_FOR = "3600"

METHOD = """\
POST /jobs against a real `qwatch serve` ({auth}, SQLite in WAL with synchronous=FULL on the local disk, log
to a file), load generators on the same cores, sequence of {size} bytes, {seconds:g} s a point after
{warm_up:g} s of warm-up, a fresh store and daemon for each point. HTTP: keep-alive sockets writing raw
requests from one process, a fresh credential each, made within the time measured. Wheel: as many processes
of the real qrmi wheel calling task_start. Dispatcher "waits": the device is busy for an hour with one job,
so nothing else is dispatched. "runs": jobs take {short} s on the device, so it dispatches all the time.
"daemon" is its CPU time in cores."""


def point(kind: str, clients: int, busy: str, warm_up: float, seconds: float) -> list[report.Cell]:
    """Measure one point and return its row."""
    with stack.running(busy) as running:
        session = running.acquire()
        running.submit(session, SHOTS)
        order = {
            "name": workload.DEVICE,
            "port": running.api_port,
            "session": session,
            "clients": clients,
            "sequence": workload.sequence(),
            "shots": SHOTS,
            "warm_up": warm_up,
            "seconds": seconds,
        }
        with _cpu_of(running) as cpu:
            times, refused = _raw(running, order) if kind == "HTTP" else _wheel(order)
        used = cpu[0] / (warm_up + seconds)
    return [
        kind,
        clients,
        "waits" if busy == BUSY_FOR else "runs",
        len(times) / seconds,
        report.quantile(times, 0.5) * 1000,
        report.quantile(times, 0.99) * 1000,
        max(times, default=float("nan")) * 1000,
        refused,
        round(used, 2),
    ]


@contextlib.contextmanager
def _cpu_of(running: Stack) -> Iterator[list[float]]:
    process = psutil.Process(running.daemon.pid)
    before = sum(process.cpu_times()[:2])
    spent = [0.0]
    yield spent
    spent[0] = sum(process.cpu_times()[:2]) - before


def _raw(running: Stack, order: dict[str, Any]) -> tuple[list[float], int]:
    if running.auth == "local":
        order["token"] = running.credential()["authorization"].removeprefix("Bearer ")
    done = subprocess.run(
        [sys.executable, str(HERE / "http_load.py")],
        input=json.dumps(order),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=order["warm_up"] + order["seconds"] + 60,
    )
    found = json.loads(done.stdout)
    return found["seconds"], sum(found["refused"].values())


def _wheel(order: dict[str, Any]) -> tuple[list[float], int]:
    with contextlib.ExitStack() as exits:
        clients = [
            exits.enter_context(
                subprocess.Popen(
                    [sys.executable, str(HERE / "wheel_load.py")],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(order["clients"])
        ]
        for client in clients:
            exits.callback(client.kill)
            assert client.stdin is not None
            client.stdin.write(json.dumps(order) + "\n")
            client.stdin.flush()
        for client in clients:
            assert client.stdout is not None
            client.stdout.readline()
        for client in clients:
            assert client.stdin is not None
            client.stdin.write("go\n")
            client.stdin.flush()
        times: list[float] = []
        failed = 0
        for client in clients:
            answer = client.communicate(timeout=order["warm_up"] + order["seconds"] + 60)[0]
            failed += client.returncode != 0
            times += [duration for _, duration in json.loads(answer or "[]")]
        return times, failed


def main() -> None:
    """Measure and print."""
    options = report.parser(__doc__)
    options.add_argument("--clients", type=int, nargs="*", default=[1, 8, 32])
    options.add_argument("--kinds", nargs="*", choices=["HTTP", "wheel"], default=["HTTP", "wheel"])
    options.add_argument("--seconds", type=float, default=4.0, help="length of a point")
    options.add_argument("--warm-up", type=float, default=1.0)
    options.add_argument("--repeat", type=int, default=1, help="times that each point is measured")
    options.add_argument("--short-job", default="0.1", help="seconds of a job where the dispatcher runs")
    options.add_argument("--no-dispatch", action="store_true", help="leave out the point where it runs")
    given = options.parse_args()
    auth = stack.auth_here()
    kinds = given.kinds if auth == "munge" else [kind for kind in given.kinds if kind == "HTTP"]
    table = Table(
        "Submission",
        METHOD.format(
            auth="MUNGE" if auth == "munge" else "auth: local, as no munged answers here",
            size=len(workload.sequence()),
            seconds=given.seconds,
            warm_up=given.warm_up,
            short=given.short_job,
        ),
        ["by", "clients", "dispatcher", "jobs/s", "p50 ms", "p99 ms", "max ms", "refused", "daemon"],
    )
    machine = report.machine()
    for kind in kinds:
        for clients in given.clients:
            for _ in range(given.repeat):
                table.add(*point(kind, clients, BUSY_FOR, given.warm_up, given.seconds))
    if not given.no_dispatch:
        for _ in range(given.repeat):
            table.add(*point("HTTP", max(given.clients), given.short_job, given.warm_up, given.seconds))
    report.conclude([table], machine, given.json)


if __name__ == "__main__":
    main()
