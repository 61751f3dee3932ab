"""The time partition of a device under windows, faults, slices, stops and crashes.

At every scrape the counters have grown by exactly the time that passed, each by what held when it passed; only
what a crash took, the time since the last scrape, is unknown. The ledger tells the same, by other means.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection

from qwatch.scheduler import device_record, jobs, sessions, slices, windows
from qwatch.scheduler.device import Device
from qwatch.scheduler.devices.open_adapter import open_adapter
from qwatch.scheduler.jobs import NewJob
from qwatch.scheduler.ledger_comparison import LedgerComparison
from qwatch.scheduler.sessions import NewSession
from qwatch.scheduler.settings import DeviceSettings
from qwatch.scheduler.slices import SliceState
from qwatch.scheduler.store import Store
from qwatch.scheduler.tables import metadata
from qwatch.scheduler.windows import NewWindow, OpenWindows, WindowKind
from qwatch.telemetry.instruments import Instruments
from qwatch.telemetry.labels import ACTIVITIES

# Sums of sixteenths are exact, so that what is compared is not rounding.
spans = st.integers(1, 10_000).map(lambda sixteenths: sixteenths / 16)
events = st.one_of(
    st.tuples(st.just("rest"), st.sampled_from(["idle", "held", "fault", "unknown"]), spans),
    st.tuples(st.just("slice"), st.sampled_from(["", "fault", "crash", "scrape"]), spans),
    st.tuples(st.just("open"), st.sampled_from(list(WindowKind)), spans),
    st.tuples(st.just("close"), st.sampled_from(list(WindowKind)), spans),
    st.tuples(st.just("scrape"), st.none(), spans),
    st.tuples(st.sampled_from(["stop", "crash"]), st.none(), spans),
)


class OwnStore(Store):
    """A store with an event loop that lives as long as it, for examples that come one by one."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"sqlite:///{folder / 'qwatch.db'}", Instruments(CollectorRegistry()))
        metadata.create_all(self.engine)
        self.runner = asyncio.Runner()
        self.names = (f"QPU{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnStore]:
    store = OwnStore(tmp_path_factory.mktemp("partition"))

    async def start() -> None:
        store.start()

    store.runner.run(start())
    yield store
    store.runner.run(store.stop())
    store.runner.close()


@dataclass
class World:
    """A device in a time that the test sets, and what its counters should be."""

    store: OwnStore
    name: str
    now: float = 1_000_000.0
    expected: dict[str, float] = field(default_factory=lambda: dict.fromkeys(ACTIVITIES, 0.0))
    since_scrape: dict[str, float] = field(default_factory=lambda: dict.fromkeys(ACTIVITIES, 0.0))
    base: str = "unknown"
    working: str | None = None
    scraped_at: float | None = None
    told: dict[str, float] = field(default_factory=lambda: dict.fromkeys(ACTIVITIES, 0.0))

    async def begin(self) -> None:
        """A process starts."""
        store = self.store
        settings = DeviceSettings(name=self.name, url="http://qpu")
        self.device = Device(settings, open_adapter(settings), store, lambda: self.now, lambda: self.now)
        await self.device.load()
        await self.take_windows()
        self.comparison = LedgerComparison(store, {self.name: self.device})
        await self.comparison.begin()
        self.base, self.working = "unknown", None
        # Nothing rests before the dispatcher has looked, whatever a window says.
        self.looked = False

    async def take_windows(self) -> None:
        found = await self.store.read(windows.open_windows)
        await self.device.set_windows(found.get(self.name, OpenWindows()))

    def doing(self) -> str:
        planned = self.device.windows.planned
        if self.working is not None:
            return self.working
        return planned.kind.value if planned is not None and self.looked else self.base

    def go_on(self, seconds: float, activity: str | None = None) -> None:
        self.now += seconds
        self.since_scrape[activity or self.doing()] += seconds

    async def scrape(self) -> None:
        await self.device.save_time()
        for name, seconds in self.since_scrape.items():
            self.expected[name] += seconds
            self.since_scrape[name] = 0.0
        found = self.device.stored_seconds
        assert found == self.expected
        if self.scraped_at is not None:
            grown = sum(found.values()) - sum(self.told.values())
            assert grown == self.now - self.scraped_at, "the rates sum to 1"
        assert all(found[name] >= self.told[name] for name in ACTIVITIES), "no counter falls"
        self.told, self.scraped_at = found, self.now
        await self.comparison.update()
        assert self.comparison.differences[self.name] == pytest.approx(
            dict.fromkeys(set(ACTIVITIES) - {"unknown"}, 0.0), abs=1e-3
        )

    async def crash(self, gap: float) -> None:
        lost = sum(self.since_scrape.values())
        # A device that was never scraped has no counters that a restart could add to.
        self.since_scrape = dict.fromkeys(ACTIVITIES, 0.0)
        self.now += gap
        if self.scraped_at is not None:
            self.since_scrape["unknown"] = lost + gap
        await self.begin()

    async def stop(self, gap: float) -> None:
        await self.device.turn_to("unknown", "the daemon stopped")
        self.base, self.looked = "unknown", False
        await self.scrape()
        await self.crash(gap)

    async def run_slice(self, trouble: str, seconds: float) -> None:
        await self.device.turn_to("dispatch")
        self.working = "dispatch"
        claimed = await self.store.write(self.claim)
        self.go_on(seconds)
        await self.device.turn_to("execute")
        self.working = "execute"
        posted_at = self.now
        await self.store.write(lambda connection: slices.posted(connection, claimed.id, "7", posted_at))
        self.go_on(seconds)
        if trouble == "scrape":
            await self.scrape()
        elif trouble == "fault":
            await self.device.rest_in("fault", "it does not answer")
            self.base, self.working, self.looked = "fault", None, True
            self.go_on(seconds)
        elif trouble == "crash":
            await self.crash(seconds)
            self.go_on(seconds)
        await self.device.turn_to("execute")
        self.working = "execute"
        self.go_on(seconds)
        await self.device.turn_to("dispatch")
        self.working = "dispatch"
        ended_at = self.now
        await self.store.write(
            lambda connection: slices.close(connection, claimed.id, SliceState.DONE, observed_end_at=ended_at)
        )
        self.go_on(seconds)
        await self.rest("idle")

    async def rest(self, activity: str) -> None:
        await self.device.rest_in(activity)
        self.base, self.working, self.looked = activity, None, True

    def claim(self, connection: Connection) -> slices.Slice:
        token = sessions.new_token()
        sessions.create(connection, NewSession(1000, "ada", "chem", None, self.name, 0, self.now), token)
        session = sessions.find(connection, token)
        assert session is not None
        job = NewJob("test", "pasqal-local", "{}", 5, self.now, self.now, None, None)
        (number,) = jobs.create(connection, [(session, job)])
        return slices.claim(connection, number, self.name, 5, self.now)


async def live(world: World, steps: list[tuple[str, Any, float]]) -> None:
    await world.store.write(lambda connection: device_record.load_or_create(connection, world.name))
    await world.begin()
    for kind, what, seconds in steps:
        if kind == "rest":
            await world.rest(what)
        elif kind == "slice":
            await world.run_slice(what, seconds)
        elif kind == "open":
            new = NewWindow(qpu_id=world.name, kind=what)
            await world.store.write(
                lambda connection, new=new: windows.open_window(connection, new, world.now, "ada")
            )
            await world.take_windows()
        elif kind == "close":
            await world.store.write(
                lambda connection, what=what: windows.close_window(
                    connection, world.name, what, world.now, "ada"
                )
            )
            await world.take_windows()
        elif kind == "scrape":
            await world.scrape()
        else:
            await (world.stop if kind == "stop" else world.crash)(seconds)
            continue
        world.go_on(seconds)
    await world.scrape()


@given(steps=st.lists(events, max_size=12))
@settings(max_examples=40)
def test_each_second_is_told_once_and_the_ledger_agrees(
    store: OwnStore, steps: list[tuple[str, Any, float]]
) -> None:
    store.runner.run(live(World(store, next(store.names)), steps))


def test_what_a_window_says_goes_before_a_fault_and_after_a_slice(store: OwnStore) -> None:
    world = World(store, next(store.names))
    steps = [
        ("rest", "idle", 1.0),
        ("open", WindowKind.MAINTENANCE, 2.0),
        ("rest", "fault", 4.0),
        ("close", WindowKind.MAINTENANCE, 8.0),
        ("open", WindowKind.DRAIN, 16.0),
        ("rest", "held", 32.0),
    ]
    store.runner.run(live(world, steps))
    assert {name: seconds for name, seconds in world.told.items() if seconds} == {
        "idle": 1.0,
        "maintenance": 6.0,
        "fault": 24.0,
        "held": 32.0,
    }
