"""The simulation process, seen from the server: one order at a time, killed when an order is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

LOGGER = logging.getLogger(__name__)

_LINE_LIMIT = 64 * 2**20
_START_SECONDS = 60.0
_STOP_SECONDS = 1.0
# A second thread does not speed up small state vectors; it takes a core from the programs beside.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class SimulationError(RuntimeError):
    """The simulation of an order failed; the message is one line."""


@dataclass(frozen=True, slots=True)
class SimulationOrder:
    """The arguments of :func:`.execution.execute`, as they go to the process."""

    sequence: str
    shots: int
    noise: Mapping[str, Any]
    amplitude_scale: float
    detuning_offset: float
    seed: int | None


class Simulator:
    """Owns the simulation process: starts it, hands it orders, replaces it when it dies."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._starting: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._stopped = False

    @property
    def pid(self) -> int | None:
        """The process id of the living simulation process, if there is one."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def wait_until_ready(self) -> None:
        """Start the process if none is alive, and wait until it takes orders.

        Raises:
            SimulationError: the process does not start.
        """
        if self._stopped:
            raise SimulationError("the simulation process was stopped")
        if self.pid is None:
            # Shielded: the process is wanted even if the one who waits for it first is cancelled.
            await asyncio.shield(self._start_in_background())

    async def simulate(self, order: SimulationOrder) -> dict[str, int]:
        """Return the counts for ``order``; the caller has one order under way at a time.

        Cancelling kills the process, since a simulation cannot be interrupted otherwise, and a new one
        starts in the background.

        Raises:
            SimulationError: the simulation failed or its process died.
        """
        await self.wait_until_ready()
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise SimulationError("the simulation process is being stopped")
        try:
            process.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
            await process.stdin.drain()
            line = await process.stdout.readline()
        except asyncio.CancelledError:
            self._replace(process)
            raise
        except (ConnectionError, ValueError) as error:
            self._replace(process)
            raise SimulationError(f"the simulation process failed: {error}") from error
        if not line:
            self._replace(process)
            raise SimulationError("the simulation process died")
        reply: dict[str, Any] = json.loads(line)
        if "counts" not in reply:
            raise SimulationError(str(reply["error"]))
        counts: dict[str, int] = reply["counts"]
        return counts

    async def stop(self) -> None:
        """End every process that was started and wait for it; nothing can be simulated afterwards."""
        self._stopped = True
        starting = self._starting
        if starting is not None and not starting.done():
            starting.cancel()
            await asyncio.wait([starting])
        if self._process is not None:
            self._end(self._process)
        if self._ending:
            await asyncio.wait(self._ending)

    def _start_in_background(self) -> asyncio.Task[None]:
        if self._starting is None or self._starting.done():
            self._starting = asyncio.create_task(self._start())
            self._starting.add_done_callback(_report_failed_start)
        return self._starting

    async def _start(self) -> None:
        self._process = await _started_process()

    def _replace(self, process: Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        self._end(process)
        if not self._stopped:
            self._start_in_background()

    def _end(self, process: Process) -> None:
        self._process = None
        ending = asyncio.create_task(_ended(process))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)


def _report_failed_start(starting: asyncio.Task[None]) -> None:
    if not starting.cancelled() and (error := starting.exception()) is not None:
        LOGGER.error("%s", error)


async def _started_process() -> Process:
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the working directory must not shadow libraries
            "-m",
            f"{__package__}.simulation_process",
            str(os.getpid()),
            stdin=PIPE,
            stdout=PIPE,
            limit=_LINE_LIMIT,
            env={**_ONE_THREAD, **os.environ},
        )
    except OSError as error:
        raise SimulationError(f"the simulation process does not start: {error}") from error
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), _START_SECONDS)
    except TimeoutError as error:
        await _ended(process)
        raise SimulationError(f"the simulation process is not ready after {_START_SECONDS:g} s") from error
    except asyncio.CancelledError:
        await _ended(process)
        raise
    if not line:
        status = await process.wait()
        raise SimulationError(f"the simulation process does not start (exit status {status})")
    LOGGER.info("simulation process %d is ready", process.pid)
    return process


async def _ended(process: Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    except (TimeoutError, asyncio.CancelledError):
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
