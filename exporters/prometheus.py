"""The metrics port: ``GET /metrics`` in the form that the scraper asks for.

Exemplars are in the OpenMetrics form only, which Prometheus asks for when its exemplar storage is on.
"""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable

from anyio import CapacityLimiter, to_thread
from prometheus_client.exposition import (
    CONTENT_TYPE_PLAIN_0_0_4,
    choose_encoder,
    generate_latest,
    gzip_accepted,
)
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from .paced_registry import PacedRegistry

logger = logging.getLogger(__name__)

PATH = "/metrics"
_MOST_AT_ONCE = 4
_COMPRESSION = 6


def metrics_application(registry: Collector) -> ASGIApp:
    """Return the application of the metrics port, which serves ``registry`` and nothing else.

    The text is made in a worker thread, by at most four at a time, so that a scrape never holds up the event
    loop. If it cannot be made the answer is 500 with one line, and the reason is logged.
    """
    limiter = CapacityLimiter(_MOST_AT_ONCE)
    paced = PacedRegistry(registry)

    async def metrics(request: Request) -> Response:
        encode, content_type = _encoder(", ".join(request.headers.getlist("accept")))
        headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        if request.method == "HEAD":
            answer = Response(headers=headers)
            del answer.headers["Content-Length"]  # not known without making the text
            return answer
        compressed = gzip_accepted(", ".join(request.headers.getlist("accept-encoding")))

        def generate() -> bytes:
            text = encode(paced)
            return gzip.compress(text, _COMPRESSION) if compressed else text

        try:
            body = await to_thread.run_sync(generate, limiter=limiter)
        except Exception as error:
            reason = " ".join(str(error).split())
            logger.error("the metrics could not be written: %s: %s", type(error).__name__, reason)
            return PlainTextResponse("the metrics could not be written; the log says why\n", 500)
        if compressed:
            headers["Content-Encoding"] = "gzip"
        return Response(body, headers=headers)

    application = Starlette(
        routes=[Route(PATH, metrics, methods=["GET"])],
        exception_handlers={HTTPException: _refuse},
    )
    application.router.redirect_slashes = False
    return application


def _encoder(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    try:
        return choose_encoder(accept)
    except (ValueError, TypeError):  # the client library trips over a version that is none
        return generate_latest, CONTENT_TYPE_PLAIN_0_0_4


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = (
        "only GET and HEAD are answered here\n"
        if error.status_code == 405
        else f"nothing here: the metrics are at {PATH}\n"
    )
    return PlainTextResponse(text, error.status_code, headers=dict(error.headers or {}))
