"""The board "Objectives": what is promised to users, and how much may still go wrong."""

from __future__ import annotations

from ..telemetry.promql import Matches
from ..telemetry.recorded_series import JOB_SUCCESS, QUEUE_WAIT
from . import selection
from .annotations import marks
from .grafana import Json, Line, Section, dashboard
from .panels import completeness, devices, fleet, objectives, queue
from .selection import CLASSES, DEVICES, SITE, THESE, WINDOW

CHOSEN: Matches = {**THESE, **CLASSES}
QUESTION = "Do we keep our promises to users, and how much may still go wrong?"


def board() -> Json:
    """Return the board's JSON."""
    return dashboard(
        uid="qwatch-objectives",
        title="Objectives",
        description=f"{QUESTION} Targets are set in the configuration of the alerts.",
        tags=["operator", "administrator"],
        variables=[
            *selection.sources("prometheus"),
            selection.cluster(),
            selection.devices(),
            selection.classes(),
            selection.window("waits and ends of jobs are averaged"),
        ],
        annotations=marks(SITE, DEVICES),
        since="now-7d",
        refresh="1m",
        sections=[
            Section(
                QUESTION,
                (
                    Line(
                        4,
                        (
                            (4, objectives.worst_budget(JOB_SUCCESS, CHOSEN)),
                            (4, objectives.fastest_burn(JOB_SUCCESS, CHOSEN)),
                            (4, objectives.jobs_counted(JOB_SUCCESS, CHOSEN)),
                            (4, objectives.worst_budget(QUEUE_WAIT, CHOSEN)),
                            (4, objectives.fastest_burn(QUEUE_WAIT, CHOSEN)),
                            (4, objectives.jobs_counted(QUEUE_WAIT, CHOSEN)),
                        ),
                    ),
                    Line(
                        7,
                        (
                            (12, objectives.standing(JOB_SUCCESS, CHOSEN)),
                            (12, objectives.standing(QUEUE_WAIT, CHOSEN)),
                        ),
                    ),
                    Line(
                        7,
                        (
                            (12, objectives.budget(JOB_SUCCESS, CHOSEN)),
                            (12, objectives.budget(QUEUE_WAIT, CHOSEN)),
                        ),
                    ),
                    Line(
                        6,
                        ((12, objectives.burn(JOB_SUCCESS, CHOSEN)), (12, objectives.burn(QUEUE_WAIT, CHOSEN))),
                    ),
                ),
            ),
            Section(
                "What used the budget up?",
                (
                    Line(
                        7,
                        (
                            (12, objectives.missed(JOB_SUCCESS, CHOSEN)),
                            (12, objectives.missed(QUEUE_WAIT, CHOSEN)),
                        ),
                    ),
                    Line(
                        7,
                        (
                            (8, queue.ended(CHOSEN, WINDOW)),
                            (8, queue.wait_by_class(CHOSEN, WINDOW)),
                            (8, fleet.alerts_now(THESE)),
                        ),
                    ),
                ),
            ),
            Section(
                "How old and how complete is this data?",
                (
                    Line(
                        6,
                        (
                            (3, objectives.period_covered(JOB_SUCCESS, CHOSEN)),
                            (3, objectives.rules_age(JOB_SUCCESS, CHOSEN)),
                            (5, devices.data_age(THESE)),
                            (13, completeness.what_is_told(THESE)),
                        ),
                    ),
                ),
            ),
        ],
    )
