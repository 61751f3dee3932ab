"""The envelope of the on-premises QPU's replies, and its errors."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from fastapi import Response


class ErrorCode(StrEnum):
    """Codes of refused requests; only the one that contains 3003 is relied on by clients of the machine."""

    INVALID_REQUEST = "QPU-1001"
    NOT_FOUND = "QPU-1004"
    UNAVAILABLE = "QPU-1503"
    INVALID_SEQUENCE = "QPU-3001"
    UNKNOWN_JOB = "QPU-3002"
    CANNOT_BE_CANCELED = "QPU-3003"


def success(data: Any) -> Response:
    """Return ``data`` wrapped as the machine wraps it."""
    return _json(200, {"code": 200, "message": "OK.", "status": "success", "data": data})


def failure(status_code: int, code: ErrorCode, message: str) -> Response:
    """Return an error wrapped as the machine wraps it; ``message`` is one line for the user."""
    return _json(status_code, {"code": code.value, "message": message, "status": "fail", "data": None})


def _json(status_code: int, content: dict[str, Any]) -> Response:
    # Escaped to ASCII, so that no text of a user, half a surrogate pair included, fails to encode.
    return Response(json.dumps(content, allow_nan=False), status_code, media_type="application/json")
