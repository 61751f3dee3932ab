"""The board "qwatch internals": qwatch itself, for the operator and the administrator."""

from __future__ import annotations

from . import selection
from .annotations import marks
from .grafana import Json, Line, Section, dashboard
from .panels import client_library, collectors, freshness, host, qwatch_itself, scheduling
from .selection import SITE, WINDOW

QUESTION = "Is qwatch itself well, and does it lose anything?"


def board() -> Json:
    """Return the board's JSON."""
    return dashboard(
        uid="qwatch-internals",
        title="qwatch internals",
        description=QUESTION,
        tags=["operator", "administrator"],
        variables=[
            *selection.sources("prometheus", "loki"),
            selection.cluster(),
            selection.window("durations are taken"),
        ],
        annotations=marks(SITE, {}),
        sections=[
            Section(
                QUESTION,
                (
                    Line(
                        4,
                        (
                            (3, qwatch_itself.version(SITE)),
                            (3, qwatch_itself.processes(SITE)),
                            (3, collectors.failing(SITE)),
                            (3, freshness.dropped_now(SITE)),
                            (3, qwatch_itself.http_failing(SITE)),
                            (3, qwatch_itself.store_write(SITE)),
                            (3, qwatch_itself.ledger_now(SITE)),
                            (3, host.disk_left(SITE)),
                        ),
                    ),
                    Line(
                        7,
                        (
                            (8, qwatch_itself.requests(SITE)),
                            (8, qwatch_itself.request_durations(SITE, WINDOW)),
                            (8, qwatch_itself.store(SITE, WINDOW)),
                        ),
                    ),
                    Line(
                        7,
                        (
                            (8, collectors.success(SITE)),
                            (8, collectors.durations(SITE)),
                            (8, qwatch_itself.dropped(SITE)),
                        ),
                    ),
                    Line(
                        6,
                        (
                            (8, host.process_cpu(SITE)),
                            (8, host.process_memory(SITE)),
                            (8, scheduling.loop_age(SITE)),
                        ),
                    ),
                ),
            ),
            Section(
                "Do its loops turn, and do its books agree?",
                (
                    Line(
                        7,
                        (
                            (8, scheduling.loops(SITE, WINDOW)),
                            (8, qwatch_itself.ledger(SITE)),
                            (8, qwatch_itself.series_dropped(SITE)),
                        ),
                    ),
                ),
            ),
            Section(
                "How do users' programs see it?",
                (
                    Line(
                        7,
                        (
                            (12, client_library.calls(SITE)),
                            (12, client_library.errors(SITE, WINDOW)),
                        ),
                    ),
                ),
            ),
            Section(
                "Is it the host?",
                (
                    Line(7, ((8, host.cpu(SITE)), (8, host.load(SITE)), (8, host.memory(SITE)))),
                    Line(7, ((8, host.disk(SITE)), (8, host.traffic(SITE)), (8, host.temperatures(SITE)))),
                ),
            ),
            Section(
                "What did it complain about?", (Line(10, ((24, qwatch_itself.warnings()),)),), collapsed=True
            ),
            Section(
                "How old and how complete is this data?",
                (
                    Line(
                        6,
                        (
                            (4, qwatch_itself.scraped(SITE)),
                            (4, qwatch_itself.scrapes(SITE)),
                            (4, qwatch_itself.series_dropped_now(SITE)),
                            (6, collectors.ages(SITE)),
                            (6, collectors.observed_sources(SITE)),
                        ),
                    ),
                ),
            ),
        ],
    )
