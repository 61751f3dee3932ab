"""A real Prometheus scrapes a running daemon, and promtool finds no fault in what it reads."""

from __future__ import annotations

import itertools
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from qwatch.scheduler import schema


@pytest.fixture(scope="module")
def stand(run_daemon: Any, run_device: Any, device_at: Any) -> Iterator[Any]:
    with run_device() as qpu, run_daemon(devices=[device_at(qpu.url, shot_rate=1000)]) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def daemon(stand: Any, sequence_text: str) -> Any:
    """A daemon that has run one job well and cancelled another."""
    token = stand.acquire()
    done, canceled = (stand.submit(token, sequence_text, shots) for shots in (400, 401))
    stand.ok("POST", f"/jobs/{canceled}/cancel")
    assert stand.finished(done)["status"] == "DONE"
    assert stand.finished(canceled)["status"] == "CANCELED"
    return stand


@pytest.fixture(scope="module")
def prometheus_url(
    daemon: Any, require_program: Any, free_port: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    program = require_program("prometheus", package="prometheus")
    folder: Path = tmp_path_factory.mktemp("prometheus")
    target = daemon.metrics_url.removeprefix("http://")
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        f"scrape_configs: [{{job_name: qwatch, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    port = free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        process.wait(30)


def ask(url: str, path: str, **parameters: str) -> Any:
    try:
        return httpx.get(f"{url}/api/v1/{path}", params=parameters, timeout=10).json()["data"]
    except (httpx.HTTPError, ValueError):
        return None


def test_prometheus_scrapes_without_an_error_and_answers_for_the_finished_job(
    prometheus_url: str, wait_until: Any
) -> None:
    def value(query: str) -> float:
        found = wait_until(
            lambda: (ask(prometheus_url, "query", query=query) or {}).get("result"), f"no answer to {query}"
        )
        return float(found[0]["value"][1])

    assert value("up") == 1
    (target,) = ask(prometheus_url, "targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    assert value('qpu_jobs_finished_total{qpu_id="EMU",state="done",job_class="production"}') == 1
    assert (
        value('qpu_jobs_finished_total{qpu_id="EMU",state="canceled",reason="user",job_class="production"}')
        == 1
    )
    assert value('qpu_shots_total{outcome="accepted"}') == 400
    assert value("qpu_job_run_duration_seconds_count") >= 1
    assert value('sum(qpu_state{state="online"})') == 1
    assert value("min(qwatch_collector_success)") == 1
    # Not one sample was dropped as a duplicate or as out of order.
    assert value("prometheus_target_scrapes_sample_duplicate_timestamp_total or vector(0)") == 0


def test_promtool_finds_no_fault(daemon: Any, require_program: Any) -> None:
    promtool = require_program("promtool", package="prometheus")
    checked = subprocess.run(
        [promtool, "check", "metrics"],
        input=daemon.metrics_text(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_every_second_of_the_device_is_attributed_once(
    daemon: Any, sequence_text: str, wait_until: Any
) -> None:
    """While a job runs too: the sum over the activities grows with the wall clock, and no part of it falls."""

    def partition() -> tuple[float, dict[str, float]]:
        text = daemon.metrics_text()
        at = time.monotonic()
        return at, {
            line.partition('activity="')[2].partition('"')[0]: float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.startswith("qpu_time_seconds_total{")
        }

    number = daemon.submit(daemon.acquire(), sequence_text, 700)
    begun, first = partition()
    seen = [first]
    wait_until(lambda: daemon.job(number)["status"] == "RUNNING")
    while daemon.job(number)["status"] == "RUNNING":
        seen.append(partition()[1])
    ended, last = partition()
    seen.append(last)
    assert sum(last.values()) - sum(first.values()) == pytest.approx(ended - begun, abs=0.3)
    for before, after in itertools.pairwise(seen):
        assert all(after[activity] >= value for activity, value in before.items())
    assert last["execute"] - first["execute"] == pytest.approx(0.7, abs=0.2)


def test_exactly_one_state_and_one_activity_hold(daemon: Any) -> None:
    assert daemon.metric("qpu_state") == 1
    assert daemon.metric("qpu_activity") == 1
    assert daemon.metric("qpu_state", state="online") == 1
    assert daemon.metric("qpu_activity", activity="idle") == 1


def test_no_user_job_or_session_is_a_label(daemon: Any) -> None:
    for line in daemon.metrics_text().splitlines():
        assert not {"user=", "account=", "job=", "session=", "uid=", "trace_id="} & set(
            line.partition("{")[2].replace(",", " ").replace('"', " ").split()
        ), line


def test_requests_are_measured_by_the_routes_template(daemon: Any) -> None:
    daemon.client.get("/jobs/123456789")
    daemon.client.get("/a/path/that/is/none")
    text = daemon.metrics_text()
    assert 'route="/jobs/{job_id}"' in text
    assert "123456789" not in text
    assert "/a/path" not in text


def test_health_has_reasons(daemon: Any) -> None:
    assert httpx.get(f"{daemon.metrics_url}/livez").text == "ok\n"
    ready = httpx.get(f"{daemon.metrics_url}/readyz")
    assert ready.status_code == 200
    assert ready.text.splitlines() == [
        ready.text.splitlines()[0],
        "[+] dispatcher: every device's loop turns",
        "[ ] device EMU: online",
    ]
    assert ready.text.startswith(f"[+] store: schema {schema.head()}")
