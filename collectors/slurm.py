"""Slurm: the licences and GRES of QPUs, and the jobs that ask for them.

Slurm's commands run in the background; a scrape takes what they printed last. Slurm's own metrics (25.11 and
newer) have neither licences nor who asks for a QPU, so nothing is there twice.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ..telemetry import labels, log_fields, slurm_metrics
from . import slurm_output
from .background import BackgroundReader, Reading
from .interface import Sample
from .settings import SlurmSettings
from .slurm_command import run_slurm
from .slurm_output import JOB_FIELDS, NODE_FIELDS, License, NodeGres, SlurmJob, output_format

_logger = logging.getLogger(__name__)

_MOST_LOGGED = 20


@dataclass(frozen=True, slots=True)
class SlurmReading:
    """What Slurm told at one time, of QPUs only."""

    jobs: tuple[SlurmJob, ...]
    licenses: tuple[License, ...]
    gres: tuple[NodeGres, ...]


class SlurmCollector:
    """Tells what Slurm knows of QPUs; which Slurm job runs is logged once, never a label."""

    name = "slurm"
    metrics = slurm_metrics.METRICS

    def __init__(self, settings: SlurmSettings, devices: Iterable[str]) -> None:
        self._settings = settings
        self._licenses = [*(pattern.lower() for pattern in settings.licenses), *map(str.lower, devices)]
        self._gres = [pattern.lower() for pattern in settings.gres]
        self._reader = BackgroundReader(self.name, self._read, settings.interval, settings.stale_after)
        self._partitions: dict[str, None] = {}
        self._running: frozenset[str] = frozenset()

    def start(self) -> None:
        """Begin to ask Slurm."""
        self._reader.start()

    def stop(self) -> None:
        """Ask no more."""
        self._reader.stop()

    @property
    def last_reading(self) -> Reading[SlurmReading] | None:
        """What was read last, when, and how long it took."""
        return self._reader.last

    def collect(self) -> Iterable[Sample]:
        """Return what was read last; NotCurrentError if that is too long ago. Nothing here asks Slurm."""
        reading = self._reader.current()
        yield from self._job_samples(reading.jobs)
        for item in reading.licenses:
            counts = {"total": item.total, "used": item.used, "reserved": item.reserved}
            for kind, count in counts.items():
                if count is not None:
                    yield Sample(slurm_metrics.LICENSE, {"license": item.name, "kind": kind}, count)
        for resource in reading.gres:
            for kind, count in (("total", resource.total), ("used", resource.used)):
                yield Sample(slurm_metrics.GRES, {"gres": resource.name, "kind": kind}, count)

    def _job_samples(self, jobs: Sequence[SlurmJob]) -> Iterator[Sample]:
        """A partition that once had such a job goes on with zeros: a gauge that vanishes is no zero."""
        counts = Counter((job.partition, labels.SLURM_STATE.bounded(job.state)) for job in jobs)
        self._partitions |= dict.fromkeys(partition for partition, _ in counts)
        for partition in self._partitions:
            for state in labels.SLURM_JOB_STATES:
                yield Sample(
                    slurm_metrics.JOBS,
                    {"partition": partition, "state": state},
                    counts[partition, state],
                )

    def _read(self, stopping: threading.Event) -> SlurmReading:
        printed = self._run(
            stopping, "squeue", "--noheader", "--all", "--array", "-O", output_format(JOB_FIELDS)
        )
        jobs = tuple(job for job in slurm_output.jobs(printed) if self._asks_for_a_qpu(job))
        printed = self._run(stopping, "scontrol", "show", "licenses", "-o")
        found = tuple(item for item in slurm_output.licenses(printed) if self._is_license(item.name))
        gres: tuple[NodeGres, ...] = ()
        if self._gres:
            printed = self._run(
                stopping, "sinfo", "--noheader", "--all", "--Node", "-O", output_format(NODE_FIELDS)
            )
            gres = tuple(item for item in slurm_output.gres(printed) if self._is_gres(item.name))
        self._log_new(jobs)
        return SlurmReading(jobs, found, gres)

    def _run(self, stopping: threading.Event, name: str, *arguments: str) -> str:
        return run_slurm(self._settings, stopping, name, *arguments)

    def _asks_for_a_qpu(self, job: SlurmJob) -> bool:
        return any(map(self._is_license, job.licenses)) or any(map(self._is_gres, job.gres))

    def _is_license(self, name: str) -> bool:
        """A licence of a remote server is ``name@server``."""
        return _matches(name.partition("@")[0], self._licenses)

    def _is_gres(self, name: str) -> bool:
        return _matches(name, self._gres) or _matches(name.partition(":")[0], self._gres)

    def _log_new(self, jobs: Sequence[SlurmJob]) -> None:
        """Log each job once when it runs; the line of its session in the log has the same Slurm job id."""
        running = {job.job_id: job for job in jobs if job.state == "running"}
        new = [job for number, job in running.items() if number not in self._running]
        self._running = frozenset(running)
        for job in new[:_MOST_LOGGED]:
            _logger.info(
                "Slurm job %s runs in partition %s with %s",
                job.job_id,
                job.partition,
                ", ".join((*job.licenses, *job.gres)),
                extra={log_fields.SLURM_JOB_ID: job.job_id},
            )
        if len(new) > _MOST_LOGGED:
            _logger.info("and %d more Slurm jobs with QPUs run", len(new) - _MOST_LOGGED)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name.lower(), pattern) for pattern in patterns)
