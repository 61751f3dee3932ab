"""The published figures of the closest peer, and how ours stand beside them."""

from __future__ import annotations

from typing import Any

from report import Table

METHOD = """\
Warden 0.1.0 (sources of May 2026), the open-source second-level scheduler behind QRMI's pasqal-local, as
published: by the same method on 2 cores, 24 GiB, Debian 12, loopback, SQLite, fsync of about 0.15 ms.
ABSOLUTE FIGURES DIFFER BETWEEN MACHINES and with what else runs on them; compare by order of magnitude, or
measure both in one run."""

SUBMISSION = {
    ("HTTP", 1, "waits"): ("181 to 203", "4.6 to 5.3", "7.0 to 7.9"),
    ("HTTP", 8, "waits"): ("223 to 231", "13", "440 to 646"),
    ("HTTP", 32, "waits"): ("204 to 210", "90 to 94", "1114 to 1215"),
    ("wheel", 1, "waits"): ("169 to 180", "5.4 to 5.9", "7.2 to 8.2"),
    ("wheel", 8, "waits"): ("208 to 231", "13 to 15", "438 to 538"),
    ("wheel", 32, "waits"): ("171 to 205", "96 to 113", "1117 to 1675"),
    ("HTTP", 32, "runs"): ("193", None, None),
}
GAPS = {
    "1 s": ("4020 (tuned polls: 44; 10 ms polls: 18)", "20.2 (95.9; 98.3)"),
    "5.1 s": ("4930", "51.9"),
    "1 to 9 s": ("2800", "60.4"),
}
MEMORY = {
    "idle": "API 78 to 87 MiB + scheduler 65 MiB",
    "one body of 50 MiB, length told": "API 270 MiB (the body is accepted)",
}
NEXT_JOB = {(10_000, 0): "15", (100_000, 0): "89 to 117", (100_000, 20_000): "188"}
STORE = "4100 without results"


def comparison(tables: list[dict[str, Any]]) -> Table:
    """Return a table of what was measured here and what is published of the peer."""
    found = Table("Beside the closest peer", METHOD, ["figure", "Warden 0.1.0, published", "qwatch, here"])
    rows = {table["title"]: table["rows"] for table in tables}
    for by, clients, dispatcher, rate, p50, p99, *_ in rows.get("Submission", []):
        peer = SUBMISSION.get((by, clients, dispatcher))
        if peer is None:
            continue
        name = f"submission, {by}, {clients} clients" + (", dispatcher on" if dispatcher == "runs" else "")
        found.add(f"{name}: jobs/s", peer[0], rate)
        if peer[1] is not None:
            found.add(f"{name}: p50 ms", peer[1], p50)
            found.add(f"{name}: p99 ms", peer[2], p99)
    for length, _, mean, _, _, utilization, _ in rows.get("Idle gap between queued jobs", []):
        if length in GAPS:
            found.add(f"idle gap, jobs of {length}: mean ms", GAPS[length][0], mean)
            found.add(f"utilization, jobs of {length}: %", GAPS[length][1], utilization)
    for process, after, resident, _ in rows.get("Memory", []):
        if process == "daemon" and after in MEMORY:
            found.add(f"memory, {after}", MEMORY[after], resident)
    for _, size in rows.get("Store", []):
        found.add("store: bytes a job", STORE, f"{size:.0f} with result, log and slice")
    for ended, pending, following, *_ in rows.get("A long history", []):
        if (ended, pending) in NEXT_JOB:
            found.add(f"next job, {ended} ended, {pending} pending: ms", NEXT_JOB[ended, pending], following)
    return found
