"""The board "Queue and scheduling": what waits, for how long and why, for the operator."""

from __future__ import annotations

from ..telemetry.promql import Matches
from . import selection
from .annotations import marks
from .grafana import Json, Line, Section, dashboard
from .panels import completeness, device, devices, freshness, queue, scheduling, single_jobs
from .selection import CLASSES, DEVICES, SITE, THESE, WINDOW

CHOSEN: Matches = {**THESE, **CLASSES}
QUESTION = "Does work wait longer than it must, and why?"


def board() -> Json:
    """Return the board's JSON."""
    return dashboard(
        uid="qwatch-queue",
        title="Queue and scheduling",
        description=QUESTION,
        tags=["operator"],
        variables=[
            *selection.sources(),
            selection.cluster(),
            selection.devices(),
            selection.classes(),
            selection.window("quantiles and rates are taken"),
        ],
        annotations=marks(SITE, DEVICES),
        sections=[
            Section(
                QUESTION,
                (
                    Line(
                        4,
                        (
                            (2, queue.waiting_now(CHOSEN)),
                            (2, scheduling.running_now(CHOSEN)),
                            (4, queue.oldest_now(CHOSEN)),
                            (3, scheduling.expected_wait(THESE)),
                            (3, scheduling.usual_wait(CHOSEN, 0.5, "Wait, median")),
                            (3, scheduling.usual_wait(CHOSEN, 0.9, "Wait, p90")),
                            (3, scheduling.usual_gap(THESE)),
                            (4, device.dispatch_efficiency(THESE)),
                        ),
                    ),
                    Line(
                        7,
                        (
                            (10, queue.queue(CHOSEN)),
                            (7, queue.oldest(CHOSEN)),
                            (7, scheduling.in_and_out(CHOSEN, WINDOW)),
                        ),
                    ),
                    Line(7, ((12, scheduling.waits(CHOSEN)), (12, scheduling.runs(CHOSEN)))),
                    Line(6, ((12, scheduling.decisions(THESE, WINDOW)), (12, scheduling.gaps(THESE)))),
                ),
            ),
            Section(
                "What holds work back, and what does scheduling cost?",
                (
                    Line(
                        7,
                        (
                            (8, device.time_partition(THESE)),
                            (8, scheduling.loops(THESE, WINDOW)),
                            (8, scheduling.running_for(THESE)),
                        ),
                    ),
                    Line(
                        7,
                        (
                            (8, scheduling.sessions(THESE, WINDOW)),
                            (8, scheduling.session_ends(THESE, WINDOW)),
                            (8, scheduling.session_durations(THESE, WINDOW)),
                        ),
                    ),
                    Line(7, ((12, scheduling.slurm_jobs(SITE)), (12, scheduling.slurm_rations(SITE)))),
                ),
            ),
            Section(
                "Which jobs wait, run long, or fail?",
                (
                    Line(
                        7,
                        (
                            (8, queue.wait_by_class(CHOSEN, WINDOW)),
                            (8, queue.run_by_class(CHOSEN, WINDOW)),
                            (8, queue.ended(CHOSEN, WINDOW)),
                        ),
                    ),
                    Line(7, ((12, scheduling.turnarounds(CHOSEN)), (12, scheduling.sizes(CHOSEN, WINDOW)))),
                ),
            ),
            Section(
                "What happened to single jobs?",
                (
                    Line(
                        10,
                        ((12, single_jobs.log_lines("$qpu_id")), (12, single_jobs.recent_traces("$qpu_id"))),
                    ),
                ),
                collapsed=True,
            ),
            Section(
                "How old and how complete is this data?",
                (
                    Line(
                        6,
                        (
                            (5, devices.data_age(THESE)),
                            (14, completeness.what_is_told(THESE)),
                            (2, scheduling.policies(THESE)),
                            (3, freshness.dropped_now(SITE)),
                        ),
                    ),
                ),
            ),
        ],
    )
