"""A timed device: the southbound QPU API, occupied for a set time per job, with a log of what really ran.

Nothing is simulated. A job starts the moment it is posted; a new job cancels the one before, as on the real
machine. Each start and each end goes to a file as a JSON line with the shot count, so that gaps and double runs
can be read from the device's own side.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

Duration = Callable[[int], float]
"""How long a job of so many shots occupies the device, in seconds."""


@dataclass(slots=True)
class TimedJob:
    """One job; times in Unix seconds."""

    uid: int
    shots: int
    context: Any
    started: float
    status: str = "RUNNING"
    ended: float | None = None
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)

    def reply(self) -> dict[str, Any]:
        """Return the job as the API tells it."""
        batch = self.context.get("batch_id") if isinstance(self.context, dict) else None
        return {
            "uid": self.uid,
            "status": self.status,
            "nb_run": self.shots,
            "result": json.dumps({"counter": {"0101": self.shots}}) if self.status == "DONE" else None,
            "program_id": self.uid,
            "context": self.context,
            "batch_id": batch,
            "created_datetime": _local(self.started),
            "start_datetime": _local(self.started),
            "end_datetime": None if self.ended is None else _local(self.ended),
            "progress": 100 if self.status == "DONE" else 0,
        }


class TimedDevice:
    """The jobs of one device and the file that tells what ran."""

    def __init__(self, duration: Duration, log: Path, specs: str, status: str = "UP") -> None:
        self._duration = duration
        self._log = log.open("a", buffering=1, encoding="utf-8")
        self._specs = json.loads(specs)
        self._status = status
        self._jobs: dict[int, TimedJob] = {}
        self._running: TimedJob | None = None

    def application(self) -> Starlette:
        """Return the HTTP application."""
        base = "/api/v1"
        return Starlette(
            routes=[
                Route(f"{base}/system/operational", self._operational),
                Route(f"{base}/system", self._system),
                Route(f"{base}/jobs", self._post, methods=["POST"]),
                Route(f"{base}/jobs/{{uid:int}}", self._get),
                Route(f"{base}/jobs/{{uid:int}}/cancel", self._cancel, methods=["PUT"]),
                Route(f"{base}/programs/{{uid:int}}", self._program),
            ]
        )

    async def _operational(self, _: Request) -> JSONResponse:
        return _wrapped({"operational_status": self._status})

    async def _system(self, _: Request) -> JSONResponse:
        return _wrapped({"specs": self._specs})

    async def _post(self, request: Request) -> JSONResponse:
        body = json.loads(await request.body())
        if self._running is not None:
            self._end(self._running, "CANCELED")
        job = TimedJob(len(self._jobs) + 1, int(body["nb_run"]), body.get("context"), time.time())
        self._jobs[job.uid] = self._running = job
        self._write("start", job)
        job.timer = asyncio.get_running_loop().call_later(self._duration(job.shots), self._end, job, "DONE")
        return _wrapped(job.reply())

    async def _get(self, request: Request) -> JSONResponse:
        job = self._jobs.get(request.path_params["uid"])
        return _refused("unknown job") if job is None else _wrapped(job.reply())

    async def _cancel(self, request: Request) -> JSONResponse:
        job = self._jobs.get(request.path_params["uid"])
        if job is None:
            return _refused("unknown job")
        if job.ended is not None:
            return _refused("cannot be cancelled", "3003")
        self._end(job, "CANCELED")
        return _wrapped(job.reply())

    async def _program(self, request: Request) -> JSONResponse:
        job = self._jobs.get(request.path_params["uid"])
        return _refused("unknown program") if job is None else _wrapped({"status": job.status})

    def _end(self, job: TimedJob, status: str) -> None:
        if job.ended is not None:
            return
        job.ended, job.status = time.time(), status
        if job.timer is not None:
            job.timer.cancel()
        if self._running is job:
            self._running = None
        self._write("end", job)

    def _write(self, event: str, job: TimedJob) -> None:
        at = job.started if event == "start" else job.ended
        line = {"event": event, "uid": job.uid, "shots": job.shots, "at": at, "status": job.status}
        self._log.write(json.dumps(line) + "\n")


def duration_from(text: str, seed: int = 1) -> Duration:
    """Return the duration that ``text`` names.

    ``1.5`` is fixed seconds, ``0.5+shots/100`` overhead and shot rate, ``1..9`` seeded uniform.
    """
    if ".." in text:
        low, high = (float(part) for part in text.split("..", 1))
        generator = random.Random(seed)
        return lambda _: generator.uniform(low, high)
    if "+shots/" in text:
        overhead, rate = (float(part) for part in text.split("+shots/"))
        return lambda shots: overhead + shots / rate
    seconds = float(text)
    return lambda _: seconds


def _wrapped(data: dict[str, Any]) -> JSONResponse:
    return JSONResponse({"code": 200, "message": "OK.", "status": "success", "data": data})


def _refused(message: str, code: str = "400") -> JSONResponse:
    return JSONResponse({"code": code, "message": message, "status": "fail", "data": None}, status_code=400)


def _local(seconds: float) -> str:
    """Local time without zone, as the real API has it."""
    return datetime.fromtimestamp(seconds).isoformat()  # noqa: DTZ006


def main() -> None:
    """Serve until SIGTERM."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--duration", default="1", help="seconds, 'overhead+shots/rate' or 'low..high'")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--log", type=Path, default=Path("timed_device.jsonl"))
    options.add_argument("--specs", type=Path, help="file with the device's specs, JSON")
    options.add_argument("--status", default="UP", help="operational status")
    given = options.parse_args()
    specs = given.specs.read_text(encoding="utf-8") if given.specs else '{"name": "TIMED"}'
    device = TimedDevice(duration_from(given.duration, given.seed), given.log, specs, given.status)
    uvicorn.run(device.application(), host="127.0.0.1", port=given.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
