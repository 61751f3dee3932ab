"""The quality collector tells the newest that was measured, and nothing that is stale or was not measured."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulser
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import event, insert

from qwatch.collectors.quality import QualityCollector
from qwatch.scheduler import ledger
from qwatch.scheduler.device_record import DeviceRecord
from qwatch.scheduler.ledger import QUALITY_JOB, QualitySample
from qwatch.scheduler.quality.service import QualityService
from qwatch.scheduler.scheduler import Scheduler
from qwatch.scheduler.settings import ApiSettings, DeviceSettings, SchedulerSettings, StoreSettings
from qwatch.scheduler.tables import ledger_quality
from qwatch.telemetry import quality_metrics
from qwatch.telemetry.catalogue import Metric
from qwatch.telemetry.instruments import Instruments

CHANNEL = {"channel": "rydberg_global"}


class Rig:
    """A scheduler that was not started, with the collector over its store."""

    def __init__(self, folder: Path) -> None:
        device = DeviceSettings.model_validate(
            {
                "name": "FRESNEL",
                "url": "http://qpu",
                "quality": {
                    "feed": {"url": "/feed.json", "name": "vendor"},
                    "readout_error_spec": {"false_negative": 0.08},
                    "max_age": 600,
                },
            }
        )
        self.scheduler = Scheduler(
            ApiSettings(),
            StoreSettings(url=f"sqlite:///{folder / 'qwatch.db'}"),
            [device],
            SchedulerSettings(),
            Instruments(CollectorRegistry()),
        )
        self.now = time.time()
        self.service = QualityService(self.scheduler)
        self.collector = QualityCollector(self.scheduler, self.service)

    def append(
        self,
        metric: Metric,
        value: float,
        at: float,
        labels: dict[str, str] | None = None,
        uncertainty: float | None = None,
        source: str = QUALITY_JOB,
    ) -> None:
        sample = QualitySample(
            qpu_id="FRESNEL",
            at=at,
            source=source,
            metric=metric,
            labels=labels or {},
            value=value,
            uncertainty=uncertainty,
        )
        with self.scheduler.store.engine.begin() as connection:
            ledger.append_quality(connection, [sample])

    def scrape(self) -> dict[tuple[str, ...], float]:
        """Return what is told by Prometheus name and label values, those of the specification left out."""
        return {
            (item.metric.prometheus_name, *list(item.labels.values())[1:]): item.value
            for item in self.collector.collect()
            if item.metric is not quality_metrics.READOUT_ERROR_SPEC
        }


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    found = Rig(tmp_path)
    yield found
    found.scheduler.store.engine.dispose()


def test_nothing_is_told_of_a_device_that_was_not_measured(rig: Rig) -> None:
    assert rig.scrape() == {}


def test_the_newest_sample_is_told_with_its_uncertainty_and_time(rig: Rig) -> None:
    rig.append(quality_metrics.RABI_DEVIATION, 0.01, rig.now - 50, CHANNEL, 0.003)
    rig.append(quality_metrics.RABI_DEVIATION, 0.02, rig.now - 20, CHANNEL, 0.004, "vendor")
    rig.append(quality_metrics.RABI_DEVIATION, 0.03, rig.now - 90, CHANNEL)
    wanted = {
        ("qpu_rabi_frequency_deviation_ratio", "rydberg_global"): 0.02,
        ("qpu_rabi_frequency_deviation_uncertainty_ratio", "rydberg_global"): 0.004,
        ("qpu_quality_sample_timestamp_seconds", "vendor"): rig.now - 20,
        ("qpu_quality_sample_timestamp_seconds", "quality_job"): rig.now - 50,
    }
    assert rig.scrape() == wanted
    assert rig.scrape() == wanted
    rig.append(quality_metrics.RABI_DEVIATION, 0.05, rig.now - 10, CHANNEL)
    found = rig.scrape()
    assert found[("qpu_rabi_frequency_deviation_ratio", "rydberg_global")] == 0.05
    assert ("qpu_rabi_frequency_deviation_uncertainty_ratio", "rydberg_global") not in found


def test_a_stale_value_is_absent_and_its_time_is_told(rig: Rig) -> None:
    rig.append(quality_metrics.BENCHMARK_FIDELITY, 0.9, rig.now - 700, {"benchmark": "blockade"}, 0.02)
    assert rig.scrape() == {
        ("qpu_benchmark_last_run_timestamp_seconds", "blockade"): rig.now - 700,
        ("qpu_quality_sample_timestamp_seconds", "quality_job"): rig.now - 700,
    }


def test_a_source_that_is_not_configured_any_more_is_not_named(rig: Rig) -> None:
    rig.append(quality_metrics.REGISTER_FILL, 0.9, rig.now, source="a feed of last year")
    assert rig.scrape() == {("qpu_register_fill_ratio",): 0.9}


def test_a_scrape_reads_what_is_new_and_not_the_history(rig: Rig) -> None:
    rows = [
        {
            "qpu_id": "FRESNEL",
            "at": rig.now - 20_000 + index,
            "source": QUALITY_JOB,
            "metric": quality_metrics.READOUT_ERROR.name,
            "labels": '{"kind": "false_positive"}',
            "value": 0.01,
        }
        for index in range(20_000)
    ]
    with rig.scheduler.store.engine.begin() as connection:
        connection.execute(insert(ledger_quality), rows)
    fetched = []

    def watch(_connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT"):
            plan = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            fetched.append(" ".join(str(row[-1]) for row in plan))

    assert rig.scrape()[("qpu_readout_error_ratio", "false_positive")] == 0.01
    event.listen(rig.scheduler.store.engine, "after_cursor_execute", watch)
    rig.append(quality_metrics.READOUT_ERROR, 0.02, rig.now, {"kind": "false_positive"})
    fetched.clear()
    assert rig.scrape()[("qpu_readout_error_ratio", "false_positive")] == 0.02
    [plan] = fetched
    assert "SEARCH ledger_quality USING INTEGER PRIMARY KEY (rowid>?)" in plan


def test_readout_errors_are_specified_by_the_configuration_and_else_by_the_specs(rig: Rig) -> None:
    noise = pulser.NoiseModel(p_false_pos=0.01, p_false_neg=0.05)
    specs = dataclasses.replace(pulser.AnalogDevice, noise_model=noise).to_abstract_repr()

    def specified() -> dict[str, float]:
        return {
            item.labels["kind"]: item.value
            for item in rig.collector.collect()
            if item.metric is quality_metrics.READOUT_ERROR_SPEC
        }

    assert specified() == {"false_negative": 0.08}
    device = rig.scheduler.default_device
    device.record = DeviceRecord(specs=str(specs))
    assert specified() == {"false_positive": 0.01, "false_negative": 0.08}
    device.record = DeviceRecord(specs=json.dumps({"default_noise_model": 7}))
    assert specified() == {"false_negative": 0.08}


def test_a_feed_that_fails_and_a_job_that_succeeded_are_told(rig: Rig) -> None:
    rig.service.feeds["FRESNEL"].succeeded = False
    assert rig.scrape() == {("qwatch_quality_feed_success",): 0.0}
