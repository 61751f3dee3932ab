"""What a job and a device leave behind: spans, log lines, series and bytes, and what fleets of QPUs come to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import at_scale
import psutil
import report
import stack
import workload
from counting_receiver import LINES, METRICS, SPANS, CountingReceiver, Seen, Traffic, receiving
from report import Table
from series import add, exposition, series_rows, series_table
from sqlalchemy import create_engine, text
from stack import HERE, Stack

QUIET_SECONDS = 7.0
"""Longer than spans, log lines and measurements wait to be sent."""
PROGRAM, RUN = "program_load", "qwatch-run"
_PATIENCE = 300.0

SENT_METHOD = """\
A real `qwatch serve` ({auth}) that sends spans by OTLP and log lines to Loki, at level info, and a
device whose jobs take {duration} s. {programs} programs under `qwatch run` one after the other, of
{jobs} jobs of {size} bytes each: target, then for each job task_start, a look at its state every
{poll:g} s, task_result. Program's half: the process of the program and that of `qwatch run`, which holds
the session. Bytes: the body of each request before compression, and the same with gzip (level 6). A
program sends its measurements at its end; series: what one program's come to in Prometheus. Fresh: a
program of one job."""
STORE_METHOD = """\
Pages of SQLite's file by its own dbstat after a checkpoint, indexes with their table, of the same {jobs}
jobs; the device's result has one bit string. A result of {shots} shots that all differ, of 20 qubits,
would take {result} bytes more."""
_GROUPS = {
    "job_payloads": "payload",
    "job_results": "result",
    "job_log": "log",
    "ledger_jobs": "ledger",
    "ledger_slurm_jobs": "ledger",
    "device_activity": "activity",
    # Deleted after a minute.
    "credentials_seen": "transient",
}


def run_program(running: Stack, receiver: CountingReceiver, jobs: int, poll: float) -> None:
    """Run one instrumented program to its end."""
    sequence = running.directory / "sequence.json"
    sequence.write_text(workload.sequence(), encoding="utf-8")
    environment = os.environ | {
        "QRMI_JOB_UID": str(os.getuid()),
        "QRMI_JOB_ID": "1",
        "QRMI_JOB_QPU_RESOURCES": workload.DEVICE,
        "QRMI_JOB_QPU_TYPES": "pasqal-local",
        f"{workload.DEVICE}_QRMI_WARDEN_URL": f"{running.api_url}/devices/{workload.DEVICE}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
    }
    if running.auth == "local":
        environment["QWATCH_TOKEN_FILE"] = str(running.directory / "token")
    command = [sys.executable, "-m", "qwatch.cli.main", "run", "--qpu", workload.DEVICE, "--"]
    command += [sys.executable, str(HERE / "program_load.py"), "--sequence", str(sequence)]
    command += ["--jobs", str(jobs), "--poll", str(poll)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=_PATIENCE
    )
    if done.returncode:
        raise SystemExit(f"the program failed ({done.returncode}): {done.stderr[-1500:]}")


@dataclass(frozen=True, slots=True)
class Sent:
    """What arrived, by half and signal; ``jobs`` caused it."""

    jobs: int
    daemon: Mapping[str, Traffic]
    program: Mapping[str, Traffic]
    cpu_seconds: float


def send(running: Stack, receiver: CountingReceiver, programs: int, jobs: int, poll: float) -> Sent:
    """Run programs, and count what they and the daemon sent for them."""
    receiver.until_quiet(QUIET_SECONDS)
    before = receiver.seen()
    process = psutil.Process(running.daemon.pid)
    spent = sum(process.cpu_times()[:2])
    for _ in range(programs):
        run_program(running, receiver, jobs, poll)
    receiver.until_quiet(QUIET_SECONDS)
    spent = sum(process.cpu_times()[:2]) - spent
    after = receiver.seen()
    return Sent(
        programs * jobs,
        {signal: added(after, before, signal, daemon=True) for signal in (SPANS, LINES)},
        {signal: added(after, before, signal, daemon=False) for signal in (SPANS, METRICS)},
        spent,
    )


def added(after: Seen, before: Seen, signal: str, *, daemon: bool) -> Traffic:
    """Return what one half sent of a signal between two counts."""
    total = Traffic()
    for (kind, service), traffic in after.items():
        if kind == signal and (service not in (PROGRAM, RUN)) == daemon:
            new = traffic.since(before.get((kind, service), Traffic()))
            total.requests += new.requests
            total.items += new.items
            total.plain += new.plain
            total.packed += new.packed
            total.most_series = max(total.most_series, new.most_series)
            total.names += new.names
    return total


def sent_rows(table: Table, names: Table, situation: str, sent: Sent) -> None:
    """Add what a job sent, and of which spans and levels that is."""
    rows: Iterable[tuple[str, Traffic]] = (
        ("spans, daemon", sent.daemon[SPANS]),
        ("spans, program", sent.program[SPANS]),
        ("log lines, daemon", sent.daemon[LINES]),
        ("data points, program", sent.program[METRICS]),
    )
    for what, traffic in rows:
        table.add(
            what,
            situation,
            traffic.items / sent.jobs,
            traffic.plain / sent.jobs,
            traffic.packed / sent.jobs,
            traffic.most_series or None,
        )
        if what != "data points, program":
            for name, count in traffic.names.most_common():
                names.add(what, situation, name, count / sent.jobs)


def stored(running: Stack) -> dict[str, tuple[int, int]]:
    """Return the bytes and the rows of each table."""
    engine = create_engine(f"sqlite:///{running.store}")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(FULL)")
        sizes = connection.execute(
            text(
                "SELECT m.tbl_name, sum(s.pgsize) FROM dbstat s JOIN sqlite_master m ON m.name = s.name"
                " GROUP BY m.tbl_name"
            )
        ).all()
        found = {
            name: (int(size), int(connection.exec_driver_sql(f'SELECT count(*) FROM "{name}"').scalar_one()))
            for name, size in sizes
        }
    engine.dispose()
    return found


def store_rows(
    table: Table, before: Mapping[str, tuple[int, int]], after: Mapping[str, tuple[int, int]], jobs: int
) -> dict[str, float]:
    """Add what a job left in each table; return the bytes of each group of tables."""
    groups: dict[str, float] = {}
    for name, (size, rows) in sorted(after.items(), key=lambda item: -item[1][0]):
        old_size, old_rows = before.get(name, (0, 0))
        grown = (size - old_size) / jobs
        if grown <= 0 and rows == old_rows:
            continue
        group = _GROUPS.get(name, "operational")
        groups[group] = groups.get(group, 0.0) + grown
        table.add(name, group, (rows - old_rows) / jobs, grown)
    for group, size in groups.items():
        table.add("all", group, None, size)
    return groups


def main() -> None:
    """Measure, extrapolate and print."""
    options = report.parser(__doc__)
    options.add_argument("--programs", type=int, default=10)
    options.add_argument("--jobs", type=int, default=40, help="jobs of a program")
    options.add_argument("--fresh", type=int, default=10, help="programs of one job")
    options.add_argument("--duration", default="0.1", help="seconds of a job on the device")
    options.add_argument("--poll", type=float, default=0.2, help="seconds between two looks at a task")
    options.add_argument("--devices", type=int, nargs="*", default=[1, 10, 100])
    options.add_argument("--qpus", type=int, nargs="*", default=[1, 10, 100])
    options.add_argument("--jobs-a-day", type=int, nargs="*", default=[1000, 50_000])
    given = options.parse_args()
    machine = report.machine()
    method = SENT_METHOD.format(
        auth="MUNGE" if stack.auth_here() == "munge" else "auth: local",
        size=len(workload.sequence()),
        **{name: getattr(given, name) for name in ("duration", "programs", "jobs", "poll")},
    )
    columns = ["what", "programs", "a job", "bytes a job", "gzip", "series a program"]
    sent_table = Table("Sent for a job", method, columns)
    names = Table("Of which", "The same.", ["what", "programs", "name or level", "a job"])
    shots = 500
    result = len(", ".join(f'"{number:020b}": 1' for number in range(shots)))
    stores = Table(
        "The store",
        STORE_METHOD.format(jobs=given.programs * given.jobs, shots=shots, result=result),
        ["table", "group", "rows a job", "bytes a job"],
    )
    series = series_table()
    with receiving(stack.free_port()) as receiver:
        telemetry = {"otlp_endpoint": receiver.url, "loki_url": receiver.url}
        with stack.running(given.duration, telemetry=telemetry) as running:
            run_program(running, receiver, 1, given.poll)
            before = stored(running)
            loops = send(running, receiver, given.programs, given.jobs, given.poll)
            groups = store_rows(stores, before, stored(running), loops.jobs)
            sent_rows(sent_table, names, "loops", loops)
            if given.fresh:
                sent_rows(sent_table, names, "fresh", send(running, receiver, given.fresh, 1, given.poll))
            add(series, 1, "programs", exposition(running))
        print("jobs: done", file=sys.stderr)
        found = []
        for devices in given.devices:
            found.append(series_rows(series, devices, telemetry)[1])
            print(f"{devices} devices: done", file=sys.stderr)
    spans = (loops.daemon[SPANS], loops.program[SPANS])
    one = at_scale.Footprint(
        daemon_series=found[-1].others,
        device_series=found[-1].of_devices / given.devices[-1],
        spans=sum(half.items for half in spans) / loops.jobs,
        trace_bytes=sum(half.plain for half in spans) / loops.jobs,
        trace_packed=sum(half.packed for half in spans) / loops.jobs,
        lines=loops.daemon[LINES].items / loops.jobs,
        log_bytes=loops.daemon[LINES].plain / loops.jobs,
        log_packed=loops.daemon[LINES].packed / loops.jobs,
        store_bytes=at_scale.stored_in_a_year(groups),
        cpu_milliseconds=1000 * loops.cpu_seconds / loops.jobs,
        program_series=loops.program[METRICS].most_series,
        program_jobs=given.jobs,
    )
    fleets = at_scale.table(one, given.qpus, given.jobs_a_day)
    report.conclude([sent_table, names, stores, series, fleets], machine, given.json)


if __name__ == "__main__":
    main()
