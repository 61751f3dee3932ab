"""A job's and a session's time as values: a variational loop of several jobs."""

from __future__ import annotations

from qwatch.reports.timeline_model import Fact, JobRow, Moment, Phase, SliceRow, TimelinePage
from qwatch.scheduler.time_breakdown import JOB_PARTS, SESSION_PARTS, Interval

BEGIN = 1_790_000_000.0


def a_job() -> TimelinePage:
    """Return a job in two slices, with a hold between them."""
    spans = [
        (0, 41.2, "queue"),
        (41.2, 41.5, "dispatch"),
        (41.5, 96.0, "device"),
        (96.0, 96.4, "fetch"),
        (96.4, 121.0, "queue"),
        (121.0, 121.2, "dispatch"),
        (121.2, 170.9, "device"),
        (170.9, 173.1, "fetch"),
    ]
    intervals = [Interval(BEGIN + begin, BEGIN + end, part) for begin, end, part in spans]
    return TimelinePage(
        subject="job",
        name="10442",
        qpu_id="FRESNEL",
        begin=BEGIN,
        end=BEGIN + 173.1,
        finished=True,
        seconds={part: sum(i.end - i.begin for i in intervals if i.part == part) for part in JOB_PARTS},
        intervals=intervals,
        timezone="Europe/Paris",
        made_at=BEGIN + 900,
        version="0.1.0",
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        facts=[
            Fact(name="User", value="ada"),
            Fact(name="Account", value="materials"),
            Fact(name="Class", value="production"),
            Fact(name="State", value="DONE"),
            Fact(name="Shots", value="400"),
        ],
        phases=[Phase(name="optimise", begin=BEGIN + 60, end=BEGIN + 110)],
        slices=[
            SliceRow(
                job="10442",
                shots=200,
                state="done",
                claimed=BEGIN + 41.2,
                posted=BEGIN + 41.3,
                started=BEGIN + 41.5,
                ended=BEGIN + 96,
                fetched=BEGIN + 96.4,
            ),
            SliceRow(
                job="10442",
                shots=200,
                state="done",
                claimed=BEGIN + 121,
                posted=BEGIN + 121.1,
                started=BEGIN + 121.2,
                ended=BEGIN + 170.9,
                fetched=None,
            ),
        ],
        moments=[
            Moment(at=BEGIN + 96.4, text="held: a window for another project began"),
            Moment(at=BEGIN + 170.0, text="energy = -1.137 Ha"),
        ],
    )


def a_session(jobs: int = 40) -> TimelinePage:
    """Return a session in which a classical optimiser and the device take turns."""
    steps = (("queue", 4.0), ("dispatch", 0.3), ("device", 21.0), ("fetch", 0.8), ("classical", 9.0))
    at, intervals, rows = BEGIN + 30, [Interval(BEGIN, BEGIN + 30, "idle")], []
    for number in range(jobs):
        created = at
        for part, length in steps:
            intervals.append(Interval(at, at + length * (1 + number % 5 / 4), part))
            at = intervals[-1].end
        rows.append(
            JobRow(
                job=str(10400 + number),
                state="DONE",
                created=created,
                started=created + 5,
                ended=created + 26,
                fetched=created + 27,
                shots=100,
            )
        )
    intervals.append(Interval(at, at + 400, "idle"))
    return TimelinePage(
        subject="session",
        name="s-4137",
        qpu_id="FRESNEL",
        begin=BEGIN,
        end=at + 400,
        finished=False,
        seconds={part: sum(i.end - i.begin for i in intervals if i.part == part) for part in SESSION_PARTS},
        intervals=intervals,
        timezone="Europe/Paris",
        made_at=at + 400,
        version="0.1.0",
        jobs=rows,
        phases=[
            Phase(name="warm-up", begin=BEGIN + 5, end=BEGIN + 200),
            Phase(name="loop", begin=BEGIN + 200, end=at),
        ],
        facts=[Fact(name="Slurm job", value="88120")],
        notes=["Of the time before the first job the scheduler does not know what the program did."],
    )
