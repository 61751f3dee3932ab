"""A daemon measures its device and reads the site's feed if it is told to, and shows both."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_quality_jobs_and_a_feed_are_shown(
    tmp_path: Path,
    run_daemon: Any,
    run_emulator: Any,
    device_at: Callable[..., dict[str, Any]],
    wait_until: Any,
    require_program: Callable[..., Path],
) -> None:
    feed = tmp_path / "feed.json"
    measured_at = time.time() - 30
    fill = {"metric": "qpu_register_fill_ratio", "value": 0.97, "uncertainty": 0.01}
    feed.write_text(json.dumps({"version": 1, "device": "EMU", "at": measured_at, "samples": [fill]}))
    quality = {
        "jobs": {"enabled": True, "delay": 0, "interval": 3600, "jobs": ["readout", "blockade"]},
        "feed": {"url": str(feed), "name": "site", "interval": 0.1},
    }
    noise = {"readout_false_negative": 0.2}
    with (
        run_emulator(shot_rate=10_000, noise=noise) as emulator,
        run_daemon(devices=[device_at(emulator.url, quality=quality)]) as daemon,
    ):
        wait_until(lambda: 'qpu_benchmark_fidelity_ratio{benchmark="blockade"' in daemon.metrics_text())
        error = daemon.metric("qpu_readout_error_ratio", kind="false_negative")
        uncertainty = daemon.metric("qpu_readout_error_uncertainty_ratio", kind="false_negative")
        assert abs(error - 0.2) < 4 * uncertainty
        assert daemon.metric("qpu_probe_runs_total", result="success") == 3
        assert daemon.metric("qpu_probe_duration_seconds_count") == 3
        assert daemon.metric("qpu_jobs_finished_total", job_class="qa", state="done") == 3
        assert daemon.metric("qpu_probe_last_success_timestamp_seconds") > measured_at
        assert daemon.metric("qpu_register_fill_ratio") == 0.97
        assert daemon.metric("qpu_quality_sample_timestamp_seconds", source="site") == measured_at
        assert daemon.metric("qwatch_quality_feed_success") == 1
        feed.write_text("{}")
        wait_until(lambda: daemon.metric("qwatch_quality_feed_success") == 0)
        assert daemon.metric("qpu_register_fill_ratio") == 0.97
        assert "the quality feed site of EMU: version: Field required" in daemon.log
        checked = subprocess.run(
            [require_program("promtool", "prometheus"), "check", "metrics"],
            input=daemon.metrics_text(),
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert daemon.metric("qpu_sessions_active") == 0


def test_nothing_is_measured_unless_it_is_asked_for(
    run_daemon: Any, run_device: Any, device_at: Callable[..., dict[str, Any]]
) -> None:
    with run_device() as device, run_daemon(devices=[device_at(device.url)]) as daemon:
        text = daemon.metrics_text()
        assert daemon.metric("qwatch_collector_success", collector="quality") == 1
        for name in ("qpu_rabi", "qpu_readout", "qpu_benchmark", "qpu_probe_runs", "qpu_quality"):
            assert f"\n{name}" not in text
        assert device.shots() == []
