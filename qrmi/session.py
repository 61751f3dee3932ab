"""A session of a resource for the length of a ``with`` block, where the job holds none yet."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from ..telemetry.redaction import REDACTOR, redact
from .interface import Resource
from .resource_types import SESSION_KEY

_log = logging.getLogger(__name__)


def session_variable(name: str) -> str:
    """Return the variable in which QRMI looks for the session of the resource ``name``."""
    return f"{name}_{SESSION_KEY}"


@contextmanager
def session(resource: Resource) -> Iterator[str]:
    """Hold a session of ``resource``, and yield its token.

    A session that the job already holds (``{NAME}_QRMI_JOB_ACQUISITION_TOKEN`` is set) is used, and left to
    its owner to release. Otherwise one is acquired, put where QRMI looks for it, and released at the end,
    also after an error.

    Raises:
        qrmi.QrmiError: the session is refused.
    """
    variable = session_variable(resource.resource_id())
    held = os.environ.get(variable)
    if held:
        REDACTOR.keep_secret(held)
        yield held
        return
    token = resource.acquire()
    REDACTOR.keep_secret(token)
    os.environ[variable] = token
    try:
        yield token
    finally:
        if os.environ.get(variable) == token:
            del os.environ[variable]
        try:
            resource.release(token)
        except RuntimeError as error:
            # The results are in hand: a session that is left over is the daemon's to end.
            _log.warning(
                "the session of %s could not be released: %s", resource.resource_id(), redact(str(error))
            )
