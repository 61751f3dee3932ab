"""The requests of the on-premises QPU's HTTP API, below ``/api/v1``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import AfterValidator, BaseModel, Field, JsonValue, StrictInt

from .machine import EmulatedQPU, JobFinishedError, NotOperationalError, UnknownJobError
from .replies import ErrorCode, failure, success
from .sequence_text import InvalidSequenceError

PREFIX = "/api/v1"


def _repeatable(value: JsonValue) -> JsonValue:
    """Refuse what cannot be echoed as JSON: NaN, infinities and broken Unicode."""
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    return value


class JobOrder(BaseModel):
    """The body of ``POST /jobs``."""

    nb_run: StrictInt = Field(description="number of shots")
    pulser_sequence: str = Field(description="the sequence in Pulser's abstract representation")
    context: Annotated[dict[str, JsonValue], AfterValidator(_repeatable)] | None = Field(
        default=None, description="echoed in the job; `batch_id` in it becomes the job's `batch_id`"
    )


def qpu_routes(qpu: EmulatedQPU) -> APIRouter:
    """Return the routes of the machine's own API, served by ``qpu``."""
    router = APIRouter(prefix=PREFIX, tags=["on-premises QPU"])
    zone = qpu.settings.zone

    @router.get("/system/operational")
    async def operational() -> Response:
        """Tell whether the machine is operational."""
        return success({"operational_status": qpu.faults.operational_status})

    @router.get("/system")
    async def system() -> Response:
        """Tell the device's specs."""
        return success({"specs": qpu.specs})

    @router.post("/jobs")
    async def submit(order: JobOrder) -> Response:
        """Start a job, cancelling what runs."""
        try:
            job = await qpu.submit(order.pulser_sequence, order.nb_run, order.context)
        except InvalidSequenceError as error:
            return failure(400, ErrorCode.INVALID_SEQUENCE, str(error))
        except NotOperationalError as error:
            return failure(503, ErrorCode.UNAVAILABLE, str(error))
        return success(job.as_reply(zone))

    @router.get("/jobs/{uid}")
    async def job(uid: int) -> Response:
        """Tell how far a job is, and its result."""
        return _answer(lambda: qpu.job(uid).as_reply(zone))

    @router.put("/jobs/{uid}/cancel")
    async def cancel(uid: int) -> Response:
        """Cancel a job that has not ended."""
        return _answer(lambda: qpu.cancel(uid).as_reply(zone))

    @router.get("/programs/{uid}")
    async def program(uid: int) -> Response:
        """Tell the state of a job's program."""
        return _answer(lambda: qpu.job(uid).program_as_reply())

    return router


def _answer(question: Callable[[], dict[str, Any]]) -> Response:
    try:
        return success(question())
    except UnknownJobError as error:
        return failure(400, ErrorCode.UNKNOWN_JOB, str(error))
    except JobFinishedError as error:
        return failure(400, ErrorCode.CANNOT_BE_CANCELED, str(error))
