"""QPU licences, GRES and the jobs that ask for them, from a real Slurm; and a Slurm that hangs or errs."""

from __future__ import annotations

import logging
import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from qwatch.collectors.background import NotCurrentError
from qwatch.collectors.registry import CollectorSet
from qwatch.collectors.settings import SlurmSettings
from qwatch.collectors.slurm import SlurmCollector


def told(collector: SlurmCollector) -> dict[tuple[str, ...], float]:
    return {
        (sample.metric.prometheus_name, *sample.labels.values()): sample.value for sample in collector.collect()
    }


def settings(**given: Any) -> SlurmSettings:
    return SlurmSettings.model_validate({"enabled": True, "interval": 1} | given)


@pytest.fixture
def asked(slurm: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The running Slurm, which the collector finds; without jobs at the end."""
    monkeypatch.setenv("SLURM_CONF", str(slurm.configuration))
    # A user's settings must not change what is read.
    monkeypatch.setenv("SQUEUE_FORMAT", "%i")
    monkeypatch.setenv("SQUEUE_FORMAT2", "JobID")
    monkeypatch.setenv("SINFO_FORMAT", "%N")
    return slurm


def test_licences_gres_and_jobs_of_a_real_slurm(
    asked: Any, wait_until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    running = asked.submit("--licenses=fresnel:3", "--partition=quantum")
    asked.submit("--licenses=fresnel:2,matlab:1", "--partition=quantum")
    asked.submit("--gres=qpu:fresnel:1", "--partition=debug")
    asked.submit("--gres=qpu:2", "--partition=debug,quantum", "--array=1-3", "--hold")
    asked.submit("--licenses=matlab:1", "--partition=debug")
    collector = SlurmCollector(settings(), ["FRESNEL"])
    collector.start()
    try:
        with caplog.at_level(logging.INFO, logger="qwatch.collectors.slurm"):
            wait_until(
                lambda: (
                    collector.last_reading
                    and told(collector).get(("slurm_qpu_jobs", "debug", "running")) == 1
                    and told(collector).get(("slurm_qpu_license", "fresnel", "used")) == 3
                ),
                "Slurm does not run the jobs",
            )
        found = told(collector)
        expected = {
            ("slurm_qpu_jobs", "quantum", "running"): 1,
            ("slurm_qpu_jobs", "quantum", "pending"): 1,
            ("slurm_qpu_jobs", "debug", "running"): 1,
            ("slurm_qpu_jobs", "debug", "pending"): 3,
            ("slurm_qpu_license", "fresnel", "total"): 4,
            ("slurm_qpu_license", "fresnel", "used"): 3,
            ("slurm_qpu_license", "fresnel", "reserved"): 0,
            ("slurm_qpu_license", "qpu_left", "total"): 2,
            ("slurm_qpu_gres", "qpu:fresnel", "total"): 2,
            ("slurm_qpu_gres", "qpu:fresnel", "used"): 1,
        }
        assert {key: found.get(key) for key in expected} == expected
        assert not [key for key in found if "matlab" in key]
        # No job is a label: its number is in the log, where the line of its session has it too.
        assert running not in {value for key in found for value in key[1:]}
        assert [record.__dict__["slurm_job_id"] for record in caplog.records].count(running) == 1
        asked.run("scancel", f"--user={os.getuid()}")
        wait_until(
            lambda: told(collector)["slurm_qpu_license", "fresnel", "used"] == 0,
            "the licences are not returned",
        )
        # A partition without jobs says so instead of vanishing.
        wait_until(lambda: told(collector)["slurm_qpu_jobs", "quantum", "running"] == 0, "a job stays")
    finally:
        collector.stop()


def test_nothing_of_slurms_own_metrics_is_there_twice() -> None:
    """Slurm's own (slurm_jobs…, slurm_nodes…, slurm_partition…, slurm_sched…) never begin with slurm_qpu."""
    for metric in SlurmCollector(settings(), []).metrics:
        assert re.match(r"slurm_qpu_(jobs|license|gres)$", metric.prometheus_name)


def test_a_hung_squeue_delays_no_scrape(write_command: Any, tmp_path: Path, wait_until: Any) -> None:
    pid_file = tmp_path / "pid"
    folder = write_command("squeue", f"echo $$ > {pid_file}; exec sleep 600").parent
    collector = SlurmCollector(settings(commands=folder, timeout=300), [])
    collectors = CollectorSet([collector])
    collectors.start()
    try:
        wait_until(lambda: pid_file.exists() and pid_file.read_text().strip(), "squeue is not run")
        pid = int(pid_file.read_text())
        for _ in range(3):
            families = {family.name: family for family in collectors.collect()}
            assert not [name for name in families if name.startswith("slurm_")]
            (success,) = families["qwatch_collector_success"].samples
            assert success.value == 0
        # All scrapes were answered, and it hangs to this moment.
        os.kill(pid, 0)
    finally:
        collectors.stop()
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the hung command outlives the collector")


def test_switched_off_by_name_slurm_is_not_asked(write_command: Any, tmp_path: Path) -> None:
    folder = write_command("squeue", f"touch {tmp_path}/asked").parent
    collector = SlurmCollector(settings(commands=folder), [])
    collectors = CollectorSet([collector], disabled=["slurm"])
    collectors.start()
    assert collectors.names == ()
    assert not any(thread.name == "qwatch-read-slurm" for thread in threading.enumerate())
    collectors.stop()


def test_what_is_too_old_is_told_no_more(write_command: Any, tmp_path: Path, wait_until: Any) -> None:
    broken = tmp_path / "broken"
    squeue = write_command(
        "squeue", f"test ! -e {broken} || {{ echo 'slurm_load_jobs error: Unable to contact' >&2; exit 1; }}"
    )
    write_command("scontrol", "echo 'LicenseName=fresnel Total=4 Used=1 Free=3 Reserved=0 Remote=no'")
    collector = SlurmCollector(
        settings(commands=squeue.parent, gres=(), interval=1, stale_after=2), ["FRESNEL"]
    )
    collector.start()
    try:
        wait_until(lambda: collector.last_reading, "nothing is read")
        assert told(collector)["slurm_qpu_license", "fresnel", "used"] == 1
        broken.touch()

        def failure() -> str | None:
            try:
                told(collector)
            except NotCurrentError as error:
                return str(error)
            return None

        assert "squeue ended with 1: slurm_load_jobs error" in wait_until(failure, "it is told for ever")
        broken.unlink()
        wait_until(lambda: failure() is None, "it does not recover")
    finally:
        collector.stop()


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("echo 1 2 3", "8 fields were asked for, and this was printed: '1 2 3'"),
        ("exit 3", "squeue ended with 3"),
        (None, "squeue is not in"),
    ],
)
def test_what_slurm_should_not_say_is_one_line(
    write_command: Any, wait_until: Any, caplog: pytest.LogCaptureFixture, script: str | None, line: str
) -> None:
    folder = write_command("squeue", script or "").parent
    if script is None:
        (folder / "squeue").unlink()
    collector = SlurmCollector(settings(commands=folder), [])
    collector.start()
    try:
        wait_until(lambda: caplog.records, "nothing is logged")
        assert line in caplog.text
        with pytest.raises(NotCurrentError, match=re.escape(line)):
            list(collector.collect())
    finally:
        collector.stop()
