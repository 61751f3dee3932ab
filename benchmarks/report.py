"""How every benchmark describes the machine and its method, prints its table, and keeps its figures."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

LIBRARIES = (
    "qwatch",
    "qrmi",
    "fastapi",
    "starlette",
    "uvicorn",
    "uvloop",
    "pydantic",
    "SQLAlchemy",
    "opentelemetry-sdk",
    "prometheus_client",
)

Cell = str | int | float | None


@dataclass(slots=True)
class Table:
    """Figures with the method that gave them."""

    title: str
    method: str
    columns: list[str]
    rows: list[list[Cell]] = field(default_factory=list)

    def add(self, *cells: Cell) -> None:
        """Append a row."""
        self.rows.append(list(cells))

    def as_json(self) -> dict[str, Any]:
        """Return the table for a file."""
        return asdict(self)

    def show(self) -> None:
        """Print title, method and rows."""
        shown = [self.columns, *([_text(cell) for cell in row] for row in self.rows)]
        widths = [max(len(row[place]) for row in shown) for place in range(len(self.columns))]
        print(f"\n{self.title}\n{textwrap.fill(' '.join(self.method.split()), 110)}\n")
        for number, row in enumerate(shown):
            numeric = number > 0
            print(
                "  ".join(
                    cell.rjust(width) if numeric and place else cell.ljust(width)
                    for place, (cell, width) in enumerate(zip(row, widths, strict=True))
                ).rstrip()
            )
            if number == 0:
                print("  ".join("-" * width for width in widths))


def machine() -> dict[str, str]:
    """Return what the figures depend on: hardware, system, interpreter, libraries, load."""
    found = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "CPU": f"{_cpu_model()}, {os.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "load before": "{:.2f} {:.2f} {:.2f} (1, 5, 15 minutes)".format(*os.getloadavg()),
    }
    return found | {"libraries": ", ".join(_libraries())}


def show_machine(found: dict[str, str]) -> None:
    """Print the machine, a line each."""
    width = max(len(key) for key in found)
    for key, value in found.items():
        print(f"{key.ljust(width)}  {value}")


def parser(description: str) -> argparse.ArgumentParser:
    """Return a command line with the options that every benchmark has."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--json", type=Path, metavar="FILE", help="also keep the figures in a file")
    return made


def conclude(tables: Sequence[Table], found: dict[str, str], keep: Path | None) -> None:
    """Print machine and tables, and keep them if asked."""
    show_machine(found)
    for table in tables:
        table.show()
    if keep is not None:
        content = {"machine": found, "tables": [table.as_json() for table in tables]}
        keep.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def quantile(values: Sequence[float], part: float) -> float:
    """Return the value below which ``part`` of ``values`` lie (nearest rank); NaN without values."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]


def _text(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        if math.isnan(cell):
            return "-"
        size = abs(cell)
        return f"{cell:.0f}" if size >= 100 else f"{cell:.1f}" if size >= 10 else f"{cell:.3g}"
    return str(cell)


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _libraries() -> list[str]:
    found = []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found
