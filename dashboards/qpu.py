"""The board "QPU": one device, seen by the operator on call."""

from __future__ import annotations

from ..telemetry.promql import Matches
from . import selection
from .annotations import marks
from .grafana import Json, Line, Section, dashboard
from .panels import (
    calibration,
    completeness,
    device,
    freshness,
    quality,
    queue,
    scheduling,
    single_jobs,
    told,
)
from .selection import CLASSES, ONE_DEVICE, SITE, THIS, WINDOW

CHOSEN: Matches = {**THIS, **CLASSES}
QUESTION = "What is this QPU doing, for whom does work wait, and how well is it used?"


def board() -> Json:
    """Return the board's JSON."""
    return dashboard(
        uid="qwatch-qpu",
        title="QPU",
        tags=["operator"],
        description=QUESTION,
        variables=[
            *selection.sources(),
            selection.cluster(),
            selection.device(),
            selection.classes(),
            selection.window(),
        ],
        annotations=marks(SITE, ONE_DEVICE),
        sections=[
            Section(
                QUESTION,
                (
                    Line(
                        4,
                        (
                            (3, device.identity(THIS)),
                            (2, device.state_now(THIS)),
                            (3, device.activity_now(THIS)),
                            (3, device.utilization(THIS)),
                            (4, device.available_utilization(THIS)),
                            (4, device.dispatch_efficiency(THIS)),
                            (2, queue.waiting_now(CHOSEN)),
                            (3, queue.oldest_now(CHOSEN)),
                        ),
                    ),
                    Line(5, ((24, device.timeline(THIS)),)),
                    Line(8, ((12, device.time_partition(THIS)), (12, queue.queue(CHOSEN)))),
                    Line(
                        7,
                        (
                            (8, queue.wait(CHOSEN, WINDOW)),
                            (8, queue.oldest(CHOSEN)),
                            (8, queue.ended(CHOSEN, WINDOW)),
                        ),
                    ),
                ),
            ),
            Section(
                "How fast does it work, and what do we cost it?",
                (
                    Line(
                        7,
                        (
                            (8, device.shot_rate(THIS, WINDOW)),
                            (8, device.dispatch_gap(THIS, WINDOW)),
                            (8, queue.run(CHOSEN, WINDOW)),
                        ),
                    ),
                ),
            ),
            Section(
                "Can its results be trusted, and does it drift?",
                (
                    Line(
                        4,
                        (
                            (4, quality.newest(THIS)),
                            (4, quality.probe_now(THIS)),
                            (4, quality.worst_fidelity(THIS)),
                            (4, quality.rabi_now(THIS)),
                            (4, quality.readout_now(THIS)),
                            (4, calibration.next_due(THIS)),
                        ),
                    ),
                    Line(7, ((8, quality.fidelity(THIS)), (8, quality.rabi(THIS)), (8, quality.readout(THIS)))),
                    Line(
                        7,
                        (
                            (8, quality.detuning(THIS)),
                            (8, quality.register(THIS)),
                            (8, quality.coherence(THIS)),
                        ),
                    ),
                    Line(
                        7,
                        (
                            (8, calibration.procedures(THIS)),
                            (8, quality.probes(THIS)),
                            (8, quality.sample_ages(THIS)),
                        ),
                    ),
                ),
            ),
            Section(
                "What does the device itself tell, and when is it back?",
                (
                    Line(
                        4,
                        (
                            (4, told.maintenance_end(THIS)),
                            (4, told.state_since(THIS)),
                            (4, told.healthy(THIS)),
                            (4, told.pending(THIS)),
                            (4, told.slots(THIS)),
                            (4, told.clock_offset(THIS)),
                        ),
                    ),
                    Line(
                        7,
                        (
                            (8, quality.rabi_frequency(THIS)),
                            (8, quality.probe_durations(THIS)),
                            (8, scheduling.sessions(THIS, WINDOW)),
                        ),
                    ),
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
                        4,
                        (
                            (4, freshness.newest_sample(THIS)),
                            (4, freshness.scrape(THIS)),
                            (4, freshness.device_poll(THIS)),
                            (4, freshness.dispatch_loop(THIS)),
                            (4, freshness.accounted(THIS)),
                            (4, freshness.dropped_now(SITE)),
                        ),
                    ),
                    Line(4, ((20, completeness.what_is_told(THIS)), (4, quality.feed(THIS)))),
                    Line(
                        6, ((12, freshness.collectors(THIS)), (12, freshness.dropped(SITE, "$__rate_interval")))
                    ),
                ),
            ),
        ],
    )
