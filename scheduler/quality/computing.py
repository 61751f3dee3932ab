"""The experiments' process, seen from the daemon: started for one order, killed if it takes too long."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process

from pydantic import BaseModel, ValidationError

from .experiments import AnalysisOrder, Finding, Plan, PlanOrder, Reply

_SECONDS = 120.0
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_MOST_PLANS = 8


class ComputingError(Exception):
    """An order failed; the message is one line."""


class Computing:
    """Makes and judges experiments, one order at a time: each takes a core while it is computed."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)
        self._plans: dict[PlanOrder, Plan] = {}

    async def plan(self, order: PlanOrder) -> Plan:
        """Return the programs that are asked for, made once; ComputingError if they cannot be made."""
        if order not in self._plans:
            reply = await self._answer(order)
            if reply.plan is None:
                raise ComputingError(reply.error or "no plan came back")
            while len(self._plans) >= _MOST_PLANS:
                del self._plans[next(iter(self._plans))]
            self._plans[order] = reply.plan
        return self._plans[order]

    async def analyse(self, order: AnalysisOrder) -> tuple[Finding, ...]:
        """Return what the measurements tell; ComputingError if they tell nothing."""
        reply = await self._answer(order)
        if reply.findings is None:
            raise ComputingError(reply.error or "no findings came back")
        return reply.findings

    async def _answer(self, order: BaseModel) -> Reply:
        async with self._turn:
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-P",  # the working directory must not shadow libraries
                    "-m",
                    f"{__package__}.worker",
                    str(os.getpid()),
                    stdin=PIPE,
                    stdout=PIPE,
                    stderr=DEVNULL,
                    env={**_ONE_THREAD, **os.environ},
                )
            except OSError as error:
                raise ComputingError(f"the process for experiments does not start: {error}") from error
            try:
                async with asyncio.timeout(_SECONDS):
                    text, _ = await process.communicate(order.model_dump_json().encode())
            except TimeoutError as error:
                raise ComputingError(f"the experiments were not computed within {_SECONDS:g} s") from error
            finally:
                await _ended(process)
        try:
            return Reply.model_validate_json(text)
        except ValidationError as error:
            raise ComputingError(
                f"the process for experiments ended with status {process.returncode}"
            ) from error


async def _ended(process: Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
