"""One computation for all who watch: how often it is made, who is woken, who is dropped."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from qwatch.daemon.live import event_stream, feed
from qwatch.daemon.live.event_stream import ABORT, AbortableProtocol, EventStream, Form, StreamLimit
from qwatch.daemon.live.feed import Edition, LiveFeed
from qwatch.daemon.live.snapshot import DeviceView
from qwatch.daemon.live.source import PUBLIC, Audience, Parts
from qwatch.daemon.live.viewer import EVERYBODY, Viewer
from qwatch.daemon.web_server import new_server
from qwatch.scheduler.errors import UnavailableError

MOMENT = datetime(2026, 11, 23, tzinfo=UTC)


class FakeSource:
    """A device whose message is set by the test."""

    role: Literal["all", "observer"] = "all"

    def __init__(self) -> None:
        self.message = "one"
        self.asked: list[frozenset[Audience]] = []
        self.fails = False

    async def read(self, audiences: Collection[Audience]) -> dict[Audience, Parts]:
        self.asked.append(frozenset(audiences))
        if self.fails:
            raise UnavailableError("the store does not answer")
        view = DeviceView(
            name="EMU",
            state="online",
            state_since=MOMENT,
            activity="idle",
            activity_since=MOMENT,
            accessible=True,
            message=self.message,
            simulator=True,
        )
        return {audience: Parts([view]) for audience in audiences}


class Reader:
    """The client's end of a stream."""

    def __init__(self) -> None:
        self.got = b""
        self.heard = asyncio.Event()
        self.gone = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()

    async def send(self, message: Any) -> None:
        await self.reads.wait()
        self.got += message.get("body", b"")
        self.heard.set()

    async def receive(self) -> dict[str, str]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def until(self, text: bytes, times: int = 1) -> None:
        async with asyncio.timeout(30):
            while self.got.count(text) < times:
                self.heard.clear()
                await self.heard.wait()


def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "PERIOD", 0.05)
    monkeypatch.setattr(event_stream, "_LOOK_SECONDS", 0.05)


def run(work: Callable[[LiveFeed, FakeSource], Awaitable[None]]) -> None:
    async def main() -> None:
        source = FakeSource()
        live = LiveFeed(source)
        try:
            await work(live, source)
        finally:
            live.stop()

    asyncio.run(main())


async def stream(
    live: LiveFeed, reader: Reader, scope: dict[str, Any] | None = None, viewer: Viewer = EVERYBODY
) -> None:
    first = await live.newest(viewer.audience)
    response = EventStream(live, viewer, first, Form(Edition.json), lambda: None)
    await response({"type": "http"} if scope is None else scope, reader.receive, reader.send)


def test_ten_viewers_cost_one_computation_and_get_each_change_once(monkeypatch: pytest.MonkeyPatch) -> None:
    quickly(monkeypatch)

    async def work(live: LiveFeed, source: FakeSource) -> None:
        readers = [Reader() for _ in range(10)]
        tasks = [asyncio.create_task(stream(live, reader)) for reader in readers]
        for reader in readers:
            await reader.until(b'"message":"one"')
        source.message = "two"
        asked = len(source.asked)
        for reader in readers:
            await reader.until(b'"message":"two"')
        # Those that were there asked together, however many they are.
        assert len(source.asked) - asked <= 2
        for _ in range(3):
            await asyncio.sleep(feed.PERIOD)
        for reader in readers:
            assert reader.got.count(b"event: snapshot") == 2
            assert reader.got.startswith(b"retry: ")
            reader.gone.set()
        await asyncio.gather(*tasks)

    run(work)


def test_nothing_is_computed_while_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    quickly(monkeypatch)

    async def work(live: LiveFeed, source: FakeSource) -> None:
        await asyncio.sleep(3 * feed.PERIOD)
        assert source.asked == []
        reader = Reader()
        task = asyncio.create_task(stream(live, reader))
        await reader.until(b"event: snapshot")
        reader.gone.set()
        await task
        await asyncio.sleep(2 * feed.PERIOD)
        asked = len(source.asked)
        await asyncio.sleep(3 * feed.PERIOD)
        assert len(source.asked) == asked

    run(work)


def test_a_store_that_does_not_answer_leaves_viewers_with_what_they_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quickly(monkeypatch)

    async def work(live: LiveFeed, source: FakeSource) -> None:
        reader = Reader()
        task = asyncio.create_task(stream(live, reader))
        await reader.until(b'"message":"one"')
        source.fails = True
        await asyncio.sleep(3 * feed.PERIOD)
        source.fails, source.message = False, "back"
        await reader.until(b'"message":"back"')
        reader.gone.set()
        await task

    run(work)


def test_a_silent_stream_has_a_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    quickly(monkeypatch)
    monkeypatch.setattr(event_stream, "HEARTBEAT_SECONDS", 0.1)

    async def work(live: LiveFeed, _source: FakeSource) -> None:
        reader = Reader()
        task = asyncio.create_task(stream(live, reader))
        await reader.until(b": alive\n\n", times=2)
        assert reader.got.count(b"event:") == 1
        reader.gone.set()
        await task

    run(work)


def test_a_reader_who_does_not_read_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    quickly(monkeypatch)
    monkeypatch.setattr(event_stream, "_SLOW_SECONDS", 0.1)

    async def work(live: LiveFeed, source: FakeSource) -> None:
        reader = Reader()
        task = asyncio.create_task(stream(live, reader, {"type": "http", "state": {ABORT: reader.gone.set}}))
        await reader.until(b'"message":"one"')
        reader.reads.clear()
        source.message = "two"
        async with asyncio.timeout(30):
            await task
        assert reader.gone.is_set()

    run(work)


def test_a_stream_ends_when_its_viewer_may_not_look_any_more_and_when_the_daemon_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quickly(monkeypatch)

    async def work(live: LiveFeed, _source: FakeSource) -> None:
        holds = [True]
        revoked = asyncio.create_task(stream(live, Reader(), viewer=Viewer(Audience(7), lambda: holds[0])))
        staying = asyncio.create_task(stream(live, Reader(), viewer=Viewer(Audience(8))))
        await asyncio.sleep(2 * feed.PERIOD)
        assert not revoked.done()
        holds[0] = False
        async with asyncio.timeout(30):
            await revoked
        assert not staying.done()
        live.stop()
        async with asyncio.timeout(30):
            await staying

    run(work)


def test_an_audience_is_told_the_time_of_the_last_look_also_if_nothing_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quickly(monkeypatch)

    async def work(live: LiveFeed, _source: FakeSource) -> None:
        before = (await live.newest(PUBLIC)).snapshot.at
        await asyncio.sleep(2 * feed.PERIOD)
        edition = await live.newest(PUBLIC)
        assert edition.snapshot.at > before
        assert str(edition.snapshot.at.year).encode() in edition.json()

    run(work)


def test_streams_are_bounded_by_address_and_in_all() -> None:
    limit = StreamLimit(3, 2)
    limit.take("10.0.0.1", shared=False)
    limit.take("10.0.0.1", shared=False)
    with pytest.raises(UnavailableError, match=r"live_streams_per_address"):
        limit.take("10.0.0.1", shared=False)
    limit.give_back("10.0.0.1")
    limit.take("10.0.0.1", shared=False)
    limit.take("10.0.0.1", shared=True)
    with pytest.raises(UnavailableError, match=r"live_streams\)"):
        limit.take("10.0.0.2", shared=False)


def test_a_real_connection_that_is_not_read_is_cut_without_an_error_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    quickly(monkeypatch)
    monkeypatch.setattr(event_stream, "_SLOW_SECONDS", 0.3)

    async def work(live: LiveFeed, source: FakeSource) -> None:
        ended = asyncio.Event()

        async def application(scope: Any, receive: Any, send: Any) -> None:
            first = await live.newest(PUBLIC)
            await EventStream(live, EVERYBODY, first, Form(Edition.json), ended.set)(scope, receive, send)

        listening = socket.create_server(("127.0.0.1", 0))
        listening.setblocking(False)
        server = new_server(application, protocol=AbortableProtocol)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        with socket.socket() as client:
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, listening.getsockname())
            await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
            async with asyncio.timeout(60):
                # More than the system's buffers hold, whatever they are.
                while not ended.is_set():
                    source.message = f"{len(source.asked)} {'x' * 2_000_000}"
                    await asyncio.sleep(feed.PERIOD)
                got = b""
                while more := await loop.sock_recv(client, 1 << 20):
                    got = (got + more)[-5:]
                assert got != b"0\r\n\r\n", "it ended in order"
        server.should_exit = True
        await serving

    run(work)
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []
