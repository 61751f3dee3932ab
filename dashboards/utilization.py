"""The board "Utilization": how well the devices were used over a month, for the administrator."""

from __future__ import annotations

from ..telemetry.promql import Matches
from . import selection
from .annotations import marks
from .grafana import Json, Line, Section, dashboard
from .panels import completeness, device, devices, freshness, utilization
from .selection import CLASSES, DEVICES, SITE, THESE
from .variables import custom_variable, text_variable

CHOSEN: Matches = {**THESE, **CLASSES}
QUESTION = "How well were the QPUs used this month, for what, and what kept them from being used?"
OFFSETS = tuple(str(hours) for hours in range(-12, 15))


def board() -> Json:
    """Return the board's JSON."""
    return dashboard(
        uid="qwatch-utilization",
        title="Utilization",
        description=f"{QUESTION} Users and accounts in full: qwatch report.",
        tags=["administrator"],
        variables=[
            *selection.sources("prometheus"),
            selection.cluster(),
            selection.devices(),
            selection.classes(),
            custom_variable(
                "utc_offset", "UTC offset", OFFSETS, "0", "Hours to add to UTC in the table of the week"
            ),
            text_variable(
                "report", "Report", "/report", "Address at which the site publishes the output of qwatch report"
            ),
        ],
        annotations=marks(SITE, DEVICES),
        since="now-30d",
        refresh="",
        sections=[
            Section(
                QUESTION,
                (
                    Line(
                        3,
                        (
                            (3, device.utilization(THESE)),
                            (4, device.available_utilization(THESE)),
                            (3, utilization.availability(THESE)),
                            (4, device.dispatch_efficiency(THESE)),
                            (3, utilization.busy_time(THESE)),
                            (3, utilization.jobs_done(THESE)),
                            (4, utilization.shots(THESE)),
                        ),
                    ),
                    Line(6, ((17, utilization.days(THESE)), (7, utilization.activities(THESE)))),
                    Line(
                        6,
                        ((12, utilization.availability_by_cause(THESE)), (12, utilization.classes(CHOSEN))),
                    ),
                    Line(9, ((24, utilization.week(THESE, "$utc_offset")),)),
                ),
            ),
            Section(
                "Who used it, and how did it change?",
                (
                    Line(7, ((8, utilization.accounts(THESE)), (16, utilization.account_days(THESE)))),
                    Line(
                        7,
                        (
                            (16, utilization.utilization_of_days(THESE)),
                            (8, utilization.failed_by_reason(CHOSEN)),
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
                            (5, devices.data_age(THESE)),
                            (13, completeness.what_is_told(THESE)),
                            (3, freshness.accounted(THESE)),
                            (3, freshness.dropped_now(SITE)),
                        ),
                    ),
                ),
            ),
        ],
    )
