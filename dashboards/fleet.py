"""The board "Fleet": all devices at a glance, for the operator."""

from __future__ import annotations

from . import selection
from .annotations import marks
from .grafana import Json, Line, Section, dashboard
from .panels import completeness, device, devices, fleet, freshness, queue
from .selection import DEVICES, SITE, THESE, WINDOW

QUESTION = "Are all QPUs up and busy, and does work wait for any of them?"


def board() -> Json:
    """Return the board's JSON."""
    return dashboard(
        uid="qwatch-fleet",
        title="Fleet",
        description=f"{QUESTION} A name in the table opens the board of that QPU.",
        tags=["operator"],
        variables=[
            *selection.sources(),
            selection.cluster(),
            selection.devices(),
            selection.window("utilization, speed and failures are averaged"),
        ],
        annotations=marks(SITE, DEVICES),
        sections=[
            Section(
                QUESTION,
                (
                    Line(
                        4,
                        (
                            (2, fleet.how_many(THESE)),
                            (3, fleet.not_online(THESE)),
                            (3, fleet.gone_silent(THESE)),
                            (3, fleet.alerts_firing(THESE)),
                            (3, queue.waiting_now(THESE)),
                            (3, queue.oldest_now(THESE)),
                            (3, device.utilization(THESE)),
                            (4, device.dispatch_efficiency(THESE)),
                        ),
                    ),
                    Line(8, ((24, fleet.every_device(THESE)),)),
                    Line(6, ((24, fleet.activities(THESE)),)),
                    Line(6, ((12, fleet.utilizations(THESE, WINDOW)), (12, fleet.waiting(THESE)))),
                ),
            ),
            Section(
                "Which one loses time, fails jobs, or is slow?",
                (
                    Line(7, ((16, fleet.time_of_each(THESE)), (8, fleet.alerts_now(THESE)))),
                    Line(7, ((12, fleet.failures(THESE, WINDOW)), (12, fleet.speeds(THESE, WINDOW)))),
                ),
            ),
            Section(
                "How old and how complete is this data?",
                (
                    Line(
                        6,
                        (
                            (6, devices.data_age(THESE)),
                            (15, completeness.what_is_told(THESE)),
                            (3, freshness.dropped_now(SITE)),
                        ),
                    ),
                ),
            ),
        ],
    )
