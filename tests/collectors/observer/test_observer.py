"""An observer keeps time and counts over restarts, and exposes only what it was told."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Awaitable, Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select

from qwatch.collectors.observer import peer_database, peer_queries
from qwatch.collectors.observer.collector import ObserverCollector
from qwatch.collectors.observer.observer import Observer
from qwatch.collectors.observer.read_only_transport import ReadOnlyTransport
from qwatch.collectors.observer.settings import ObserverSettings
from qwatch.collectors.observer.sighting import Sighting
from qwatch.collectors.observer.source import WatchedSource
from qwatch.collectors.registry import CollectorSet
from qwatch.scheduler.errors import ConfigurationError, UnavailableError
from qwatch.scheduler.settings import StoreSettings
from qwatch.scheduler.tables import device_activity, ledger_jobs
from qwatch.telemetry import job_metrics
from qwatch.telemetry.instruments import Instruments
from qwatch.telemetry.labels import ACTIVITIES

from .peer_double import Peer, PeerTables

PATIENCE = 30.0


class Stand:
    """An observer within this process, with the registry that a scrape would read."""

    def __init__(self, folder: Path, device: dict[str, Any], store_url: str | None = None) -> None:
        self.registry = CollectorRegistry()
        self.instruments = Instruments(self.registry)
        settings = ObserverSettings.model_validate({"devices": [{"name": "FRESNEL"} | device]})
        store = StoreSettings(url=store_url or f"sqlite:///{folder / 'qwatch.db'}")
        self.observer = Observer(settings, store, None, self.instruments)
        self.registry.register(CollectorSet([ObserverCollector(self.observer)]))

    @property
    def device(self) -> Any:
        return self.observer.devices["FRESNEL"]

    async def scrape(self) -> dict[str, dict[tuple[str, ...], float]]:
        """Return the samples by name, then by the values of the labels besides the device's."""

        def read() -> dict[str, dict[tuple[str, ...], float]]:
            found: dict[str, dict[tuple[str, ...], float]] = {}
            for family in self.registry.collect():
                for sample in family.samples:
                    values = tuple(value for key, value in sample.labels.items() if key != "qpu_id")
                    found.setdefault(sample.name, {})[values] = sample.value
            return found

        return await asyncio.to_thread(read)

    async def until(self, ask: Callable[[], Any]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not ask():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)

    def finished(self) -> float:
        where = {"qpu_id": "FRESNEL", "job_class": "production", "state": "done", "reason": "none"}
        return self.instruments.value(job_metrics.FINISHED, **where)

    async def rows(self, query: Any) -> list[Any]:
        return await self.observer.store.read(lambda connection: list(connection.execute(query)))


def observing(stand: Stand, work: Callable[[Stand], Awaitable[None]]) -> None:
    async def run() -> None:
        await stand.observer.start()
        try:
            await work(stand)
        finally:
            await stand.observer.stop()

    asyncio.run(run())


@pytest.fixture
def beside(tmp_path: Path, peer_file: Path) -> Callable[[], Stand]:
    """Return a function that starts an observer of the peer's database anew on one store."""
    source = {"url": f"sqlite:///{peer_file}", "interval": 0.1}
    return lambda: Stand(tmp_path, {"peer_database": source, "history": 3600})


def test_counts_and_time_go_on_over_a_restart_and_no_job_counts_twice(
    tables: PeerTables, beside: Callable[[], Stand]
) -> None:
    session, now = tables.open_session(), time.time()
    for i in range(3):
        tables.ran(session, now - 100, now - 90 + i, now - 80 + i, shots=100)
    seconds: list[dict[tuple[str, ...], float]] = []

    async def first(stand: Stand) -> None:
        await stand.until(lambda: stand.finished() == 3)
        assert (await stand.scrape())["qpu_job_run_duration_seconds_sum"][("production",)] == pytest.approx(30)
        seconds.append((await stand.scrape())["qpu_time_seconds_total"])

    async def second(stand: Stand) -> None:
        assert stand.finished() >= 3
        await stand.until(lambda: stand.finished() == 5)
        found = await stand.scrape()
        seconds.append(found["qpu_time_seconds_total"])
        assert found["qpu_shots_total"] == {("accepted",): 500}
        # A histogram begins anew, with what was new to the ledger.
        assert found["qpu_job_wait_duration_seconds_count"] == {("production",): 2}
        assert len(await stand.rows(select(ledger_jobs.c.id))) == 5

    begun = time.time()
    observing(beside(), first)
    for _ in range(2):
        tables.ran(session, now - 100, now - 50, now - 40, shots=100)
    time.sleep(0.3)
    observing(beside(), second)
    before, after = seconds
    assert all(after[activity] >= before[activity] for activity in before)
    # The time between is nobody's.
    assert after[("unknown",)] - before[("unknown",)] >= 0.3
    assert sum(after.values()) - sum(before.values()) <= time.time() - begun


def test_a_job_counts_once_in_a_store_on_postgresql_too(
    tables: PeerTables, peer_file: Path, tmp_path: Path, new_database: Callable[[], str]
) -> None:
    session, now = tables.open_session(), time.time()
    tables.ran(session, now - 100, now - 90, now - 80)
    source, url = {"url": f"sqlite:///{peer_file}", "interval": 0.1}, new_database()

    async def work(stand: Stand) -> None:
        await stand.until(lambda: stand.finished() == 1)
        await stand.until(lambda: stand.device.clock.activity == "idle")
        assert (await stand.scrape())["qpu_time_seconds_total"][("idle",)] >= 0

    for _ in range(2):
        observing(Stand(tmp_path, {"peer_database": source, "history": 3600}, url), work)


def test_a_past_that_was_read_in_part_is_read_to_its_end_after_a_restart(
    tables: PeerTables, beside: Callable[[], Stand]
) -> None:
    session, ended = tables.open_session(), time.time() - 600
    for i in range(3):
        # The first to come was the last to end.
        tables.ran(session, ended - 100, ended - 10, ended + 60 * (3 - i))

    async def first_piece(stand: Stand) -> None:
        await stand.until(lambda: stand.finished() >= 1)

    async def the_rest(stand: Stand) -> None:
        await stand.until(lambda: stand.finished() == 3)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peer_database, "_MOST_OF_THE_PAST", 1)
        patch.setattr(peer_database, "MOST_ROWS", 1)
        patch.setattr(peer_queries, "MOST_ROWS", 1)
        observing(beside(), first_piece)
    observing(beside(), the_rest)


def test_a_token_is_fetched_for_the_qpu_and_nothing_else_is_posted(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """The QPU's API wants a bearer token, which only a POST to the identity provider gives."""
    requests: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            requests.append((self.command, self.path))
            self.rfile.read(int(self.headers.get("content-length") or 0))
            data: dict[str, Any] = {"data": {"operational_status": "UP", "specs": {"name": "FRESNEL_CAN1"}}}
            if self.path.startswith("/realms"):
                data = {"access_token": "bearer-of-the-observer", "expires_in": 300}
            known = self.headers.get("authorization") == "Bearer bearer-of-the-observer"
            text = json.dumps(data).encode()
            self.send_response(200 if known or self.command == "POST" else 401)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    (tmp_path / "secret").write_text("the-clients-secret")
    auth = {"url": url, "realm": "qpu", "id": "observer", "secret_file": str(tmp_path / "secret")}
    stand = Stand(tmp_path, {"qpu_api": {"url": url, "auth": auth, "interval": 0.1}})

    async def work(stand: Stand) -> None:
        await stand.until(lambda: stand.device.picture.model == "FRESNEL_CAN1")
        assert stand.device.picture.state == "online"

    try:
        observing(stand, work)
    finally:
        server.shutdown()
        server.server_close()
    posted = [path for method, path in requests if method != "GET"]
    assert posted == ["/realms/qpu/protocol/openid-connect/token"]


def test_every_second_is_attributed_once_to_what_the_peer_told(
    tables: PeerTables, beside: Callable[[], Stand]
) -> None:
    session = tables.open_session()

    async def work(stand: Stand) -> None:
        seen = [(time.monotonic(), (await stand.scrape())["qpu_time_seconds_total"])]
        await stand.until(lambda: stand.device.clock.activity == "idle")
        job, _ = tables.submit(session), tables.submit(session)
        await stand.until(lambda: stand.device.clock.activity == "dispatch")
        tables.begin(job)
        await stand.until(lambda: stand.device.clock.activity == "execute")
        for _ in range(5):
            seen.append((time.monotonic(), (await stand.scrape())["qpu_time_seconds_total"]))
            await asyncio.sleep(0.05)
        tables.end(job)
        tables.set_accessible(False, "closed")
        await stand.until(lambda: stand.device.clock.activity == "held")
        seen.append((time.monotonic(), (await stand.scrape())["qpu_time_seconds_total"]))
        for (earlier, before), (later, after) in itertools.pairwise(seen):
            assert {activity for (activity,) in after} == set(ACTIVITIES)
            assert all(after[activity] >= before[activity] for activity in before)
            grown = sum(after.values()) - sum(before.values())
            assert grown == pytest.approx(later - earlier, abs=0.5)
        assert seen[-1][1][("execute",)] > 0
        changes = await stand.rows(select(device_activity.c.activity, device_activity.c.reason))
        # Dispatch and execute are in the jobs' own rows: of both together the first is told.
        assert [tuple(change) for change in changes] == [
            ("unknown", "no observer ran"),
            ("idle", ""),
            ("dispatch", ""),
            ("held", "closed"),
        ]

    observing(beside(), work)


def test_what_no_source_tells_is_absent(peer: Peer, tmp_path: Path) -> None:
    stand = Stand(
        tmp_path, {"peer_api": {"url": peer.url, "auth": "none", "read": ["accessible"], "interval": 0.1}}
    )

    async def work(stand: Stand) -> None:
        await stand.until(lambda: stand.device.picture.state == "online")
        found = await stand.scrape()
        assert found["qpu_state"][("online",)] == 1
        assert found["qpu_activity"][("unknown",)] == 1
        assert found["qwatch_observer_source_up"] == {("peer_accessible",): 1}
        for name in (
            "qpu_queue_jobs",
            "qpu_queue_oldest_job_created_timestamp_seconds",
            "qpu_pending_jobs",
            "qpu_slots",
            "qpu_healthy",
            "qpu_sessions_active",
            "qpu_running_job_start_timestamp_seconds",
            "qpu_jobs_submitted_total",
        ):
            assert not found.get(name), name

    observing(stand, work)


def test_when_the_sources_fall_silent_what_they_told_is_forgotten(peer: Peer, tmp_path: Path) -> None:
    read = {"auth": "none", "read": ["accessible"], "interval": 0.1, "timeout": 0.2}
    stand = Stand(tmp_path, {"peer_api": {"url": peer.url, **read}})

    async def work(stand: Stand) -> None:
        await stand.until(lambda: stand.device.picture.state == "online")
        peer.stop()
        await stand.until(lambda: stand.device.picture.state == "unknown")
        found = await stand.scrape()
        assert found["qpu_up"] == {(): 0}
        assert found["qwatch_observer_source_up"] == {("peer_accessible",): 0}
        assert found["qwatch_observer_source_last_success_timestamp_seconds"][("peer_accessible",)] > 0

    observing(stand, work)


def test_a_change_that_the_store_could_not_take_is_recorded_later(
    tables: PeerTables, beside: Callable[[], Stand]
) -> None:
    async def work(stand: Stand) -> None:
        await stand.until(lambda: stand.device.clock.activity == "idle")
        store = stand.observer.store
        write, refused = store.write, []

        async def refuse(*_work: Any, **_options: Any) -> None:
            refused.append(1)
            raise UnavailableError("the store is busy")

        store.write = refuse  # type: ignore[method-assign, assignment]
        tables.submit(tables.open_session())
        tables.set_accessible(False, "closed")
        await stand.until(lambda: stand.device.clock.activity == "held" and refused)
        store.write = write  # type: ignore[method-assign]
        held = select(device_activity.c.reason).where(device_activity.c.activity == "held")
        deadline = time.monotonic() + PATIENCE
        while not (found := await stand.rows(held)):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        assert [row.reason for row in found] == ["closed"]

    observing(beside(), work)


def test_what_the_store_could_not_take_is_not_accepted_from_the_source() -> None:
    class Source:
        name, interval, timeout = "peer_status", 1.0, 1.0
        accepted_polls = 0

        async def poll(self) -> Sighting:
            return Sighting(pending=1)

        def accepted(self) -> None:
            self.accepted_polls += 1

        async def close(self) -> None:
            """Hold nothing."""

    serving = [False, True]

    async def take(_sighting: Sighting) -> None:
        if not serving.pop(0):
            raise UnavailableError("the store is busy")

    async def work() -> None:
        source = Source()
        watched = WatchedSource(source, "FRESNEL", take)
        await watched.poll()
        assert (watched.up, source.accepted_polls) == (True, 0)
        await watched.poll()
        assert (watched.up, source.accepted_polls) == (True, 1)

    asyncio.run(work())


def test_the_observed_database_is_not_taken_as_store(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'warden.db'}"
    settings = ObserverSettings.model_validate({"devices": [{"name": "A", "peer_database": {"url": url}}]})
    with pytest.raises(ConfigurationError, match="is the database that is observed for A"):
        Observer(settings, StoreSettings(url=url), None, Instruments(CollectorRegistry()))
    assert not (tmp_path / "warden.db").exists()


def test_a_request_that_could_change_something_does_not_leave_the_process(peer: Peer) -> None:
    async def send(method: str) -> None:
        transport = ReadOnlyTransport(token_url="http://identity.example/token")
        async with httpx.AsyncClient(transport=transport) as client:
            await client.request(method, f"{peer.url}/jobs")

    for method in ("POST", "PUT", "DELETE", "PATCH"):
        with pytest.raises(RuntimeError, match=f"an observer does not send {method} /jobs"):
            asyncio.run(send(method))
    assert peer.requests == []
