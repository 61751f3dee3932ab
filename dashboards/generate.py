"""Write the boards' JSON and Grafana's provisioning, or compare them with what is committed.

``python -m qwatch.dashboards.generate`` writes; with ``--check`` nothing is written, and the exit code is 1
if a committed board is not what the code makes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ..telemetry.tree_differences import differences
from . import data_sources, fleet, internals, my_jobs, objectives, qpu, queue_and_scheduling, utilization
from .grafana import Json

DIRECTORY = Path(__file__).parent / "json"
PROVISIONING = Path(__file__).parent / "provisioning"
BOARDS: Mapping[str, Callable[[], Json]] = {
    "fleet": fleet.board,
    "internals": internals.board,
    "my_jobs": my_jobs.board,
    "objectives": objectives.board,
    "qpu": qpu.board,
    "queue_and_scheduling": queue_and_scheduling.board,
    "utilization": utilization.board,
}
"""The boards by the name of their file."""


def rendered(board: Json) -> str:
    """Return a board as it is committed: pretty and in a stable order."""
    return json.dumps(board, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def check(directory: Path) -> Iterator[str]:
    """Yield a line for each difference between the boards in ``directory`` and those that the code makes."""
    for name, board in BOARDS.items():
        path = directory / f"{name}.json"
        if not path.exists():
            yield f"{path.name}: missing"
            continue
        committed, generated = path.read_text(encoding="utf-8"), rendered(board())
        if committed != generated:
            try:
                found = list(differences(json.loads(committed), json.loads(generated)))
            except json.JSONDecodeError as error:
                found = [f"is not JSON: {error}"]
            yield from (f"{path.name}: {line}" for line in found or ["only its formatting differs"])
    for path in sorted(directory.glob("*.json")):
        if path.stem not in BOARDS:
            yield f"{path.name}: no board makes this file"


def write(directory: Path) -> list[Path]:
    """Write every board into ``directory`` and return the files."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, board in BOARDS.items():
        path = directory / f"{name}.json"
        path.write_text(rendered(board()), encoding="utf-8")
        written.append(path)
    return written


def check_provisioning() -> Iterator[str]:
    """Yield a line for each provisioning file that is not what the code makes."""
    for name, text in data_sources.files().items():
        path = PROVISIONING / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            yield f"provisioning/{name}: not what the code makes"


def write_provisioning() -> list[Path]:
    """Write the provisioning files and return them."""
    for name, text in data_sources.files().items():
        path = PROVISIONING / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [PROVISIONING / name for name in data_sources.files()]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m qwatch.dashboards.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    parser.add_argument("--directory", type=Path, help="where the boards' JSON lies; nothing else is looked at")
    options = parser.parse_args(arguments)
    directory: Path = options.directory or DIRECTORY
    if not options.check:
        for path in (*write(directory), *(write_provisioning() if directory == DIRECTORY else ())):
            print(f"wrote {path}")
        return 0
    found = [*check(directory), *(check_provisioning() if directory == DIRECTORY else ())]
    for line in found:
        print(line, file=sys.stderr)
    if found:
        print("run: make dashboards", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
