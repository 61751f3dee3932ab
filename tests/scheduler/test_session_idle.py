"""The seconds for which sessions are held while nothing of theirs is queued or running."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, create_engine, delete, event

from qwatch.scheduler import jobs, sessions
from qwatch.scheduler.jobs import JobEnd, JobState, NewJob
from qwatch.scheduler.session_idle import SessionIdle
from qwatch.scheduler.sessions import NewSession
from qwatch.scheduler.tables import job_payloads, ledger_jobs, metadata
from qwatch.scheduler.tables import jobs as jobs_table
from qwatch.scheduler.tables import sessions as sessions_table

BEGIN, END = 1000, 1060
moments = st.integers(BEGIN, END)


@dataclass(frozen=True)
class Life:
    """A session from ``begin`` to ``end`` (None: it is held on), and the spans of its jobs."""

    begin: int
    end: int | None
    jobs: tuple[tuple[int, int], ...]

    def idle(self, since: int, until: int) -> int:
        """Count the whole seconds, one by one."""
        end = until if self.end is None else min(self.end, until)
        return sum(
            not any(first <= second < last for first, last in self.jobs)
            for second in range(max(self.begin, since), end)
        )


@st.composite
def lives(draw: st.DrawFn) -> Life:
    begin = draw(moments)
    end = draw(st.none() | st.integers(begin, END + 10))
    last = END if end is None else min(end, END)
    spans = draw(st.lists(st.tuples(st.integers(begin, last), st.integers(0, 20)), max_size=4))
    return Life(begin, end, tuple((first, first + length) for first, length in spans))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder: Path = tmp_path_factory.mktemp("idle")
    engine = create_engine(f"sqlite:///{folder / 'qwatch.db'}")

    @event.listens_for(engine, "connect")
    def quickly(connection: object, _record: object) -> None:
        connection.execute("PRAGMA synchronous=OFF")  # type: ignore[attr-defined]

    metadata.create_all(engine)
    yield engine
    engine.dispose()


def write(connection: Connection, life: Life, now: int, known: dict[str, int]) -> None:
    """Bring a session's rows from what they were to what they are at ``now``."""
    if life.begin > now:
        return
    if "session" not in known:
        token = sessions.new_token()
        new = NewSession(1000, "ada", "chem", None, "EMU", 0, float(life.begin))
        known["session"] = sessions.create(connection, new, token)
    session = sessions.by_id(connection, known["session"])
    for number, (first, last) in enumerate(life.jobs):
        if first <= now and f"job{number}" not in known:
            job = NewJob("test", "pasqal-local", "{}", 5, float(first), float(first), None, None)
            (known[f"job{number}"],) = jobs.create(connection, [(session, job)])
        if last <= now and f"end{number}" not in known:
            known[f"end{number}"] = 1
            jobs.finish(connection, known[f"job{number}"], JobEnd(JobState.DONE, "none", None, float(last)))
    if life.end is not None and life.end <= now:
        sessions.end(connection, session.id, float(life.end), "released")


@given(all_of_them=st.lists(lives(), max_size=4), scrapes=st.lists(moments, max_size=5))
def test_they_are_counted_once_whenever_the_scrapes_come(
    engine: Engine, all_of_them: list[Life], scrapes: list[int]
) -> None:
    with engine.begin() as connection:
        for table in (job_payloads, ledger_jobs, jobs_table, sessions_table):
            connection.execute(delete(table))
        known: list[dict[str, int]] = [{} for _ in all_of_them]
        idle = SessionIdle()
        idle.begin(connection, float(BEGIN))
        before = 0.0
        for now in (*sorted(scrapes), END):
            for life, rows in zip(all_of_them, known, strict=True):
                write(connection, life, now, rows)
            found = idle.seconds(connection, float(now)).get("EMU", 0.0)
            assert found >= before
            assert found == sum(life.idle(BEGIN, now) for life in all_of_them)
            before = found


def test_a_clock_that_steps_back_takes_nothing_away(engine: Engine) -> None:
    with engine.begin() as connection:
        for table in (job_payloads, ledger_jobs, jobs_table, sessions_table):
            connection.execute(delete(table))
        write(connection, Life(BEGIN, None, ()), END, {})
        idle = SessionIdle()
        idle.begin(connection, float(BEGIN))
        told = [idle.seconds(connection, now)["EMU"] for now in (1010.0, 1005.0, 1010.0, 1020.0)]
        assert told == [10.0, 10.0, 10.0, 20.0]
        assert all(later >= earlier for earlier, later in itertools.pairwise(told))
