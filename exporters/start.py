"""Starts what sends telemetry from the daemon, and stops it again with a bound."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from opentelemetry.sdk.resources import Resource

from ..telemetry.bounded_gate import DropCounter
from ..telemetry.bounded_work import finish_within
from ..telemetry.identity import SERVICE_NAME, as_log_fields, identity_attributes
from ..telemetry.instruments import Instruments
from ..telemetry.json_logging import configure_logging
from ..telemetry.otlp import log_exporter, metric_exporter
from ..telemetry.own_metrics import TELEMETRY_DROPPED
from ..telemetry.redaction import REDACTOR
from ..telemetry.tracing import Tracing, configure_tracing
from . import loki, otlp_logs, otlp_metrics
from .loki import LokiHandler
from .otlp_logs import OtlpLogHandler
from .otlp_metrics import OtlpMetricsSender
from .settings import TelemetrySettings

SPAN_DROP_REASONS = ("queue_full", "unreachable", "shutdown")
_MARGIN = 0.5
"""Each part keeps the bound by itself; this is the time it takes to count what it gave up."""


class _LeftOut(logging.Filter):
    """Passes only what a handler leaves out: what its sending itself has to say."""

    def __init__(self, handler: logging.Handler) -> None:
        super().__init__()
        self._handler = handler

    def filter(self, record: logging.LogRecord) -> bool:
        return not self._handler.filter(record)


@dataclass(slots=True)
class Exporters:
    """What was started: spans, the one place that logs go to, and metrics by OTLP if asked for.

    ``output`` is the log on standard output, or, where logs are sent, what the sending says on standard error.
    """

    tracing: Tracing
    output: logging.Handler
    logs: LokiHandler | OtlpLogHandler | None = None
    metrics: OtlpMetricsSender | None = None
    _stopped: bool = field(default=False, repr=False)

    def begin_metrics(self) -> None:
        """Send metrics by OTLP from now on, if that was asked for: the registry is complete."""
        if self.metrics is not None:
            self.metrics.start()

    def flush(self, seconds: float) -> bool:
        """Send what waits, all signals at the same time, for at most ``seconds``; return whether all went."""
        work: list[Callable[[], object]] = [partial(self.tracing.flush, seconds)]
        if self.logs is not None:
            work.append(partial(self.logs.flush, seconds))
        if self.metrics is not None:
            work.append(self.metrics.flush)
        return finish_within(seconds + _MARGIN, work)

    def shutdown(self, seconds: float) -> bool:
        """Send what waits and stop, for at most ``seconds``; return whether all of it was sent.

        Afterwards the root logger no longer sends; what is logged then is on standard output or error.
        """
        if self._stopped:
            return True
        self._stopped = True
        work: list[Callable[[], object]] = [partial(self.tracing.shutdown, seconds)]
        if self.logs is not None:
            logging.getLogger().removeHandler(self.logs)
            self.output.filters.clear()
            work.append(partial(self.logs.close, seconds))
        if self.metrics is not None:
            work.append(self.metrics.shutdown)
        done = finish_within(seconds + _MARGIN, work)
        self.output.flush()
        return done


def start_exporters(
    settings: TelemetrySettings, service_name: str, instruments: Instruments, instance: str | None = None
) -> Exporters:
    """Start tracing and the log, on standard output, to Loki or by OTLP; prepare metrics by OTLP.

    ``instance`` is the ``service.instance.id``. What does not reach its backend is counted in
    ``qwatch_telemetry_dropped_total``.
    """
    for secret in settings.otlp_headers.values():
        # Of "Bearer x" the credential by itself too.
        REDACTOR.keep_secret(secret.get_secret_value())
        REDACTOR.keep_secret(secret.get_secret_value().rpartition(" ")[2])
    # No line has them, and to find them out for every record takes a fifth of its cost.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    identity = identity_attributes(instance)
    tracing = configure_tracing(
        service_name,
        resource_attributes=identity,
        otlp=settings.otlp,
        trace_directory=settings.trace_directory,
        dropped=_counted(instruments, "traces", SPAN_DROP_REASONS),
        limit=settings.span_limit,
    )
    exporters = _start_logs(settings, service_name, instruments, identity, tracing)
    if settings.otlp_metrics:
        exporters.metrics = OtlpMetricsSender(
            instruments.registry,
            metric_exporter(settings.otlp),
            Resource.create({SERVICE_NAME: service_name, **identity}),
            settings.otlp_metrics_interval,
            _counted(instruments, "metrics", otlp_metrics.DROP_REASONS),
        )
    return exporters


def _start_logs(
    settings: TelemetrySettings,
    service_name: str,
    instruments: Instruments,
    identity: Mapping[str, str],
    tracing: Tracing,
) -> Exporters:
    if settings.log_destination == "stdout":
        output = configure_logging(
            service_name, settings.log_level, settings.log_format, identity=as_log_fields(identity)
        )
        return Exporters(tracing, output)
    handler: LokiHandler | OtlpLogHandler
    if settings.log_destination == "loki":
        handler = _loki(settings, service_name, instruments, identity)
    else:
        handler = OtlpLogHandler(
            log_exporter(settings.otlp),
            service_name,
            identity=identity,
            capacity=settings.log_capacity,
            dropped=_counted(instruments, "logs", otlp_logs.DROP_REASONS),
        )
    output = configure_logging(service_name, settings.log_level, "text", sys.stderr)
    output.addFilter(_LeftOut(handler))
    logging.getLogger().addHandler(handler)
    return Exporters(tracing, output, handler)


def _loki(
    settings: TelemetrySettings, service_name: str, instruments: Instruments, identity: Mapping[str, str]
) -> LokiHandler:
    assert settings.loki_url is not None
    auth = None
    if settings.loki_user is not None and settings.loki_password is not None:
        password = settings.loki_password.get_secret_value()
        REDACTOR.keep_secret(password)
        auth = (settings.loki_user, password)
    return LokiHandler(
        settings.loki_url,
        service_name,
        identity=as_log_fields(identity),
        tenant=settings.loki_tenant,
        auth=auth,
        capacity=settings.log_capacity,
        timeout=settings.loki_timeout,
        dropped=_counted(instruments, "logs", loki.DROP_REASONS),
    )


def _counted(instruments: Instruments, signal: str, reasons: Iterable[str]) -> DropCounter:
    """Return what counts the drops of a signal, whose counters are there from the start."""
    for reason in reasons:
        instruments.add(TELEMETRY_DROPPED, 0, signal=signal, reason=reason)
    return lambda reason, count: instruments.add(TELEMETRY_DROPPED, count, signal=signal, reason=reason)
