"""The peer's API, read by GET alone: what holds now, and what ended, page by page."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from qwatch.collectors.observer.peer_accounting import RESOLUTION_SECONDS, PeerAccounting
from qwatch.collectors.observer.peer_api import PeerAccessible, PeerSlots, PeerStatus
from qwatch.collectors.observer.peer_client import PeerClient
from qwatch.collectors.observer.peer_jobs import PeerJobs, session_hash
from qwatch.collectors.observer.settings import ObservedDeviceSettings, PeerApiSettings
from qwatch.collectors.observer.source import SourceError, WatchedSource
from qwatch.scheduler.accounts import Accounts
from qwatch.scheduler.ledger import LedgerJob

from .peer_double import Peer, PeerTables

T = TypeVar("T")
Reader = Callable[[Callable[[PeerClient], Awaitable[T]]], T]


@pytest.fixture
def settings(peer: Peer, token_file: Path) -> PeerApiSettings:
    return PeerApiSettings(url=peer.url, auth="token", token_file=token_file)


@pytest.fixture
def read(settings: PeerApiSettings) -> Any:
    """Return a function that does something with a client and returns what came of it."""

    def run(work: Callable[[PeerClient], Awaitable[T]]) -> T:
        async def within() -> T:
            client = PeerClient(settings)
            try:
                return await work(client)
            finally:
                await client.close()

        return asyncio.run(within())

    return run


def rows(settings: PeerApiSettings) -> PeerJobs:
    device = ObservedDeviceSettings(name="FRESNEL", peer_api=settings, ledger_source="warden")
    return PeerJobs(device, Accounts(None))


async def all_of(source: PeerAccounting) -> list[LedgerJob]:
    """Poll until nothing more comes."""
    found: list[LedgerJob] = []
    while True:
        sighting = await source.poll()
        source.accepted()
        if not sighting.finished:
            return found
        found += sighting.finished


def test_status_tells_what_runs_what_waits_and_who_holds_a_session(tables: PeerTables, read: Any) -> None:
    session, _ = tables.open_session(), tables.open_session(user="1001")
    running, _, _ = (tables.submit(session) for _ in range(3))
    tables.begin(running, uid="41", at=1_790_000_000.0)
    found = read(lambda client: PeerStatus(client, 0.1).poll())
    assert (found.runs, found.pending, found.sessions) == (True, 2, 2)
    assert (found.running.job, found.running.started_at) == (str(running), 1_790_000_000.0)
    assert found.running.device_uid == "41"


def test_accessible_and_slots_are_told(tables: PeerTables, peer: Peer, read: Any) -> None:
    tables.set_accessible(False, "maintenance until noon")
    tables.open_session()
    open_to_users = read(lambda client: PeerAccessible(client, 0.1).poll())
    slots = read(lambda client: PeerSlots(client, 0.1).poll())
    assert (open_to_users.accessible, open_to_users.message) == (False, "maintenance until noon")
    assert (slots.max_slots, slots.available_slots) == (4, 3)


def test_a_finished_job_has_the_times_that_its_start_and_duration_tell(
    tables: PeerTables, settings: PeerApiSettings, read: Any
) -> None:
    now = time.time()
    session = tables.open_session()
    job = tables.submit(session, 250, at=now - 40)
    tables.begin(job, at=now - 30)

    async def seen_running(client: PeerClient) -> list[LedgerJob]:
        await PeerStatus(client, 0.1).poll()
        tables.end(job, at=now - 10)
        return await all_of(PeerAccounting(client, rows(settings), now - 100))

    [found] = read(seen_running)
    assert (found.source, found.qpu_id, found.job, found.state) == ("warden", "FRESNEL", str(job), "DONE")
    assert (found.shots_requested, found.shots_executed) == (250, 250)
    assert (found.uid, found.slurm_job_id, found.reason) == (1000, "77", "none")
    assert found.created_at == pytest.approx(now - 40, abs=1)
    assert found.started_at == pytest.approx(now - 30, abs=1)
    assert found.ended_at == pytest.approx(now - 10, abs=1)
    assert found.busy_seconds == pytest.approx(20, abs=1)


def test_a_session_is_kept_as_a_hash_only(tables: PeerTables, settings: PeerApiSettings, read: Any) -> None:
    now = time.time()
    session = tables.open_session()
    tables.ran(session, now - 30, now - 20, now - 10)
    [found] = read(lambda client: all_of(PeerAccounting(client, rows(settings), now - 100)))
    assert found.session == session_hash(session.hex) == session_hash(str(session))
    assert str(session) not in repr(found)


def test_every_job_of_many_pages_is_told_once_at_about_its_end(
    tables: PeerTables, peer: Peer, settings: PeerApiSettings, read: Any
) -> None:
    now = time.time()
    session = tables.open_session()
    with_one_end = [tables.ran(session, now - 900, now - 803, now - 800) for _ in range(230)]
    spread = [tables.ran(session, now - 700, now - 600 + 25 * i, now - 599 + 25 * i) for i in range(6)]
    found = read(lambda client: all_of(PeerAccounting(client, rows(settings), now - 1000)))
    assert sorted(int(job.job) for job in found) == sorted([*with_one_end, *spread])
    ends = {int(job.job): job.ended_at for job in found}
    for job in with_one_end:
        assert 0 <= ends[job] - (now - 800) <= RESOLUTION_SECONDS + 1
    for i, job in enumerate(spread):
        assert 0 <= ends[job] - (now - 599 + 25 * i) <= RESOLUTION_SECONDS + 1


def test_what_was_not_accepted_is_told_again_and_what_was_is_not(
    tables: PeerTables, settings: PeerApiSettings, read: Any
) -> None:
    now = time.time()
    tables.ran(tables.open_session(), now - 30, now - 20, now - 10)

    async def polls(client: PeerClient) -> list[int]:
        source = PeerAccounting(client, rows(settings), now - 100)
        counts = [len((await source.poll()).finished) for _ in range(2)]
        source.accepted()
        return [*counts, len((await source.poll()).finished)]

    assert read(polls) == [1, 1, 0]


def test_a_job_whose_end_is_written_down_late_is_still_found(
    tables: PeerTables, settings: PeerApiSettings, read: Any
) -> None:
    now = time.time()
    session = tables.open_session()

    async def late(client: PeerClient) -> list[LedgerJob]:
        source = PeerAccounting(client, rows(settings), now)
        await all_of(source)
        tables.ran(session, now - 40, now - 30, now - 20)
        return await all_of(source)

    assert len(read(late)) == 1


def test_a_cancelled_job_that_never_ran_has_no_start(
    tables: PeerTables, settings: PeerApiSettings, read: Any
) -> None:
    now = time.time()
    job = tables.submit(tables.open_session(), at=now - 30)
    tables.end(job, "CANCELED", at=now - 10)
    [found] = read(lambda client: all_of(PeerAccounting(client, rows(settings), now - 100)))
    assert (found.state, found.reason) == ("CANCELED", "other")
    assert (found.started_at, found.busy_seconds, found.shots_executed) == (None, None, None)


def test_a_session_that_ended_is_told_once_and_not_how(
    tables: PeerTables, settings: PeerApiSettings, read: Any
) -> None:
    now = time.time()
    before = tables.open_session(at=now - 500)
    tables.end_session(before, at=now - 30)

    async def polls(client: PeerClient) -> list[list[tuple[str, float]]]:
        source = PeerAccounting(client, rows(settings), now)
        session = tables.open_session(at=time.time() - 90)
        tables.end_session(session)
        await asyncio.sleep(0.02)
        told = []
        for _ in range(2):
            sighting = await source.poll()
            source.accepted()
            told.append([(ended.outcome, round(ended.seconds)) for ended in sighting.ended_sessions])
        return told

    assert read(polls) == [[("other", 90)], []]


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ("token", "HTTP 403: the observer's user is not among the peer's administrators"),
        ("missing", "HTTP 404: the peer does not have this route; leave it out"),
        ("garbage", "the answer is not the peer's: the whole"),
        ("shape", "the answer is not the peer's: pending_jobs_count: missing"),
        ("stopped", "GET /status:"),
    ],
)
def test_what_a_source_cannot_tell_is_one_clear_line(
    peer: Peer, settings: PeerApiSettings, tmp_path: Path, wrong: str, line: str
) -> None:
    match wrong:
        case "token":
            file = tmp_path / "other"
            file.write_text("somebody-elses-token")
            settings = settings.model_copy(update={"token_file": file})
        case "missing":
            peer.missing.add("/status")
        case "garbage":
            peer.garbage = b"<html>a proxy"
        case "shape":
            peer.garbage = b'{"open_sessions": [{"id": "3f0c9b1e-secret"}], "current_job": null}'
        case "stopped":
            peer.stop()

    async def ask() -> None:
        client = PeerClient(settings)
        try:
            await PeerStatus(client, 0.1).poll()
        finally:
            await client.close()

    with pytest.raises(SourceError, match=line) as raised:
        asyncio.run(ask())
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_peer_that_never_answers_fails_alone_and_is_forgotten_in_time(
    peer: Peer, settings: PeerApiSettings
) -> None:
    quick = settings.model_copy(update={"timeout": 0.2, "interval": 0.1})

    async def observe() -> None:
        client = PeerClient(quick)
        status = WatchedSource(PeerStatus(client, 0.1), "FRESNEL", _nothing)
        await status.poll()
        assert (status.up, status.fresh is not None) == (True, True)
        peer.silent = threading.Event()
        await status.poll()
        assert status.up is False
        assert status.error
        await asyncio.sleep(0.6)
        assert status.fresh is None
        peer.silent.set()
        peer.silent = None
        await status.poll()
        assert (status.up, status.error) == (True, None)
        await client.close()

    asyncio.run(observe())


def test_a_fresh_munge_credential_is_sent_with_each_request(
    munged: None, tables: PeerTables, free_port: Callable[[], int]
) -> None:
    from qwatch.qrmi import munge

    seen: list[str] = []

    def accepts(headers: Any) -> int:
        credential = headers.get("x-munge-cred", "")
        seen.append(credential)
        munge.decode(credential)  # raises if it is replayed
        return 200

    peer = Peer(tables, free_port(), accepts)
    peer.start()

    async def ask_twice() -> None:
        client = PeerClient(PeerApiSettings(url=peer.url))
        for _ in range(2):
            await PeerStatus(client, 0.1).poll()
        await PeerAccessible(client, 0.1).poll()
        await client.close()

    try:
        asyncio.run(ask_twice())
    finally:
        peer.stop()
    assert len(set(seen)) == 2


async def _nothing(_sighting: object) -> None:
    """Take what is told and do nothing."""
