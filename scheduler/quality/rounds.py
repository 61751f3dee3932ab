"""Rounds of quality jobs on one device, in otherwise idle time, and what they tell to the ledger."""

from __future__ import annotations

import asyncio
import logging
import time

from ...telemetry import log_fields, quality_metrics
from ...telemetry.catalogue import by_prometheus_name
from .. import ledger
from ..device import Device
from ..errors import SchedulerError
from ..ledger import QUALITY_JOB, QualitySample
from ..scheduler import Scheduler
from . import latest
from .computing import Computing, ComputingError
from .experiments import AnalysisOrder, Finding, Measured, Plan, PlanOrder
from .own_session import sweep
from .probe import Probe, ProbeFailedError, ProbeTimeoutError

_logger = logging.getLogger(__name__)

_AFTER_FAULT_SECONDS = 30.0
_READY_SECONDS = 1.0
_SHORTEST_ROUND_SECONDS = 60.0
_METRICS = {metric.name: metric for metric in by_prometheus_name().values()}


class QualityRounds:
    """Runs the quality jobs of one device until it is cancelled."""

    def __init__(self, scheduler: Scheduler, device: Device, computing: Computing) -> None:
        self._scheduler = scheduler
        self._device = device
        self._settings = device.settings.quality.jobs
        self._computing = computing
        self._complaint: str | None = None
        self.last_success_at: float | None = None
        """When a quality job succeeded last, in Unix seconds."""
        for result in quality_metrics.PROBE_RESULTS:
            scheduler.instruments.add(quality_metrics.PROBE_RUNS, 0, qpu_id=device.name, result=result)

    async def run(self) -> None:
        """Run round after round; what goes wrong is logged, and the next one begins in its time."""
        wait = self._settings.delay
        try:
            await sweep(self._scheduler, self._device)
            wait = max(wait, await self._until_due())
        except SchedulerError as error:
            self._complain(str(error))
        while not self._device.dispatches:
            await asyncio.sleep(_READY_SECONDS)
        while True:
            await asyncio.sleep(wait)
            begun = asyncio.get_running_loop().time()
            try:
                await self.round()
            except (ComputingError, SchedulerError, ProbeFailedError, ProbeTimeoutError) as error:
                self._complain(str(error))
            except Exception:
                _logger.exception("a round of quality jobs failed", extra=self._fields())
                await asyncio.sleep(_AFTER_FAULT_SECONDS)
            else:
                self._complaint = None
            wait = max(begun + self._settings.interval - asyncio.get_running_loop().time(), 0.0)

    async def round(self) -> list[QualitySample]:
        """Run one round, append what it tells to the ledger, and return it.

        An experiment that did not come to its end is left out; the others are told.

        Raises:
            ComputingError: the programs cannot be made, or tell nothing.
            ProbeFailedError: a quality job failed; what was measured before is in the ledger.
            ProbeTimeoutError: the device was not free for long enough; as above.
            SchedulerError: the store does not serve.
        """
        plan = await self._plan()
        measured, failure = await self._measured(plan)
        samples: list[QualitySample] = []
        if measured:
            found = await self._computing.analyse(AnalysisOrder(plan=plan, measured=tuple(measured)))
            at = time.time()
            samples = [self._sample(finding, at) for finding in found]
            await self._scheduler.store.write(lambda connection: ledger.append_quality(connection, samples))
            _logger.info(
                "quality of %s: %s",
                self._device.name,
                ", ".join(_told(sample) for sample in samples),
                extra=self._fields(),
            )
        if failure is not None:
            raise failure
        return samples

    async def _plan(self) -> Plan:
        while self._device.record.specs is None:
            await asyncio.sleep(_READY_SECONDS)
        return await self._computing.plan(
            PlanOrder(
                specs=self._device.record.specs,
                experiments=self._settings.jobs,
                # An emulator plays pulses as they are written; a laser is as slow as its modulator.
                modulated=not self._device.settings.simulator,
            )
        )

    async def _measured(self, plan: Plan) -> tuple[list[Measured], ProbeFailedError | ProbeTimeoutError | None]:
        measured: list[Measured] = []
        failure: ProbeFailedError | ProbeTimeoutError | None = None
        probe = Probe(
            self._scheduler,
            self._device,
            self._settings,
            asyncio.get_running_loop().time() + max(self._settings.interval, _SHORTEST_ROUND_SECONDS),
        )
        for program in plan.programs:
            try:
                counts = await probe.counts(program)
            except (ProbeFailedError, ProbeTimeoutError) as error:
                failure = error
                measured = [item for item in measured if item.program.experiment != program.experiment]
                break
            finally:
                self.last_success_at = probe.last_success_at or self.last_success_at
            measured.append(Measured(program=program, counts=counts))
        return measured, failure

    async def _until_due(self) -> float:
        """Return how long to wait because an earlier process of the daemon ran a round not long ago."""
        name = self._device.name
        since = time.time() - self._settings.interval
        found = await self._scheduler.store.read(
            lambda connection: latest.newest_by_series(connection, name, QUALITY_JOB, since)
        )
        newest = self.last_success_at = max(found.values(), default=None)
        return 0.0 if newest is None else newest + self._settings.interval - time.time()

    def _sample(self, finding: Finding, at: float) -> QualitySample:
        return QualitySample(
            qpu_id=self._device.name,
            at=at,
            source=QUALITY_JOB,
            metric=_METRICS[finding.metric],
            labels=finding.labels,
            value=finding.value,
            uncertainty=finding.uncertainty,
        )

    def _complain(self, line: str) -> None:
        """Log what hinders the quality jobs, once as long as it is the same."""
        if line != self._complaint:
            _logger.warning("quality jobs of %s: %s", self._device.name, line, extra=self._fields())
        self._complaint = line

    def _fields(self) -> dict[str, str]:
        return {log_fields.QPU_ID: self._device.name}


def _told(sample: QualitySample) -> str:
    which = "".join(f" {value}" for value in sample.labels.values())
    return f"{sample.metric.prometheus_name}{which} = {sample.value:.6g} ± {sample.uncertainty or 0.0:.2g}"
