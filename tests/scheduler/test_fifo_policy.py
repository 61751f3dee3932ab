"""First in, first out; quality jobs run only when nobody else waits."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from qwatch.scheduler import jobs, sessions
from qwatch.scheduler.jobs import JobEnd, JobState, NewJob
from qwatch.scheduler.policies.fifo import FifoPolicy
from qwatch.scheduler.sessions import NewSession
from qwatch.scheduler.tables import metadata
from qwatch.telemetry.labels import JOB_CLASSES

arrivals = st.lists(st.tuples(st.sampled_from(JOB_CLASSES), st.integers(0, 3)), max_size=12)
"""Jobs by class, and how many run before the next one comes."""


@settings(max_examples=40)
@given(arrivals)
def test_each_choice_is_the_oldest_of_the_users_jobs_and_then_of_the_quality_jobs(
    arriving: list[tuple[str, int]],
) -> None:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    policy = FifoPolicy()
    waiting: list[tuple[bool, int]] = []
    with engine.begin() as connection:
        token = sessions.new_token()
        sessions.create(connection, NewSession(1, "ada", "chem", None, "EMU", 0, 1.0), token)
        session = sessions.find(connection, token)
        assert session is not None
        for job_class, runs in [*arriving, ("test", len(arriving) + 1)]:
            new = NewJob(job_class, "pasqal-local", "{}", 7, 1.0, 1.0, None, None)
            waiting.append((job_class == "qa", jobs.create(connection, [(session, new)])[0]))
            for _ in range(runs):
                choice = policy.choose(connection, "EMU")
                if not waiting:
                    assert choice is None
                    break
                assert choice is not None
                assert (choice.job.id, choice.shots) == (min(waiting)[1], 7)
                waiting.remove(min(waiting))
                jobs.start(connection, choice.job.id, 2.0)
                jobs.finish(connection, choice.job.id, JobEnd(JobState.DONE, "none", None, 3.0))
        assert not waiting
        assert policy.choose(connection, "EMU") is None
    engine.dispose()
