"""Make docs/metrics.md, the reference of all metrics, from the catalogue, or look whether it is fresh.

``python -m qwatch.telemetry.reference`` writes; with ``--check`` nothing is written, and the exit code is 1 if
the committed reference is not what the catalogue makes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from .catalogue import Kind, Label, Metric, Source, catalogue, groups
from .generated_file import write_or_check

MODULE = "qwatch.telemetry.reference"
FILE = Path(__file__).resolve().parents[1] / "docs" / "metrics.md"

_INTRODUCTION = """\
# Metrics

Made from the catalogue in `telemetry/` by `make metrics-reference`; do not edit.

- `qpu_*` are facts about devices, queues and jobs, `qrmi_*` the QRMI library seen from a user's process,
  `slurm_qpu_*` what Slurm knows of QPUs, `qwatch_*` qwatch itself.
- The name in parentheses is the OpenTelemetry name; the Prometheus name is its standard translation.
- Units are seconds, bytes, hertz, degrees Celsius, and ratios from 0 to 1. What is not known is absent.
- A value outside a label's enumeration is told as `other`. A histogram also has `_bucket`, `_sum` and `_count`.
- They are in the daemon's `/metrics`, except those marked *program*, which a user's process
  sends by OTLP, and those marked *observer*, which only a daemon in that role has.
"""


def reference() -> str:
    """Return the reference as it is committed."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _INTRODUCTION.rstrip()
    for about, metrics in groups():
        title, _, rest = " ".join(about.split()).partition(". ")
        yield ""
        heading, _, aside = title.partition(": ")
        yield f"## {heading.rstrip('.')}"
        if said := ". ".join(part.strip().rstrip(".") for part in (aside, rest) if part.strip()):
            yield ""
            yield f"{said[0].upper()}{said[1:]}."
        yield ""
        yield "| metric | kind | labels | meaning |"
        yield "| --- | --- | --- | --- |"
        yield from (_row(metric) for metric in metrics)
    yield from _labels()
    yield from _buckets()


def _row(metric: Metric) -> str:
    kind = str(metric.kind)
    if metric.exemplars:
        kind += ", exemplars"
    if metric.source is not Source.DAEMON:
        kind += f", *{metric.source}*"
    labels = ", ".join(f"`{name}`" for name in metric.label_names)
    return f"| `{metric.prometheus_name}` (`{metric.name}`) | {kind} | {labels} | {_cell(metric.help)} |"


def _labels() -> Iterator[str]:
    yield ""
    yield "## Labels"
    yield ""
    yield "A label without values here is bounded by the site: its devices, disks, partitions."
    yield ""
    yield "| label | of | values | meaning |"
    yield "| --- | --- | --- | --- |"
    for label, metrics in sorted(_users().items(), key=lambda item: (item[0].name, item[1])):
        values = ", ".join("empty" if value == "" else f"`{value}`" for value in label.values or ())
        of = ", ".join(f"`{name}`" for name in metrics) if len(metrics) <= 4 else f"{len(metrics)} metrics"
        yield f"| `{label.name}` | {of} | {values} | {_cell(label.help)} |"


def _users() -> dict[Label, list[str]]:
    users: dict[Label, list[str]] = {}
    for metric in catalogue():
        for label in metric.labels:
            users.setdefault(label, []).append(metric.prometheus_name)
    return users


def _buckets() -> Iterator[str]:
    yield ""
    yield "## Buckets"
    yield ""
    yield "Upper bounds of the histograms' buckets, in the metric's unit; `+Inf` is the last one of each."
    yield ""
    yield "| histogram | bounds |"
    yield "| --- | --- |"
    for metric in catalogue():
        if metric.kind is Kind.HISTOGRAM:
            bounds = ", ".join(f"{bound:g}" if bound < 1e6 else f"{bound:.0f}" for bound in metric.buckets)
            yield f"| `{metric.prometheus_name}` | {bounds} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    return write_or_check(MODULE, __doc__, FILE, reference, "metrics-reference", arguments)


if __name__ == "__main__":
    sys.exit(main())
