"""OpenTelemetry's switch that tells instrumentation to keep quiet, for the present context.

The API has a key for it and ``opentelemetry-instrumentation`` a plain word besides; both are honoured and
set.
"""

from __future__ import annotations

from opentelemetry import context

_PLAIN_KEY = "suppress_instrumentation"
_KEY: str = getattr(context, "_SUPPRESS_INSTRUMENTATION_KEY", _PLAIN_KEY)


def is_suppressed() -> bool:
    """Tell whether instrumentation is switched off for the present context."""
    current = context.get_current()
    return bool(current and (current.get(_KEY) or current.get(_PLAIN_KEY)))


def suppressed_context() -> context.Context:
    """Return the present context with instrumentation switched off."""
    return context.set_value(_KEY, True, context.set_value(_PLAIN_KEY, True))
