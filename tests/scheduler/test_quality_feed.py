"""A feed of the vendor or the site: what is understood is in the ledger once, the rest is told in one line."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from pydantic import ValidationError
from sqlalchemy import select

from qwatch.scheduler import schema
from qwatch.scheduler.device import Device
from qwatch.scheduler.devices.qpu_http import QpuHttpAdapter
from qwatch.scheduler.quality.feed_format import MOST_BYTES, FeedError, read_feed
from qwatch.scheduler.quality.feeds import QualityFeed
from qwatch.scheduler.quality.settings import QualityFeedSettings
from qwatch.scheduler.settings import DeviceSettings
from qwatch.scheduler.store import Store
from qwatch.scheduler.tables import ledger_quality
from qwatch.telemetry.instruments import Instruments

RABI = {
    "metric": "qpu_rabi_frequency_deviation_ratio",
    "labels": {"channel": "rydberg_global"},
    "value": -0.012,
    "uncertainty": 0.003,
}
YEAR_2100 = 4102444800.0
FILL = {"metric": "qpu_register_fill_ratio", "value": 0.98}


def document(*samples: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"version": 1, "device": "FRESNEL", "at": "2026-03-01T12:00:00Z", "samples": list(samples)} | more


def content(*samples: dict[str, Any], **more: Any) -> bytes:
    return json.dumps(document(*samples, **more)).encode()


def test_a_feed_tells_values_with_labels_uncertainty_and_time() -> None:
    rabi, fill = read_feed(content(RABI, FILL | {"at": 1000.5}), "FRESNEL", "vendor")
    assert (rabi.metric.name, rabi.labels) == ("qpu.rabi_frequency.deviation", {"channel": "rydberg_global"})
    assert (rabi.value, rabi.uncertainty, rabi.source) == (-0.012, 0.003, "vendor")
    assert (rabi.at, fill.at, fill.uncertainty) == (1772366400.0, 1000.5, None)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (b"", "the whole: Invalid JSON"),
        (b"\xff\xfe", "the whole: Invalid JSON"),
        (b"[1]", "the whole: "),
        (content(version=2), "version: "),
        (content(device="ORION"), "device: is 'ORION', not 'FRESNEL'"),
        (content(at="2026-03-01T12:00:00"), "at"),
        (content(at=YEAR_2100), None),
        (content(FILL, at=YEAR_2100), "samples.0.at: lies in the future"),
        (content(FILL | {"metric": "qpu_up"}), "samples.0.metric: 'qpu_up' is not one of"),
        (content(FILL | {"value": "high"}), "samples.0.value: "),
        (content(FILL | {"value": 98}), "samples.0.value: qpu_register_fill_ratio is a ratio from 0 to 1"),
        (content(FILL | {"value": -0.1}), "samples.0.value: qpu_register_fill_ratio is not below 0"),
        (content(RABI | {"value": -1.5}), "samples.0.value: .* is not below -1"),
        (content(RABI | {"value": float("nan")}), "samples.0.value: "),
        (content(RABI | {"uncertainty": -1}), "samples.0.uncertainty: "),
        (content(FILL, RABI | {"labels": {}}), "samples.1.labels: .* has channel"),
        (content(FILL | {"labels": {"user": "ada"}}), "samples.0.labels: .* has no labels"),
        (
            content(RABI | {"labels": {"channel": "laser 7"}}),
            "samples.0.labels.channel: .* is not one of",
        ),
        (content(FILL | {"colour": "red"}), "samples.0.colour: Extra inputs"),
        (content(FILL, FILL), "samples.1: .* was told with these labels before"),
        (content(*([FILL] * 300)), "samples: List should have at most 256"),
        (b" " * (MOST_BYTES + 1), f"is longer than {MOST_BYTES} bytes"),
    ],
)
def test_what_is_no_feed_is_told_in_one_line_with_its_place(given: bytes, line: str | None) -> None:
    if line is None:  # of no sample, so of nothing
        assert read_feed(given, "FRESNEL", "vendor") == []
        return
    with pytest.raises(FeedError, match=f"^{line}") as found:
        read_feed(given, "FRESNEL", "vendor")
    assert "\n" not in str(found.value)
    assert len(str(found.value)) < 500


@pytest.mark.parametrize("url", ["relative/path.json", "ftp://site/feed", "https://user:secret@site/feed"])
def test_an_address_that_cannot_be_or_holds_a_credential_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="must "):
        QualityFeedSettings(url=url)


def test_a_feed_cannot_pass_for_a_quality_job() -> None:
    with pytest.raises(ValidationError, match="choose another name"):
        QualityFeedSettings(url="/feed.json", name="quality_job")


class Site:
    """A site's HTTP server: ``reply`` is (status, body), after ``wait`` is set where there is one."""

    def __init__(self) -> None:
        self.reply: tuple[int, bytes] = (200, content(FILL))
        self.wait: threading.Event | None = None
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if site.wait is not None:
                    site.wait.wait(60)
                status, body = site.reply
                self.send_response(status)
                self.send_header("location", "/elsewhere")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_port}/quality.json"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        if self.wait is not None:
            self.wait.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()
    yield found
    found.stop()


Test = Callable[[QualityFeed, httpx.AsyncClient, Store], Awaitable[None]]


def with_feed(folder: Path, settings: QualityFeedSettings, test: Test) -> None:
    """Run ``test`` with a feed on a store."""

    async def main() -> None:
        store = Store(f"sqlite:///{folder / 'qwatch.db'}", Instruments(CollectorRegistry()))
        schema.upgrade(store.engine)
        store.start()
        device_settings = DeviceSettings(name="FRESNEL", url="http://qpu")
        device = Device(device_settings, QpuHttpAdapter(device_settings), store)
        async with httpx.AsyncClient() as client:
            await test(QualityFeed(device, settings, store), client, store)
        await device.adapter.close()
        await store.stop()

    asyncio.run(main())


async def told(store: Store) -> list[tuple[str, float]]:
    return await store.read(
        lambda c: [(r.metric, r.at) for r in c.execute(select(ledger_quality).order_by(ledger_quality.c.id))]
    )


def test_only_what_is_newer_is_appended_also_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "feed.json"
    settings = QualityFeedSettings(url=str(file))
    file.write_bytes(content(FILL | {"at": 100.0}, RABI | {"at": 100.0}))

    async def first(feed: QualityFeed, client: httpx.AsyncClient, store: Store) -> None:
        assert [await feed.read(client), await feed.read(client)] == [2, 0]
        file.write_bytes(content(FILL | {"at": 100.0}, RABI | {"at": 200.0}))
        assert await feed.read(client) == 1

    async def second(feed: QualityFeed, client: httpx.AsyncClient, store: Store) -> None:
        assert await feed.read(client) == 0
        assert await told(store) == [
            ("qpu.register.fill", 100.0),
            ("qpu.rabi_frequency.deviation", 100.0),
            ("qpu.rabi_frequency.deviation", 200.0),
        ]

    with_feed(tmp_path, settings, first)
    with_feed(tmp_path, settings, second)


def test_a_feed_is_fetched_by_http(tmp_path: Path, site: Site) -> None:
    async def test(feed: QualityFeed, client: httpx.AsyncClient, store: Store) -> None:
        assert await feed.read(client) == 1
        for reply, line in (
            ((500, b""), "was answered with 500"),
            ((302, b""), "was answered with 302"),
            ((200, b"x" * (4 * MOST_BYTES)), "is longer than"),
        ):
            site.reply = reply
            with pytest.raises(FeedError, match=line):
                await feed.read(client)
        site.wait = threading.Event()
        with pytest.raises(FeedError, match=r"was not read within 0\.3 s"):
            await feed.read(client)
        assert len(await told(store)) == 1

    with_feed(tmp_path, QualityFeedSettings(url=site.url, timeout=0.3), test)


def test_a_file_that_is_missing_or_a_pipe_is_told_and_hinders_nothing(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, line in (
        (tmp_path / "missing", "No such file"),
        (pipe, "no regular file"),
        (tmp_path, "not read"),
    ):

        async def test(feed: QualityFeed, client: httpx.AsyncClient, store: Store, line: str = line) -> None:
            with pytest.raises(FeedError, match=line):
                await feed.read(client)

        with_feed(tmp_path, QualityFeedSettings(url=str(path)), test)
