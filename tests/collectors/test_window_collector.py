"""What administrators told of a device's time, as metrics."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from qwatch.collectors.registry import CollectorSet
from qwatch.collectors.windows import WindowCollector
from qwatch.scheduler import device_record, windows
from qwatch.scheduler.scheduler import Scheduler
from qwatch.scheduler.settings import ApiSettings, DeviceSettings, SchedulerSettings, StoreSettings
from qwatch.scheduler.windows import NewWindow, OpenWindows, WindowKind
from qwatch.telemetry.instruments import Instruments


@pytest.fixture
def scheduler(tmp_path: Path) -> Scheduler:
    """One that was not started: its store is only read."""
    settings = DeviceSettings(
        name="EMU", url="http://qpu", calibration_intervals={"rabi_frequency": 86400.0, "ion_pump": 3600.0}
    )
    store = StoreSettings(url=f"sqlite:///{tmp_path / 'qwatch.db'}")
    found = Scheduler(ApiSettings(), store, [settings], SchedulerSettings(), Instruments(CollectorRegistry()))
    with found.store.engine.begin() as connection:
        device_record.load_or_create(connection, "EMU")
    return found


def calibrated(scheduler: Scheduler, procedure: str, begin: float, end: float | None, result: str) -> None:
    new = NewWindow(qpu_id="EMU", kind=WindowKind.CALIBRATION, procedure=procedure)
    with scheduler.store.engine.begin() as connection:
        windows.open_window(connection, new, begin, "ada")
        if end is not None:
            windows.close_window(connection, "EMU", WindowKind.CALIBRATION, end, "ada", result)


def exposed(scheduler: Scheduler) -> dict[tuple[str, str, str], float]:
    """Return the values by metric, procedure and result."""
    registry = CollectorRegistry()
    registry.register(CollectorSet([WindowCollector(scheduler)]))
    return {
        (sample.name, sample.labels.get("procedure", ""), sample.labels.get("result", "")): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name.startswith("qpu_")
    }


def test_before_the_first_calibration_only_what_is_due_is_told(scheduler: Scheduler) -> None:
    assert exposed(scheduler) == {
        ("qpu_calibration_interval_seconds", "rabi_frequency", ""): 86400,
        ("qpu_calibration_interval_seconds", "ion_pump", ""): 3600,
        ("qpu_calibrations_total", "rabi_frequency", "success"): 0,
        ("qpu_calibrations_total", "rabi_frequency", "failure"): 0,
        ("qpu_calibrations_total", "ion_pump", "success"): 0,
        ("qpu_calibrations_total", "ion_pump", "failure"): 0,
    }


def test_a_failed_calibration_is_counted_and_leaves_the_last_success(scheduler: Scheduler) -> None:
    calibrated(scheduler, "rabi_frequency", 100.0, 160.0, "success")
    calibrated(scheduler, "rabi_frequency", 500.0, 530.0, "failure")
    calibrated(scheduler, "rabi_frequency", 900.0, None, "")
    found = exposed(scheduler)
    assert found["qpu_last_calibration_timestamp_seconds", "rabi_frequency", ""] == 160
    assert found["qpu_calibration_duration_seconds", "rabi_frequency", ""] == 30
    assert found["qpu_calibrations_total", "rabi_frequency", "success"] == 1
    assert found["qpu_calibrations_total", "rabi_frequency", "failure"] == 1


def test_procedures_that_nobody_configured_meet_in_other(scheduler: Scheduler) -> None:
    calibrated(scheduler, "readout", 10.0, 20.0, "success")
    calibrated(scheduler, "ion_pump", 20.0, 30.0, "success")
    for number in range(5):
        calibrated(scheduler, f"whim_{number}", 100.0 * number + 100, 100.0 * number + 101, "success")
    found = exposed(scheduler)
    procedures = {procedure for _, procedure, _ in found}
    assert procedures == {"rabi_frequency", "ion_pump", "readout", "other"}
    assert found["qpu_calibrations_total", "other", "success"] == 5
    assert found["qpu_last_calibration_timestamp_seconds", "other", ""] == 501


def test_the_announced_end_is_told_while_there_is_one(scheduler: Scheduler) -> None:
    device = scheduler.default_device
    key = ("qpu_maintenance_end_timestamp_seconds", "", "")
    assert key not in exposed(scheduler)
    for end in (None, 900.0):
        new = NewWindow(qpu_id="EMU", kind=WindowKind.MAINTENANCE, announced_end_at=end)
        with scheduler.store.engine.begin() as connection:
            window, _ = windows.open_window(connection, new, 100.0, "ada")
        device.windows = OpenWindows((window,))
        assert exposed(scheduler).get(key) == end
