"""A site's script or file beside our metrics: what it no longer prints is gone, and it never does harm."""

from __future__ import annotations

import logging
import os
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from qwatch.collectors.external import ExternalCollector
from qwatch.collectors.external_text import ExternalTextError, families_in
from qwatch.collectors.interface import Sample
from qwatch.collectors.registry import CollectorSet
from qwatch.collectors.settings import ExternalSettings
from qwatch.telemetry import device_metrics
from qwatch.telemetry.catalogue import Kind, Metric

CRYOSTAT = """\
# HELP cryostat_temperature_celsius Temperature of a stage
# TYPE cryostat_temperature_celsius gauge
cryostat_temperature_celsius{stage="still"} -272.3
cryostat_temperature_celsius{stage="mixing chamber"} -273.14
# TYPE cryostat_refills_total counter
cryostat_refills_total 3
# TYPE laser_pulse_seconds histogram
laser_pulse_seconds_bucket{le="1.0"} 1
laser_pulse_seconds_bucket{le="+Inf"} 2
laser_pulse_seconds_sum 3.5
laser_pulse_seconds_count 2
room_humidity 0.4
"""


class Site:
    """Collectors of a process with the given sources, scraped through a registry."""

    def __init__(self, *sources: dict[str, Any], ours: Iterable[Any] = (), **options: Any) -> None:
        settings = [ExternalSettings.model_validate({"interval": 1} | source) for source in sources]
        self.external = [ExternalCollector(item) for item in settings]
        self.collectors = CollectorSet(ours, self.external, **options)
        self.registry = CollectorRegistry()
        self.registry.register(self.collectors)

    def text(self) -> str:
        return generate_latest(self.registry).decode()

    def value(self, metric: str, /, **labels: str) -> float | None:
        return self.registry.get_sample_value(metric, labels)

    def success(self, source: str) -> float | None:
        return self.value("qwatch_collector_success", collector=f"external:{source}")


@pytest.fixture
def run_site() -> Iterator[Any]:
    running: list[Site] = []

    def run(*sources: dict[str, Any], **options: Any) -> Site:
        site = Site(*sources, **options)
        running.append(site)
        site.collectors.start()
        return site

    yield run
    for site in running:
        site.collectors.stop()


def test_a_script_s_metrics_stand_beside_ours(
    write_command: Any, run_site: Any, wait_until: Any, require_program: Any
) -> None:
    path = write_command("cryostat", f"cat <<'END'\n{CRYOSTAT}END")
    site = run_site({"name": "cryostat", "command": [str(path)]})
    wait_until(lambda: site.success("cryostat") == 1, "the script is not read")
    assert site.value("cryostat_temperature_celsius", stage="still") == -272.3
    assert site.value("cryostat_refills_total") == 3
    assert site.value("laser_pulse_seconds_bucket", le="+Inf") == 2
    assert site.value("room_humidity") == 0.4
    assert site.value("qwatch_collector_last_success_timestamp_seconds", collector="external:cryostat")
    openmetrics = list(parse_openmetrics(generate_openmetrics(site.registry).decode()))
    assert {"cryostat_temperature_celsius", "cryostat_refills"} <= {family.name for family in openmetrics}
    checked = subprocess.run(
        [require_program("promtool", package="prometheus"), "check", "metrics"],
        input=site.text(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_what_is_no_longer_printed_is_gone(tmp_path: Path, run_site: Any, wait_until: Any) -> None:
    file = tmp_path / "room.prom"
    file.write_text('room_celsius{place="a"} 21\nroom_celsius{place="b"} 22\n')
    site = run_site({"name": "room", "file": str(file)})
    wait_until(lambda: site.value("room_celsius", place="b") == 22, "the file is not read")
    file.write_text('room_celsius{place="a"} 23\n')
    wait_until(lambda: site.value("room_celsius", place="a") == 23, "the file is not read again")
    assert site.value("room_celsius", place="b") is None
    file.write_text("")
    wait_until(lambda: site.value("room_celsius", place="a") is None, "an empty file leaves something")
    assert site.success("room") == 1


def test_a_file_that_nothing_writes_any_more_is_told_no_more(
    tmp_path: Path, run_site: Any, wait_until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "room.prom"
    file.write_text("room_celsius 21\n")
    long_ago = time.time() - 500
    os.utime(file, (long_ago, long_ago))
    site = run_site({"name": "room", "file": str(file)})
    wait_until(lambda: "was not written for 50" in caplog.text, "its age is not told")
    assert site.value("room_celsius") is None
    assert site.success("room") == 0
    os.utime(file)
    wait_until(lambda: site.value("room_celsius") == 21, "it does not come back")


def test_a_script_that_hangs_delays_no_scrape_and_is_killed(
    write_command: Any, run_site: Any, wait_until: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pid = tmp_path / "pid"
    path = write_command("hang", f"echo $$ > {pid}; sleep 600")
    good = tmp_path / "good.prom"
    good.write_text("room_celsius 21\n")
    site = run_site(
        {"name": "hang", "command": [str(path)], "timeout": 0.5}, {"name": "good", "file": str(good)}
    )
    wait_until(lambda: pid.exists() and site.value("room_celsius") == 21, "nothing is read")
    assert site.success("hang") == 0
    assert site.success("good") == 1
    wait_until(lambda: "external:hang could not read: hang took longer than 0.5 s" in caplog.text)
    first = pid.read_text()
    wait_until(lambda: not Path("/proc", first.strip()).exists(), "it is not killed")


def test_a_script_is_told_none_of_our_secrets(
    write_command: Any, run_site: Any, wait_until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWATCH_TELEMETRY__LOKI_PASSWORD", "hunter2")
    monkeypatch.setenv("SITE_NAME", "here")
    path = write_command("tell", 'echo "site_info{name=\\"$SITE_NAME$QWATCH_TELEMETRY__LOKI_PASSWORD\\"} 1"')
    site = run_site({"name": "tell", "command": [str(path)]})
    wait_until(lambda: site.value("site_info", name="here") == 1, "the script is not read")


REFUSED = {
    "our devices": ("qpu_up 1", "qpu_up is refused"),
    "ours": ("qwatch_x 1", "qwatch_x is refused"),
    "ours with another end": ("# TYPE qrmi_x counter\nqrmi_x_total 1", "qrmi_x"),
    "Slurm's part of ours": ("slurm_qpu_jobs 1", "slurm_qpu_jobs is refused"),
    "no format": ("cryostat is cold", "not in Prometheus' text format"),
    "half a label": ('a{b="c 1', "not in Prometheus' text format"),
    "a time stamp": ("a 1 1700000000000", "time stamp"),
    "twice": ('a{b="c"} 1\na{b="c"} 2', "is there twice"),
    "two types": (
        "# TYPE a gauge\na 1\nb 1\n# TYPE a counter\na_total 2",
        "is a gauge here and a counter there",
    ),
    "a name of UTF-8": ('{"my.metric"} 1', "not letters"),
    "a reserved label": ('a{__name="x"} 1', "Invalid label"),
    "too many": ("".join(f'a{{b="{n}"}} 1\n' for n in range(50)), "51 series, and at most 50"),
    "a series of another family": (
        "# TYPE a counter\na_total 1\n# TYPE a_total gauge\nx 1\na_total 2\n",
        "a_total",
    ),
    "a bucket without bound": ("# TYPE h histogram\nh_bucket 1\nh_sum 1\nh_count 1", "no label 'le'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_refused_as_a_whole_with_one_line(case: str) -> None:
    text, reason = REFUSED[case]
    with pytest.raises(ExternalTextError) as failure:
        families_in(f"fine 1\n{text}\n", "s", 50)
    assert reason in str(failure.value)
    assert "\n" not in str(failure.value)


@given(st.text(max_size=60) | st.lists(st.sampled_from(CRYOSTAT.splitlines()), max_size=12).map("\n".join))
def test_any_text_is_refused_or_leaves_the_exposition_readable(text: str) -> None:
    try:
        families = families_in(text, "s", 50)
    except ExternalTextError:
        return

    class Fixed:
        name = "external:s"

        def families(self) -> Any:
            return families

    registry = CollectorRegistry()
    registry.register(CollectorSet([], [Fixed()]))
    names = [family.name for family in parse_text(generate_latest(registry).decode())]
    assert len(set(names)) == len(names)
    generate_openmetrics(registry)


SITE_FILL = Metric("site.helium.fill", Kind.GAUGE, "1", "Helium", ())


class Ours:
    name = "ours"
    metrics = (SITE_FILL, device_metrics.UP)

    def collect(self) -> Iterable[Sample]:
        return [Sample(SITE_FILL, {}, 0.5)]


def test_two_sources_share_a_family_and_a_clash_fails_the_later_one(
    tmp_path: Path, run_site: Any, wait_until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    texts = {
        "a": '# TYPE room_celsius gauge\nroom_celsius{place="a"} 1\n',
        "b": '# TYPE room_celsius gauge\nroom_celsius{place="b"} 2\n',
        "again": 'other 1\n# TYPE room_celsius gauge\nroom_celsius{place="a"} 9\n',
        "ours": "site_helium_fill_ratio 1\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    site = run_site(*({"name": name, "file": str(tmp_path / name)} for name in texts), ours=[Ours()])
    wait_until(lambda: all(item.last_reading for item in site.external), "not all is read")
    caplog.clear()
    text = site.text()
    assert text.count("# TYPE room_celsius gauge") == 1
    assert 'room_celsius{place="a"} 1.0\nroom_celsius{place="b"} 2.0\n' in text
    assert "other" not in text
    assert text.count("\nsite_helium_fill_ratio ") == 1
    assert [site.success(name) for name in texts] == [1, 1, 0, 0]
    assert "is there twice" in caplog.text
    assert "site_helium_fill_ratio is that of another collector" in caplog.text


def test_a_source_is_switched_off_by_name(
    tmp_path: Path, run_site: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        site = run_site({"name": "room", "file": str(tmp_path / "none")}, disabled=["external:room"])
    assert site.success("room") is None
    assert site.external[0].last_reading is None
    assert not caplog.records


def test_a_pipe_without_a_writer_holds_up_nothing(tmp_path: Path, run_site: Any, wait_until: Any) -> None:
    os.mkfifo(tmp_path / "pipe")
    site = run_site({"name": "pipe", "file": str(tmp_path / "pipe")})
    wait_until(lambda: site.external[0].last_reading, "it waits for a writer")


@pytest.mark.parametrize(
    ("mistake", "line"),
    [
        ({}, "give 'command' or 'file'"),
        ({"file": "/a", "command": ["/b"]}, "give 'command' or 'file'"),
        ({"command": ["cryostat.sh"]}, "must be an absolute path"),
        ({"file": "a.prom"}, "must be an absolute path"),
        ({"file": "/a", "name": "Cryo stat"}, "small letters"),
        ({"file": "/a", "stale_after": 1}, "shorter than interval"),
    ],
)
def test_mistakes_in_the_configuration(mistake: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        ExternalSettings.model_validate({"name": "s"} | mistake)
