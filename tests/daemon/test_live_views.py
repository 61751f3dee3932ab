"""The live views of a real daemon over HTTP: what everybody sees, what a user sees, how a browser logs in."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from qwatch.daemon.live.snapshot import Snapshot

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def device(run_device: Any) -> Iterator[Any]:
    with run_device(shot_rate=100) as running:
        yield running


@pytest.fixture
def daemon(run_daemon: Any, device: Any, device_at: Any) -> Iterator[Any]:
    with run_daemon(devices=[device_at(device.url)]) as running:
        yield running


@pytest.fixture(scope="module")
def quiet(run_daemon: Any, run_device: Any, device_at: Any) -> Iterator[Any]:
    """A daemon for those who submit nothing."""
    with run_device() as device, run_daemon(devices=[device_at(device.url)]) as running:
        yield running


@contextlib.contextmanager
def events(daemon: Any, **options: Any) -> Iterator[Iterator[dict[str, str]]]:
    """Watch the stream of a daemon: yield its events as dictionaries of their fields."""

    def read(lines: Iterator[str]) -> Iterator[dict[str, str]]:
        fields: dict[str, str] = {}
        for line in lines:
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif fields:
                yield fields
                fields = {}

    with httpx.stream("GET", f"{daemon.url}/live/events", timeout=60, **options) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        yield read(response.iter_lines())


def enter(daemon: Any, secret: str, origin: str | None = None) -> httpx.Response:
    headers = {"origin": daemon.url if origin is None else origin}
    return httpx.post(f"{daemon.url}/web/sessions", data={"token": secret}, headers=headers)


def new_secret(daemon: Any) -> str:
    return str(daemon.ok("POST", "/web/links")["url"]).partition("#")[2]


def test_the_root_path_is_a_page_for_browsers_and_liveness_for_all_others(quiet: Any) -> None:
    page = httpx.get(quiet.url, headers=BROWSER)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    for headers in ({}, {"accept": "*/*"}, {"accept": "application/json"}):
        assert httpx.get(quiet.url, headers=headers).json()["service"] == "qwatch"
    assert httpx.post(quiet.url, headers=BROWSER).status_code == 405


def test_the_public_part_tells_devices_and_queues_and_names_nobody(daemon: Any, sequence_text: str) -> None:
    session = daemon.acquire()
    daemon.ok("POST", "/sessions", json={"user_id": str(os.getuid()), "slurm_job_id": "424242"})
    for shots in (1000, 1100, 1200):
        daemon.submit(session, sequence_text, shots)
    daemon.until(1, "RUNNING")
    public = httpx.get(f"{daemon.url}/live")
    snapshot = Snapshot.model_validate_json(public.content)
    (device,) = snapshot.devices
    assert (device.name, device.state, device.activity, device.simulator) == ("EMU", "online", "execute", True)
    assert device.running is not None
    assert device.running.shots == 1000
    assert {part.job_class: part.waiting for part in device.queue}["production"] == 2
    assert (snapshot.totals.waiting, snapshot.totals.running) == (2, 1)
    assert snapshot.own is None
    assert snapshot.administration is None
    with events(daemon) as stream:
        next(stream)
        first = next(stream)["data"]
    page = httpx.get(daemon.url, headers=BROWSER).text
    page = page[page.index("<main") : page.index("</main>")]
    for text in (public.text, first, page):
        assert getpass.getuser() not in text
        assert "424242" not in text
        assert '"uid"' not in text


def test_a_user_sees_their_jobs_and_an_administrator_everybodys(daemon: Any, sequence_text: str) -> None:
    session = daemon.acquire()
    first = daemon.submit(session, sequence_text, 10)
    daemon.finished(first)
    numbers = [daemon.submit(session, sequence_text, shots) for shots in (500, 600)]
    daemon.until(numbers[0], "RUNNING")
    snapshot = Snapshot.model_validate(daemon.ok("GET", "/live"))
    assert snapshot.own is not None
    assert snapshot.administration is not None
    for jobs in (snapshot.own.jobs, snapshot.administration.jobs):
        assert [job.id for job in jobs.running] == numbers[:1]
        assert [(job.id, job.place) for job in jobs.waiting] == [(numbers[1], 1)]
        assert [(job.id, job.state) for job in jobs.ended] == [(first, "DONE")]
        assert jobs.waiting_total == 1
        (waiting,), (running,) = jobs.waiting, jobs.running
        # The first slice taught how long shots take: the one that waits starts when the other should end.
        assert waiting.expected_start is not None
        assert running.expected_end is not None
        assert abs((waiting.expected_start - running.expected_end).total_seconds()) <= 1
    assert {job.user for job in snapshot.administration.jobs.waiting} == {getpass.getuser()}
    assert {job.user for job in snapshot.own.jobs.waiting} == {None}
    assert snapshot.administration.sessions == {"EMU": 1}
    assert snapshot.administration.alerts is None


def test_a_stream_begins_with_all_and_goes_on_with_what_changes(daemon: Any, sequence_text: str) -> None:
    with events(daemon) as stream:
        assert int(next(stream)["retry"]) > 0
        first = next(stream)
        assert first["event"] == "snapshot"
        session = daemon.acquire()
        daemon.submit(session, sequence_text, 300)
        last, moments = int(first["id"]), [json.loads(first["data"])["at"]]
        activities = []
        for event in stream:
            assert int(event["id"]) > last
            last = int(event["id"])
            found = Snapshot.model_validate_json(event["data"])
            moments.append(json.loads(event["data"])["at"])
            activities.append(found.devices[0].activity)
            if "execute" in activities and found.devices[0].running is None:
                break
    assert moments == sorted(moments)
    assert len(set(moments)) == len(moments)


def test_streams_are_bounded_and_a_reader_who_leaves_makes_room(
    run_daemon: Any, device: Any, device_at: Any, wait_until: Any
) -> None:
    api = {"live_streams_per_address": 2}
    with run_daemon(devices=[device_at(device.url)], api=api) as daemon:
        with contextlib.ExitStack() as stack:
            # A stream that nobody holds is closed.
            streams = []
            for _ in range(2):
                streams.append(stack.enter_context(events(daemon)))
                next(streams[-1])
            refused = httpx.get(f"{daemon.url}/live/events")
            assert refused.status_code == 503
            assert "live_streams_per_address" in refused.json()["detail"]
            assert int(refused.headers["retry-after"]) > 0

        def room() -> bool:
            with httpx.stream("GET", f"{daemon.url}/live/events", timeout=60) as response:
                return response.status_code == 200

        wait_until(room)


def test_the_daemon_stops_in_order_while_people_watch(daemon: Any) -> None:
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(events(daemon)) for _ in range(5)]
        for stream in streams:
            next(stream)
        assert daemon.stop() == 0
        for stream in streams:
            # Ends as it should: a connection that broke off would raise.
            for _ in stream:
                pass
    assert "did not stop in time" not in daemon.log


def test_a_link_works_once_and_sets_a_cookie_that_scripts_and_other_sites_cannot_use(quiet: Any) -> None:
    secret = new_secret(quiet)
    entered = enter(quiet, secret)
    assert (entered.status_code, entered.headers["location"]) == (303, "../")
    attributes = entered.headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=28800"} <= set(attributes)
    cookie = attributes[0]
    shown = httpx.get(f"{quiet.url}/live", headers={"cookie": cookie})
    assert shown.json()["own"]["uid"] == os.getuid()
    again = enter(quiet, secret)
    assert again.status_code == 401
    assert "used before" in again.json()["detail"]
    assert "set-cookie" not in again.headers
    out = httpx.post(f"{quiet.url}/web/logout", headers={"cookie": cookie, "origin": quiet.url})
    assert out.status_code == 303
    assert httpx.get(f"{quiet.url}/live", headers={"cookie": cookie}).json()["own"] is None


@pytest.mark.parametrize("origin", ["", "null", "http://evil.example"])
def test_another_sites_form_neither_logs_in_nor_out(quiet: Any, origin: str) -> None:
    secret = new_secret(quiet)
    assert enter(quiet, secret, origin).status_code == 403
    entered = enter(quiet, secret)
    assert entered.status_code == 303
    cookie = entered.headers["set-cookie"].split(";")[0]
    out = httpx.post(f"{quiet.url}/web/logout", headers={"cookie": cookie, "origin": origin})
    assert out.status_code == 403
    assert httpx.get(f"{quiet.url}/live", headers={"cookie": cookie}).json()["own"] is not None


def test_behind_a_proxy_with_tls_and_a_prefix_the_cookie_is_for_them(
    run_daemon: Any, device: Any, device_at: Any
) -> None:
    api = {"public_url": "https://portal.example/qpu/"}
    with run_daemon(devices=[device_at(device.url)], api=api) as daemon:
        url = daemon.ok("POST", "/web/links")["url"]
        assert url.startswith("https://portal.example/qpu/web/enter#qwl_")
        entered = enter(daemon, url.partition("#")[2], "https://portal.example")
        assert {"Secure", "Path=/qpu"} <= set(entered.headers["set-cookie"].split("; "))
        page = httpx.get(daemon.url, headers=BROWSER).text
        for attribute in ('href="/', 'src="/', 'action="/'):
            assert attribute not in page


def test_no_secret_of_the_status_page_is_in_a_log_a_span_or_a_metric(
    run_daemon: Any, device: Any, device_at: Any, tmp_path: Any, sequence_text: str
) -> None:
    telemetry = {"trace_directory": str(tmp_path)}
    with run_daemon(devices=[device_at(device.url)], telemetry=telemetry) as daemon:
        secret = new_secret(daemon)
        cookie = enter(daemon, secret).headers["set-cookie"].split(";")[0]
        enter(daemon, secret)
        httpx.get(f"{daemon.url}/web/{secret}", headers={"cookie": cookie})
        httpx.get(f"{daemon.url}/web/enter?{secret}", headers={"cookie": cookie})
        with events(daemon, headers={"cookie": cookie}) as stream:
            next(stream)
        daemon.finished(daemon.submit(daemon.acquire(), sequence_text, 5))
        metrics = daemon.metrics_text()
        daemon.stop()
        written = [file.read_text(errors="replace") for file in tmp_path.rglob("*") if file.is_file()]
        assert any("EMU" in text for text in written)
        for text in (daemon.log, metrics, *written):
            assert "qwl_" not in text
            assert "qww_" not in text
        assert 'route="/live/events"' in metrics
        assert 'route="/web/sessions"' in metrics


@pytest.mark.parametrize("page", ["login", "off"])
def test_a_site_can_keep_its_status_to_its_users_or_have_no_page(
    run_daemon: Any, device: Any, device_at: Any, page: str
) -> None:
    with run_daemon(devices=[device_at(device.url)], api={"status_page": page}) as daemon:
        assert httpx.get(f"{daemon.url}/live").status_code == 401
        assert httpx.get(f"{daemon.url}/live/events").status_code == 401
        assert daemon.ok("GET", "/live")["own"] is not None
        shown = httpx.get(daemon.url, headers=BROWSER)
        if page == "off":
            assert shown.json()["service"] == "qwatch"
            assert "status_page" in daemon.refused(404, "POST", "/web/links")
        else:
            assert shown.status_code == 403
            assert "EMU" not in shown.text
            cookie = enter(daemon, new_secret(daemon)).headers["set-cookie"].split(";")[0]
            assert "EMU" in httpx.get(daemon.url, headers=BROWSER | {"cookie": cookie}).text


def test_the_public_part_has_a_limited_rate(run_daemon: Any, device: Any, device_at: Any) -> None:
    with run_daemon(devices=[device_at(device.url)], api={"accessible_per_second": 1}) as daemon:
        with httpx.Client(base_url=daemon.url) as client:
            replies = [client.get("/live") for _ in range(20)]
        assert {reply.status_code for reply in replies} == {200, 429}
        assert "retry-after" in replies[-1].headers


def test_munge_proves_a_viewer_each_time_anew(
    munged: None, run_daemon: Any, device: Any, device_at: Any
) -> None:
    api = {"auth": "munge", "token_file": None, "admin_users": [0, os.getuid()]}
    with run_daemon(devices=[device_at(device.url)], api=api) as daemon:
        shown = daemon.ok("GET", "/live")
        assert shown["own"]["uid"] == os.getuid()
        assert shown["administration"] is not None
        assert httpx.get(f"{daemon.url}/live", headers={"x-munge-cred": "MUNGE:forged:"}).status_code == 401
        with events(daemon, auth=daemon.client.auth) as stream:
            next(stream)
            assert json.loads(next(stream)["data"])["own"]["uid"] == os.getuid()


def test_qwatch_open_prints_a_link_that_logs_this_user_in(quiet: Any) -> None:
    environment = quiet.environment | {
        "QRMI_JOB_QPU_RESOURCES": "EMU",
        "QRMI_JOB_QPU_TYPES": "pasqal-local",
        "EMU_QRMI_WARDEN_URL": quiet.url,
        "QWATCH_TOKEN_FILE": str(quiet.token_file),
        "SSH_CONNECTION": "10.0.0.1 5 10.0.0.2 22",
    }
    command = [sys.executable, "-m", "qwatch.cli.main", "open", "--qpu", "EMU", "--print"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    url = done.stdout.strip()
    assert url.startswith(f"{quiet.url}/web/enter#qwl_")
    assert f"ssh -L {quiet.url.rpartition(':')[2]}:127.0.0.1:" in done.stderr
    assert enter(quiet, url.partition("#")[2]).status_code == 303


def test_the_forms_page_holds_no_secret_and_asks_for_one(quiet: Any) -> None:
    page = httpx.get(f"{quiet.url}/web/enter")
    assert page.status_code == 200
    assert 'name="token"' in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


def test_a_waiting_job_that_is_cancelled_leaves_the_picture(
    daemon: Any, sequence_text: str, wait_until: Any
) -> None:
    session = daemon.acquire()
    daemon.submit(session, sequence_text, 1500)
    waiting = daemon.submit(session, sequence_text, 20)

    def shown() -> list[int]:
        return [job["id"] for job in daemon.ok("GET", "/live")["own"]["jobs"]["waiting"]]

    wait_until(lambda: shown() == [waiting])
    daemon.ok("POST", f"/jobs/{waiting}/cancel")
    wait_until(lambda: shown() == [])
    ended = daemon.ok("GET", "/live")["own"]["jobs"]["ended"]
    assert [(job["id"], job["state"], job["reason"]) for job in ended] == [(waiting, "CANCELED", "user")]
