"""The board "QPU": one device, seen by the operator on call."""

from __future__ import annotations

from ..telemetry import device_metrics, labels
from ..telemetry.promql import Matches, variable
from .grafana import Json, Line, Section, alert_annotation, dashboard
from .panels import device, freshness, queue, single_jobs
from .variables import data_source_variable, enumeration_variable, query_variable, window_variable

THIS: Matches = {labels.QPU_ID.name: variable("qpu_id")}
CHOSEN: Matches = {**THIS, labels.JOB_CLASS.name: variable("job_class", multiple=True)}
WINDOW = "$window"


def board() -> Json:
    """Return the board's JSON."""
    return dashboard(
        uid="qwatch-qpu",
        title="QPU",
        description="What is this QPU doing, for whom does work wait, and how well is it used?",
        variables=[
            data_source_variable("prometheus", "Metrics"),
            data_source_variable("loki", "Logs"),
            data_source_variable("tempo", "Traces"),
            query_variable(
                "qpu_id",
                "QPU",
                f"label_values({device_metrics.INFO.prometheus_name}, {labels.QPU_ID.name})",
                "The device that this board is about",
            ),
            enumeration_variable(
                "job_class", "Job class", labels.JOB_CLASSES, "Narrows the panels about the queue and jobs"
            ),
            window_variable(
                "window",
                "Window",
                "10m",
                ("10m", "30m", "1h", "6h", "1d"),
                "Over which quantiles and rates of jobs and shots are taken",
            ),
        ],
        annotations=[alert_annotation('ALERTS{alertstate="firing",qpu_id="$qpu_id"}')],
        sections=[
            Section(
                "What is this QPU doing, for whom does work wait, and how well is it used?",
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
                            (4, freshness.dropped_now()),
                        ),
                    ),
                    Line(6, ((12, freshness.collectors(THIS)), (12, freshness.dropped("$__rate_interval")))),
                ),
            ),
        ],
    )
