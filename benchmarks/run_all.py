"""Every benchmark with short settings, and what is published of the closest peer: at most eight minutes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import peer
import report
import stack

SHORT = {
    "submission.py": [],
    "dispatch_gap.py": ["--durations", "0.1", "1"],
    "instrumentation.py": ["--rounds", "30", "--tasks", "20000"],
    "memory.py": ["--jobs", "2000", "--emulated-jobs", "20"],
    "scrape.py": ["--devices", "1", "10", "--scrapes", "20", "--idle", "10"],
    "queue_collector.py": ["--history", "100000", "--pending", "0", "1000"],
    "live_views.py": ["--waiting", "1000", "--seconds", "3", "--load", "3"],
    "telemetry_cost.py": ["--states", "healthy", "hangs", "--rounds", "4", "--seconds", "2"],
    "utilization_report.py": ["--jobs", "100000", "--past", "20000", "--formats", "json", "--rounds", "1"],
}
LONG = {
    "submission.py": ["--repeat", "3"],
    "dispatch_gap.py": ["--durations", "0.1", "1", "5.1", "1..9"],
    "instrumentation.py": [],
    "memory.py": [],
    "alerts.py": [],
    "scrape.py": [],
    "queue_collector.py": [],
    "live_views.py": [],
    "telemetry_cost.py": [],
    "utilization_report.py": [],
}
_MOST_SECONDS = 1800.0


def run(settings: dict[str, list[str]], directory: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Run each benchmark; return the tables of those that ended well, and the names of the others."""
    tables: list[dict[str, Any]] = []
    failed = []
    for name, options in settings.items():
        kept = directory / f"{name}.json"
        print(f"\n== {name} {' '.join(options)}", flush=True)
        child = subprocess.Popen([sys.executable, str(stack.HERE / name), *options, "--json", str(kept)])
        try:
            code = child.wait(_MOST_SECONDS)
        except BaseException:
            # It stops what it started itself, on SIGTERM.
            child.terminate()
            child.wait()
            raise
        if code == 0:
            tables += json.loads(kept.read_text(encoding="utf-8"))["tables"]
        else:
            failed.append(name)
    return tables, failed


def main() -> int:
    """Run, compare, and keep."""
    options = report.parser(__doc__)
    options.add_argument("--long", action="store_true", help="the full settings: about half an hour")
    given = options.parse_args()
    stack.stop_on_signals()
    machine = report.machine()
    with stack.folder() as directory:
        tables, failed = run(LONG if given.long else SHORT, directory)
    compared = peer.comparison(tables)
    compared.show()
    if given.json is not None:
        content = {"machine": machine, "tables": [*tables, compared.as_json()]}
        given.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if failed:
        print(f"\nnot measured, see above: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
