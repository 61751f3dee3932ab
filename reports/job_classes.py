"""Jobs by class, state and reason, and whether the objectives for the wait were met.

A wait objective is about the jobs that started; those that failed through their user's own error are left out
of objectives. Jobs that never started have no wait.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ..telemetry.labels import JOB_CLASSES
from .job_cube import USER_ERROR, JobCell
from .model import ClassPart, Ending, Quantiles
from .percentiles import NONE_AT_ALL
from .settings import WaitObjective

MEASURES = ("wait", "run", "turnaround")


def endings(cells: Sequence[JobCell]) -> list[Ending]:
    """Return how many jobs ended in each state, and why; the most frequent first."""
    total = sum(cell.jobs for cell in cells)
    counts: defaultdict[tuple[str, str], int] = defaultdict(int)
    for cell in cells:
        counts[cell.state, cell.reason] += cell.jobs
    return [
        Ending(state=state, reason=reason, jobs=jobs, share=jobs / total)
        for (state, reason), jobs in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def classes(
    cells: Sequence[JobCell],
    quantiles: Mapping[tuple[str, str], Quantiles],
    objectives: Mapping[str, WaitObjective],
) -> list[ClassPart]:
    """Return what is told of each class with jobs; ``objectives`` are those that the cells were made with."""
    met = _objectives_met(cells)
    jobs: defaultdict[str, int] = defaultdict(int)
    for cell in cells:
        jobs[cell.job_class] += cell.jobs
    found = []
    for job_class in sorted(jobs, key=_order):
        objective = objectives.get(job_class)
        in_time, counted = met.get(job_class, (0, 0))
        wait, run, turnaround = (quantiles.get((job_class, measure), NONE_AT_ALL) for measure in MEASURES)
        found.append(
            ClassPart(
                job_class=job_class,
                jobs=jobs[job_class],
                wait=wait,
                run=run,
                turnaround=turnaround,
                objective_within=None if objective is None else objective.within,
                objective_ratio=None if objective is None else objective.ratio,
                met_ratio=in_time / counted if objective is not None and counted else None,
            )
        )
    return found


def _objectives_met(cells: Sequence[JobCell]) -> dict[str, tuple[int, int]]:
    """Return by class how many jobs started within their objective, and how many count."""
    met: defaultdict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for cell in cells:
        if cell.reason != USER_ERROR:
            in_time, counted = met[cell.job_class]
            met[cell.job_class] = (in_time + cell.in_time, counted + cell.started)
    return met


def _order(job_class: str) -> tuple[int, str]:
    known = job_class in JOB_CLASSES
    return (JOB_CLASSES.index(job_class) if known else len(JOB_CLASSES), job_class)
