"""The HTTP application of an emulated QPU."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from .control_routes import control_routes
from .machine import EmulatedQPU
from .qpu_routes import PREFIX, qpu_routes
from .replies import ErrorCode, failure
from .settings import EmulatorSettings
from .unreliable_replies import UnreliableReplies


def create_application(settings: EmulatorSettings) -> FastAPI:
    """Return the application; the server that runs it must support ASGI's lifespan.

    The simulation process is started before the server says that it is ready, and ended with it. The
    :class:`.machine.EmulatedQPU` is ``application.state.qpu``.
    """
    qpu = EmulatedQPU(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await qpu.start()
        try:
            yield
        finally:
            await qpu.stop()

    application = FastAPI(
        title=f"Emulated QPU {settings.name}",
        description="The on-premises QPU's HTTP API, executed by pulser-simulation.",
        lifespan=lifespan,
    )
    application.state.qpu = qpu
    application.include_router(qpu_routes(qpu))
    application.include_router(control_routes(qpu))
    application.add_middleware(UnreliableReplies, qpu=qpu)
    application.add_exception_handler(RequestValidationError, _invalid_request)
    application.add_exception_handler(HTTPException, _http_error)
    return application


async def _invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    # The body's own values stay out of the message: they may be NaN, which is no JSON.
    message = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    if not request.url.path.startswith(PREFIX):
        return JSONResponse({"detail": ascii(message)[1:-1]}, 422)
    return failure(400, ErrorCode.INVALID_REQUEST, message)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if not request.url.path.startswith(PREFIX):
        return await http_exception_handler(request, error)
    code = ErrorCode.NOT_FOUND if error.status_code == 404 else ErrorCode.INVALID_REQUEST
    return failure(error.status_code, code, str(error.detail))
