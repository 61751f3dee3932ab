"""The committed reference of the metrics is what the catalogue makes, and tells all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from qwatch.telemetry.catalogue import Kind, catalogue
from qwatch.telemetry.reference import FILE, main, reference


def test_the_committed_reference_is_fresh() -> None:
    assert FILE.read_text(encoding="utf-8") == reference(), "run: make metrics-reference"


@pytest.mark.parametrize("entry", catalogue(), ids=lambda entry: entry.name)
def test_each_entry_is_told_with_its_labels_and_buckets(entry: object) -> None:
    (metric,) = [found for found in catalogue() if found is entry]
    rows = [line for line in reference().splitlines() if line.startswith(f"| `{metric.prometheus_name}` ")]
    about, *bounds = rows
    assert f"(`{metric.name}`)" in about
    assert metric.help in about
    assert all(f"`{name}`" in about for name in metric.label_names)
    assert len(bounds) == (metric.kind is Kind.HISTOGRAM)


def test_a_stale_reference_is_told_with_the_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "metrics.md"
    assert main(["--check", "--file", str(file)]) == 1
    assert main(["--file", str(file)]) == 0
    assert main(["--check", "--file", str(file)]) == 0
    file.write_text(file.read_text().replace("Wall time", "Time"))
    capsys.readouterr()
    assert main(["--check", "--file", str(file)]) == 1
    told = capsys.readouterr().err
    assert "-| `qpu_time_seconds_total`" in told
    assert "make metrics-reference" in told
