"""The example in the documentation of the interface runs as it is printed."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from qwatch.collectors import interface
from qwatch.collectors.registry import CollectorSet


def test_the_example_collector(tmp_path: Path) -> None:
    assert interface.__doc__ is not None
    block = interface.__doc__.split("::\n\n", 1)[1]
    code = block.split("\nIt is handed to", 1)[0]
    assert 20 <= len(code.splitlines()) <= 60
    names: dict[str, Any] = {}
    exec(textwrap.dedent(code), names)  # the documentation is the program under test
    path = tmp_path / "helium"
    registry = CollectorRegistry()
    registry.register(CollectorSet([names["HeliumCollector"]("FRESNEL", path)]))
    assert 'qwatch_collector_success{collector="helium"} 0.0' in generate_latest(registry).decode()
    path.write_text("main 0.81\nreserve 1.0\nrefills 3\n")
    text = generate_latest(registry).decode()
    assert 'site_helium_fill_ratio{kind="main",qpu_id="FRESNEL"} 0.81' in text
    assert 'site_helium_refills_total{qpu_id="FRESNEL"} 3.0' in text
    assert 'qwatch_collector_success{collector="helium"} 1.0' in text
