"""Starts what sends telemetry from the daemon, and stops it again with a bound."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version

from ..telemetry.bounded_work import finish_within
from ..telemetry.instruments import Instruments
from ..telemetry.json_logging import configure_logging
from ..telemetry.own_metrics import TELEMETRY_DROPPED
from ..telemetry.redaction import REDACTOR
from ..telemetry.tracing import Tracing, configure_tracing
from .loki import DROP_REASONS as LOG_DROP_REASONS
from .loki import LokiHandler
from .settings import TelemetrySettings

SPAN_DROP_REASONS = ("queue_full", "unreachable", "shutdown")
_MARGIN = 0.5
"""Each part keeps the bound by itself; this is the time it takes to count what it gave up."""


@dataclass(slots=True)
class Exporters:
    """What was started: spans, and log handlers of the root logger."""

    tracing: Tracing
    output: logging.Handler
    loki: LokiHandler | None = None
    _stopped: bool = field(default=False, repr=False)

    def flush(self, seconds: float) -> bool:
        """Send what waits, all signals at the same time, for at most ``seconds``; return whether all went."""
        work: list[Callable[[], object]] = [partial(self.tracing.flush, seconds)]
        if self.loki is not None:
            work.append(partial(self.loki.flush, seconds))
        return finish_within(seconds + _MARGIN, work)

    def shutdown(self, seconds: float) -> bool:
        """Send what waits and stop, for at most ``seconds``; return whether all of it was sent.

        Afterwards the root logger no longer sends to Loki; the log on standard output stays.
        """
        if self._stopped:
            return True
        self._stopped = True
        work: list[Callable[[], object]] = [partial(self.tracing.shutdown, seconds)]
        if self.loki is not None:
            logging.getLogger().removeHandler(self.loki)
            work.append(partial(self.loki.close, seconds))
        done = finish_within(seconds + _MARGIN, work)
        self.output.flush()
        return done


def start_exporters(settings: TelemetrySettings, service_name: str, instruments: Instruments) -> Exporters:
    """Start tracing, the log on standard output and, where an address is given, the log to Loki.

    What does not reach its backend is counted in ``qwatch_telemetry_dropped_total``.
    """
    for reason in SPAN_DROP_REASONS:
        instruments.add(TELEMETRY_DROPPED, 0, signal="traces", reason=reason)
    tracing = configure_tracing(
        service_name,
        resource_attributes={"service.version": _version(), "host.name": socket.gethostname()},
        otlp_endpoint=settings.otlp_endpoint,
        trace_directory=settings.trace_directory,
        dropped=lambda reason, count: instruments.add(TELEMETRY_DROPPED, count, signal="traces", reason=reason),
        limit=settings.span_limit,
    )
    output = configure_logging(service_name, settings.log_level, settings.log_format)
    exporters = Exporters(tracing, output)
    if settings.loki_url is not None:
        for reason in LOG_DROP_REASONS:
            instruments.add(TELEMETRY_DROPPED, 0, signal="logs", reason=reason)
        exporters.loki = _loki(settings, settings.loki_url, service_name, instruments)
        logging.getLogger().addHandler(exporters.loki)
    return exporters


def _loki(settings: TelemetrySettings, url: str, service_name: str, instruments: Instruments) -> LokiHandler:
    auth = None
    if settings.loki_user is not None and settings.loki_password is not None:
        password = settings.loki_password.get_secret_value()
        REDACTOR.keep_secret(password)
        auth = (settings.loki_user, password)
    return LokiHandler(
        url,
        service_name,
        tenant=settings.loki_tenant,
        auth=auth,
        capacity=settings.log_capacity,
        timeout=settings.loki_timeout,
        dropped=lambda reason, count: instruments.add(TELEMETRY_DROPPED, count, signal="logs", reason=reason),
    )


def _version() -> str:
    try:
        return version("qwatch")
    except PackageNotFoundError:
        return "unknown"
