"""What a program may choose of its instrumentation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span, TracerProvider

Hook = Callable[[Span, str, object], None]
"""Called with the span of a call, the operation's name, and what was given (a request) or returned."""


@dataclass(frozen=True, slots=True)
class Options:
    """See ``instrument``."""

    sdk: str | None = None
    tracer_provider: TracerProvider | None = None
    meter_provider: MeterProvider | None = None
    request_hook: Hook | None = None
    response_hook: Hook | None = None
