"""The board "My jobs": jobs and measures of one user's hybrid programs."""

from __future__ import annotations

from ..telemetry import labels, log_fields
from ..telemetry.logql import Lines
from ..telemetry.promql import Matches, variable
from . import selection
from .annotations import marks
from .grafana import Json, Line, Section, dashboard
from .panels import devices, freshness, own_jobs, own_program, queue
from .selection import CLASSES, DEVICES, SITE, THESE, WINDOW
from .variables import text_variable

CHOSEN: Matches = {**THESE, **CLASSES}
NAMED: Matches = {labels.PROGRAM_MEASURE.name: variable("measure", multiple=True)}
# Whose lines have a user, so that no name typed is nobody, not everybody without one.
MINE = (
    Lines("$qpu_id")
    .having(log_fields.USER)
    .where(log_fields.USER, "=", "$user")
    .where(log_fields.SLURM_JOB_ID, "=~", "$slurm_job_id")
)
MY_JOBS = MINE.where(log_fields.JOB_CLASS, "=~", "$job_class")
MY_MEASURES = MINE.where(log_fields.MEASURE, "=~", "$measure")
QUESTION = "Where are my jobs, how long do they wait and run, and does my program converge?"


def board() -> Json:
    """Return the board's JSON."""
    return dashboard(
        uid="qwatch-my-jobs",
        title="My jobs",
        tags=["user"],
        description=f"{QUESTION} Type your user name above.",
        variables=[
            *selection.sources(),
            text_variable("user", "User", "", "Your user name on the cluster: whose jobs are shown"),
            text_variable("slurm_job_id", "Slurm job", ".*", "Number of one Slurm job; .* is any, and none"),
            selection.cluster(),
            selection.devices(),
            selection.classes(),
            text_variable(
                "measure", "Figure of merit", ".+", "Regular expression for the names of figures of merit"
            ),
            selection.window("quantiles of everybody's jobs are taken"),
        ],
        annotations=marks(SITE, DEVICES),
        sections=[
            Section(
                QUESTION,
                (
                    Line(
                        5,
                        (
                            (9, devices.now(THESE)),
                            (3, own_jobs.how_many(MY_JOBS)),
                            (3, own_jobs.failed(MY_JOBS)),
                            (3, own_jobs.median_wait(MY_JOBS)),
                            (3, own_jobs.median_run(MY_JOBS)),
                            (3, own_jobs.device_time(MY_JOBS)),
                        ),
                    ),
                    Line(10, ((14, own_jobs.jobs(MY_JOBS)), (10, own_program.figures_of_merit(MY_MEASURES)))),
                    Line(
                        8,
                        (
                            (8, own_jobs.wait_and_run(MY_JOBS)),
                            (8, queue.wait_by_class(CHOSEN, WINDOW)),
                            (8, queue.run_by_class(CHOSEN, WINDOW)),
                        ),
                    ),
                ),
            ),
            Section(
                "Where did the time of my programs go?",
                (
                    Line(8, ((24, own_program.where_the_time_went(MY_JOBS, MINE)),)),
                    Line(
                        7,
                        ((12, own_program.all_figures_of_merit(NAMED)), (12, own_program.all_phases(WINDOW))),
                    ),
                ),
            ),
            Section(
                "What went wrong, and what happened step by step?",
                (
                    Line(8, ((12, own_jobs.errors(MINE)), (12, own_jobs.log_lines(MINE)))),
                    Line(8, ((24, own_jobs.slurm_traces("$qpu_id", "$slurm_job_id")),)),
                ),
            ),
            Section(
                "How old and how complete is this data?",
                (
                    Line(
                        5,
                        (
                            (9, devices.data_age(THESE)),
                            (4, own_jobs.newest_line(MINE)),
                            (4, freshness.dropped_now(SITE)),
                            (7, freshness.dropped(SITE, "$__rate_interval")),
                        ),
                    ),
                ),
            ),
        ],
    )
