"""The status page in a real Chromium: live, logged in, through a restart of the daemon, on all screens."""

from __future__ import annotations

import contextlib
import os
import pwd
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

PATIENCE = 60_000
"""Milliseconds after which something that should happen counts as never happening."""
SCREENS = {"phone": (390, 844), "desk": (1280, 900), "wall": (1920, 1080)}


@pytest.fixture(scope="module")
def browser(require_program: Any) -> Iterator[Browser]:
    program = require_program("chromium", package="chromium")
    root = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(program), args=root)
        yield chromium
        chromium.close()


@pytest.fixture
def artefacts(tmp_path: Path) -> Path:
    """Where screenshots are kept."""
    folder = Path(os.environ.get("QWATCH_TEST_ARTEFACTS") or tmp_path) / "status-page"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained about: the console's errors, the policy's among them, and exceptions."""
    return []


def listened(page: Page, complaints: list[str]) -> Page:
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    return page


def link(daemon: Any) -> str:
    return str(daemon.ok("POST", "/web/links")["url"])


def contrasts(page: Page) -> list[tuple[float, str]]:
    """Return the contrast of each text of a page with what is behind it, as WCAG counts it."""
    found: list[tuple[float, str]] = page.evaluate(
        """() => {
          const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
          const light = ([r, g, b]) => {
            const part = (c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
            const linear = [r, g, b].map((c) => part(c / 255));
            return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
          };
          const behind = (element) => {
            for (let at = element; at; at = at.parentElement) {
              const colour = parse(getComputedStyle(at).backgroundColor);
              if (colour.length === 3 || colour[3] === 1) return colour;
            }
            return [255, 255, 255];
          };
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          const out = [];
          for (let node = walker.nextNode(); node; node = walker.nextNode()) {
            const element = node.parentElement;
            if (!node.data.trim() || element.closest("script, noscript, .hidden")) continue;
            const a = light(parse(getComputedStyle(element).color)), b = light(behind(element));
            out.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), node.data.trim().slice(0, 40)]);
          }
          return out;
        }"""
    )
    return found


def test_a_job_goes_from_waiting_to_done_before_the_eyes_of_its_user(
    browser: Browser,
    run_daemon: Any,
    run_device: Any,
    device_at: Any,
    wait_until: Any,
    sequence_text: str,
    artefacts: Path,
    complaints: list[str],
) -> None:
    with run_device(shot_rate=50) as device, run_daemon(devices=[device_at(device.url)]) as daemon:
        page = listened(browser.new_page(), complaints)
        page.goto(link(daemon))
        page.wait_for_url(f"{daemon.url}/")
        expect(page.locator("#connection-text")).to_have_text("live")
        session = daemon.acquire()
        first = daemon.submit(session, sequence_text, 200)
        second = daemon.submit(session, sequence_text, 300)

        def of_mine(number: int, state: str) -> None:
            row = page.locator(f'[data-whose="own"][data-job="{number}"]')
            expect(row).to_have_attribute("data-state", state)

        of_mine(first, "RUNNING")
        of_mine(second, "PENDING")
        page.screenshot(path=artefacts / "running.png", full_page=True)
        of_mine(second, "RUNNING")
        of_mine(first, "DONE")
        # After the first slice it is known how long shots take.
        progress = page.locator('[data-device="EMU"] progress')
        expect(progress).to_be_visible()
        before = progress.evaluate("bar => bar.value")
        wait_until(lambda: progress.evaluate("bar => bar.value") > before)
        of_mine(second, "DONE")
        expect(page.locator("#announce")).to_contain_text("is DONE")
        assert not complaints


def test_the_page_lives_on_after_a_restart_of_the_daemon(
    browser: Browser, run_daemon: Any, run_device: Any, device_at: Any, artefacts: Path, complaints: list[str]
) -> None:
    with run_device() as device, run_daemon(devices=[device_at(device.url)]) as daemon:
        page = listened(browser.new_page(), complaints)
        page.goto(daemon.url)
        said = page.locator("#connection-text")
        expect(said).to_have_text("live")
        daemon.stop()
        expect(said).to_contain_text("reconnecting")
        expect(said).to_contain_text("stale since")
        page.screenshot(path=artefacts / "stale.png", full_page=True)
        daemon.start()
        expect(said).to_have_text("live")
        daemon.ok("POST", "/accessible", json={"is_accessible": False, "message": "back at noon"})
        expect(page.locator('[data-device="EMU"]')).to_contain_text("back at noon")
        expect(page.locator("#announce")).to_have_text("EMU is paused")
        # While nobody listened there was nothing to load; nothing else went wrong.
        assert all("ERR_CONNECTION_REFUSED" in text or "ERR_INCOMPLETE" in text for text in complaints), (
            complaints
        )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_on_a_phone_at_a_desk_and_on_a_wall(
    browser: Browser,
    run_daemon: Any,
    run_device: Any,
    device_at: Any,
    sequence_text: str,
    artefacts: Path,
    complaints: list[str],
    scheme: Any,
) -> None:
    with (
        run_device(shot_rate=60) as device,
        run_daemon(
            devices=[
                device_at(device.url, "FRESNEL", default=True, shot_rate=60),
                device_at(device.url, "ORION_BETA"),
                device_at("http://127.0.0.1:9", "EMU_FREE"),
            ],
            start=False,
        ) as daemon,
    ):
        daemon.start(online=False)
        daemon.until_online("FRESNEL")
        daemon.until_online("ORION_BETA")
        body = {"until": "2099-01-01T10:00:00Z", "message": "Cryostat service <b>by the vendor</b>"}
        daemon.ok("POST", "/admin/devices/ORION_BETA/maintenance/begin", json=body)
        session = daemon.acquire("/devices/FRESNEL")
        for shots in (60, 2000, 1200, 900):
            daemon.submit(session, sequence_text, shots, "/devices/FRESNEL")
        daemon.submit(session, sequence_text, 50, "/devices/FRESNEL/classes/development")
        daemon.finished(1)
        secret = link(daemon)
        context = browser.new_context(color_scheme=scheme)
        page = listened(context.new_page(), complaints)
        page.goto(secret)
        expect(page.locator("#connection-text")).to_have_text("live")
        expect(page.locator('[data-device="ORION_BETA"]')).to_contain_text("<b>by the vendor</b>")
        expect(page.locator('[data-device="FRESNEL"] progress')).to_be_visible()
        for name, (width, height) in SCREENS.items():
            page.set_viewport_size({"width": width, "height": height})
            page.screenshot(path=artefacts / f"{name}-{scheme}.png", full_page=True)
            overflow = page.evaluate(
                "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            )
            assert not overflow, f"{name}: it must be scrolled sideways"
        assert [item for item in contrasts(page) if item[0] < 4.5] == []
        # Without a mouse: the first key leads past the header.
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        context.close()
        assert not complaints


@contextlib.contextmanager
def reverse_proxy(port: int, target: str, prefix: str, user: str | None) -> Iterator[None]:
    """A portal's reverse proxy: takes a prefix off, and names the user who is logged in there."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            assert self.path.startswith(f"{prefix}/"), self.path
            left_out = ("host", "connection", "x-remote-user", "accept-encoding")
            headers = {name: value for name, value in self.headers.items() if name.lower() not in left_out}
            if user is not None:
                headers["x-remote-user"] = user
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            url = target + self.path.removeprefix(prefix)
            with httpx.stream(self.command, url, headers=headers, content=body, timeout=60) as reply:
                self.send_response(reply.status_code)
                for name, value in reply.headers.multi_items():
                    if name not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(name, value)
                self.send_header("connection", "close")
                self.end_headers()
                with contextlib.suppress(OSError):
                    for chunk in reply.iter_raw():
                        self.wfile.write(chunk)

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads, server.block_on_close = True, False
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("user", ["daemon", None])
def test_it_works_under_the_prefix_of_a_portal_that_names_its_users_or_not(
    browser: Browser,
    run_daemon: Any,
    run_device: Any,
    device_at: Any,
    free_port: Any,
    complaints: list[str],
    user: str | None,
) -> None:
    port = free_port()
    portal = f"http://127.0.0.1:{port}/qpu"
    api = {"public_url": portal, "proxy_hosts": ["127.0.0.1"], "proxy_user_header": "X-Remote-User"}
    with (
        run_device() as device,
        run_daemon(devices=[device_at(device.url)], api=api) as daemon,
        reverse_proxy(port, daemon.url, "/qpu", user),
    ):
        context = browser.new_context()
        page = listened(context.new_page(), complaints)
        page.goto(f"{portal}/" if user else link(daemon))
        page.wait_for_url(f"{portal}/")
        expect(page.locator("#connection-text")).to_have_text("live")
        expect(page.locator("#own-title")).to_contain_text(user or pwd.getpwuid(os.getuid()).pw_name)
        daemon.ok("POST", "/accessible", json={"is_accessible": False, "message": "closed for the day"})
        expect(page.locator('[data-device="EMU"]')).to_contain_text("closed for the day")
        if user is None:
            assert [cookie["path"] for cookie in context.cookies()] == ["/qpu"]
            page.get_by_role("button", name="Log out").click()
            expect(page.locator(".hint")).to_be_visible()
            assert context.cookies() == []
        context.close()
        assert not complaints


def test_without_javascript_the_page_shows_the_devices_and_renews_itself(
    browser: Browser, run_daemon: Any, run_device: Any, device_at: Any
) -> None:
    with run_device() as device, run_daemon(devices=[device_at(device.url)]) as daemon:
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(daemon.url)
        expect(page.locator('[data-device="EMU"]')).to_contain_text("online")
        assert page.locator("noscript meta[http-equiv=refresh], head meta[http-equiv=refresh]").count() == 1
        context.close()


def test_a_used_link_says_so_and_leaves_nothing_behind(
    browser: Browser, run_daemon: Any, run_device: Any, device_at: Any
) -> None:
    with run_device() as device, run_daemon(devices=[device_at(device.url)]) as daemon:
        used = link(daemon)
        secret = used.partition("#")[2]
        body = {"token": secret}
        entered = httpx.post(f"{daemon.url}/web/sessions", data=body, headers={"origin": daemon.url})
        assert entered.status_code == 303
        page = browser.new_page()
        page.goto(used)
        expect(page.locator("#said")).to_contain_text("used before")
        assert secret not in page.url
        assert page.context.cookies() == []
