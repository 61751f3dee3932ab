"""Instruments a program that knows nothing of qwatch: every QRMI resource, whoever made it and when.

``install`` puts recording methods in the place of those of the compiled class ``qrmi.QuantumResource``.
Resources thus keep their class, and it does not matter under which name or how early the program imported it,
nor whether ``QRMIService`` or ``ResourceProvider`` handed a resource out. The class takes no attributes and no
weak references, so what is recorded is kept by the resource's name and type.

Where a resource's daemon takes the local token, its calls go there with the token: the program needs no MUNGE.
"""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import qrmi

from . import library_logs as _library_logs
from .daemon_address import daemon_at, daemon_of
from .guard import log_fault
from .interface import Resource
from .options import Options
from .program_tracing import trace_this_program
from .resource_telemetry import ResourceTelemetry
from .wheel import BARE, QuantumResource, bare

_MOST_RESOURCES = 64

_Key = tuple[str, qrmi.ResourceType]

_RECORDERS: dict[str, Callable[..., Any]] = {
    "acquire": ResourceTelemetry.acquire,
    "release": ResourceTelemetry.release,
    "task_start": ResourceTelemetry.task_start,
    "task_status": ResourceTelemetry.task_status,
    "task_result": ResourceTelemetry.task_result,
}
"""The methods with a recorder of their own."""

_PARAMETERS = {
    "acquire": (),
    "release": ("id",),
    "is_accessible": (),
    "status": (),
    "target": (),
    "metadata": (),
    "task_start": ("payload",),
    "task_status": ("task_id",),
    "task_result": ("task_id",),
    "task_logs": ("task_id",),
    "task_stop": ("task_id",),
}

_lock = threading.RLock()
_originals: dict[str, Any] = {}
_options = Options()
_known: OrderedDict[_Key, ResourceTelemetry] = OrderedDict()
_configured: OrderedDict[_Key, dict[str, str]] = OrderedDict()
_local: dict[_Key, Resource] = {}
"""What takes the calls of a resource that has a local token."""


def install(options: Options | None = None, *, library_logs: bool = True) -> None:
    """Instrument every resource from now on; done again, ``options`` replace the earlier ones."""
    global _options  # noqa: PLW0603
    with _lock:
        options = options or Options()
        if options != _options:
            _options = options
            _end_all()
        if library_logs:
            _library_logs.install()
        if _originals:
            return
        for name in _PARAMETERS:
            if name in BARE:
                _replace(name, _recording(name))
        _replace("from_config", staticmethod(_from_config))


def uninstall() -> None:
    """Put everything back; what is open then ends as it does at exit."""
    with _lock:
        while _originals:
            name, original = _originals.popitem()
            setattr(QuantumResource, name, original)
        _library_logs.uninstall()
        _end_all()
        _configured.clear()


def _replace(name: str, replacement: Any) -> None:
    _originals[name] = vars(QuantumResource)[name]
    setattr(QuantumResource, name, replacement)


def _recording(operation: str) -> Callable[..., Any]:
    original = BARE[operation]
    bind = original.__get__
    parameters = _PARAMETERS[operation]
    count = len(parameters)
    record = _RECORDERS.get(operation)

    @functools.wraps(original)
    def method(self: Any, *given: Any, **named: Any) -> Any:
        if named and not given and tuple(named) == parameters:
            given, named = tuple(named.values()), {}
        # Of a wrong call the library says itself what is wrong.
        telemetry = None if named or len(given) != count else _telemetry_of(self)
        if telemetry is None:
            return original(self, *given, **named)
        function = bind(self)
        if _local and (local := _local.get((_name_of(self), _type_of(self)))) is not None:
            function = getattr(local, operation)
        if record is None:
            return telemetry.call(operation, function, *given)
        return record(telemetry, function, *given)

    return method


_from_config_of_the_library = QuantumResource.from_config
_name_of, _type_of = BARE["resource_id"], BARE["resource_type"]


@functools.wraps(_from_config_of_the_library)
def _from_config(*given: Any, **named: Any) -> Any:
    resource = _from_config_of_the_library(*given, **named)
    try:
        config = named.get("config") or given[2]
        key = (_name_of(resource), _type_of(resource))
        if key[1] == qrmi.ResourceType.PasqalLocal:
            with _lock:
                _configured[key] = dict(config)
                if len(_configured) > _MOST_RESOURCES:
                    _configured.popitem(last=False)
    except Exception as error:
        log_fault("automatic instrumentation", error)
    return resource


def _telemetry_of(resource: Any) -> ResourceTelemetry | None:
    try:
        key = (_name_of(resource), _type_of(resource))
        return _known.get(key) or _new_telemetry(key, resource)
    except Exception as error:
        # Also where another thread uses the resource now: the library's own call then tells that.
        if isinstance(resource, QuantumResource):
            log_fault("automatic instrumentation", error)
        return None


def _new_telemetry(key: _Key, resource: Any) -> ResourceTelemetry:
    trace_this_program()
    with _lock:
        found = _known.get(key)
        if found is None:
            config = _configured.get(key)
            local = _with_local_token(key, config)
            if local is not None:
                _local[key] = local
                found = ResourceTelemetry(local, _options)
            else:
                daemon = daemon_of(resource) if config is None else daemon_at(config)
                found = ResourceTelemetry(bare(resource), _options, daemon)
            _known[key] = found
            if len(_known) > _MOST_RESOURCES:
                oldest, telemetry = _known.popitem(last=False)
                _local.pop(oldest, None)
                telemetry.end()
        return found


def _with_local_token(key: _Key, config: dict[str, str] | None) -> Resource | None:
    name, kind = key
    if kind != qrmi.ResourceType.PasqalLocal:
        return None
    try:
        from .local_substitute import with_local_token

        return with_local_token(name, config)
    except Exception as error:
        log_fault("local token", error)
        return None


def _end_all() -> None:
    while _known:
        _known.popitem()[1].end()
    _local.clear()
